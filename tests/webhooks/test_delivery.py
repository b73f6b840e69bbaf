"""Events arrive at a receiver: signed, as the feed shows them, in order, and again until they were taken."""

from __future__ import annotations

from standardwebhooks import Webhook

from tests.api.conftest import Client
from tests.webhooks.conftest import Dispatching, deliveries_of, endpoint_of
from tests.webhooks.receiver import receiving


async def test_a_payment_arrives_signed_and_as_the_feed_shows_it(client: Client, dispatching: Dispatching) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching():
        endpoint = await endpoint_of(
            client, receiver.url, event_types=["payment.*"], headers={"X-Api-Key": "receiver-secret"}
        )
        assert endpoint["secret"].startswith("whsec_")
        payment = await client.deposit("alice", "12.34")
        (received,) = await receiver.has(1)
        assert Webhook(endpoint["secret"]).verify(received.body, received.headers) == received.event
        (told,) = (await client.get("/v1/events", params={"type": "payment.succeeded"})).json()["data"]
        assert received.event == told
        assert told["data"] == payment
        assert received.id == told["id"]
        assert received.headers["x-api-key"] == "receiver-secret"
        assert received.headers["content-type"] == "application/json"
    (delivery,) = await deliveries_of(client, endpoint)
    assert (delivery["event_id"], delivery["status"], delivery["attempts"]) == (received.id, "delivered", 1)
    assert delivery["last_status_code"] == 200
