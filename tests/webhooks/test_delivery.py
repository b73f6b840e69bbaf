"""Events arrive at a receiver: signed, as the feed shows them, in order, and again until they were taken."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.webhooks.conftest import Clock, Dispatching, deliveries_of, endpoint_of, until
from tests.webhooks.receiver import OK, Received, Receiver, answer, receiving
from zerosum.adapters.clock import now
from zerosum.domain.webhooks import RETRIES
from zerosum.services.webhooks.secrets import FORMER_SECRETS_MAX, EndpointSecrets


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
    assert delivery["resource"] == {"type": "payment", "id": payment["id"]}
    headers = received.headers
    for changed in (
        {"body": received.body + b" "},
        {"headers": {**headers, "webhook-id": f"{received.id}0"}},
        {"headers": {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}},
    ):
        forged: dict[str, Any] = {"body": received.body, "headers": headers, **changed}
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint["secret"]).verify(forged["body"], forged["headers"])


async def test_an_endpoint_gets_the_types_it_wants_from_its_making_on(client: Client, dispatching: Dispatching) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "1.00")
    async with receiving() as receiver, dispatching():
        await endpoint_of(client, receiver.url, event_types=["account.frozen", "hold.*"])
        await client.deposit("alice", "2.00")
        await client.post("/v1/accounts/alice/freeze", {})
        await client.post("/v1/accounts/alice/unfreeze", {})
        await placed(client)
        await receiver.has(2)
        await asyncio.sleep(0.5)
    assert sorted(one.event["type"] for one in receiver.received) == ["account.frozen", "hold.placed"]


async def test_what_failed_is_sent_again_within_ten_seconds_under_the_same_id(
    client: Client, dispatching: Dispatching
) -> None:
    await client.open_account("alice")
    answers = iter([answer(500), OK])
    async with receiving(answer=lambda _: next(answers)) as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        await receiver.has(1)
        (waiting,) = await until(lambda: deliveries_of(client, endpoint, code=500), bool)
        assert (waiting["status"], waiting["last_error"]) == ("pending", "status_5xx")
        last, following = (datetime.fromisoformat(waiting[name]) for name in ("last_attempt_at", "next_attempt_at"))
        assert following - last < timedelta(seconds=7)
        first, second = await receiver.has(2)
        assert first.id == second.id
        assert first.body == second.body
        assert second.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
        assert second.at - first.at >= 3.5
        Webhook(endpoint["secret"]).verify(second.body, second.headers)


async def test_the_events_of_one_resource_wait_for_each_other_and_for_no_other(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100.00")
    refused: set[str] = set()

    def moody(received: Received) -> bytes:
        return answer(503) if received.event["resource"]["id"] in refused else OK

    async with receiving(answer=moody) as receiver, dispatching(clock=clock):
        endpoint = await endpoint_of(client, receiver.url, event_types=["hold.*"])
        slow, quick = await placed(client), await placed(client)
        refused.add(slow)
        for hold in (slow, quick):
            await extended(client, hold)
            await client.post(f"/v1/holds/{hold}/void", {}, key=fresh_key())
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), lambda found: len(found) >= 3)
        assert steps(receiver, quick) == ["hold.placed", "hold.extended", "hold.voided"]
        refused.clear()
        clock.forward(timedelta(minutes=1))
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), lambda found: len(found) == 6)
        told = steps(receiver, slow)
        assert list(dict.fromkeys(told)) == ["hold.placed", "hold.extended", "hold.voided"]
        assert told[-2:] == ["hold.extended", "hold.voided"]


async def test_after_three_days_it_is_given_up_and_the_next_of_its_resource_goes(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "100.00")
    began = clock()
    async with (
        receiving(answer=lambda one: answer(500) if one.event["type"] == "hold.placed" else OK) as receiver,
        dispatching(clock=clock),
    ):
        endpoint = await endpoint_of(client, receiver.url, event_types=["hold.*"])
        hold = await placed(client)
        await client.post(f"/v1/holds/{hold}/void", {}, key=fresh_key())
        for number, delay in enumerate((*RETRIES, None), 1):
            await receiver.has(number)
            tried = await tried_again(client, endpoint, receiver.ids[0], number)
            clock.forward(timedelta(minutes=6) if delay is None else delay * 1.25)
        failed = tried
        assert failed["status"] == "failed"
        assert failed["attempts"] == 11
        assert timedelta(days=2.5) < clock() - began < timedelta(days=5)
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        assert steps(receiver, hold)[-1] == "hold.voided"
        assert len(set(receiver.ids[:11])) == 1


async def test_a_receiver_may_ask_for_more_time_and_gets_an_hour_at_most(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    said = iter(["120", "999999", "soon", ""])

    def wait(_: Received) -> Any:
        text = next(said) or format_datetime(clock() + timedelta(minutes=40), usegmt=True)
        return answer(429, f"retry-after: {text}")

    async with receiving(answer=wait) as receiver, dispatching(clock=clock):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        for number, (least, most) in enumerate(((120, 121), (3600, 3601), (240, 361), (2398, 2401)), 1):
            await receiver.has(number)
            found = await tried_again(client, endpoint, receiver.ids[0], number)
            last, following = (datetime.fromisoformat(found[name]) for name in ("last_attempt_at", "next_attempt_at"))
            assert least <= (following - last).total_seconds() <= most
            clock.forward(following - last + timedelta(seconds=1))


async def test_a_secret_that_was_promised_to_sign_signs_whatever_is_rotated_meanwhile(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    """The first answer was lost, and it is asked again: the receiver has neither of the new ones."""
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(clock=clock):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        path = f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
        first, second = [(await client.post(path, {"overlap_seconds": n})).json() for n in (7200, 3600)]
        assert first["previous_secret_until"] == second["previous_secret_until"]
        await client.deposit("alice", "1.00")
        (received,) = await receiver.has(1)
        for made in (endpoint, first, second):
            Webhook(made["secret"]).verify(received.body, received.headers)
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        clock.forward(timedelta(seconds=5400))
        await client.deposit("alice", "1.00")
        _, later = await receiver.has(2)
        assert (
            len(later.headers["webhook-signature"].split(" ")) == 2
        )  # The one that was promised for an hour has ended.
        for _ in range(FORMER_SECRETS_MAX - 2):
            assert (await client.post(path, {"overlap_seconds": 3600})).status_code == 200
        refused(await client.post(path, {"overlap_seconds": 3600}), 409, "quota_exceeded")
        assert (await client.post(path, {"overlap_seconds": 0})).json()["previous_secret_until"] is None
    clock.forward(timedelta(seconds=-5400))


async def test_a_former_secret_that_was_kept_alone_signs_too() -> None:
    """As it was kept before there could be several."""

    class Unsealed:
        async def open(self, _: object, sealed: str, **__: object) -> bytes:
            return bytes.fromhex(sealed)

    ends = now() + timedelta(hours=1)
    record: Any = SimpleNamespace(
        id=UUID(int=1), ledger_id=UUID(int=2), url="https://example.com", sealed_secret="00", sealed_headers=None,
        sealed_previous_secret="01" * 24, previous_secret_until=ends,
    )  # fmt: skip
    secrets = EndpointSecrets(Unsealed())  # type: ignore[arg-type]
    assert (await secrets.opened(record, now())).keys == (b"\0", b"\x01" * 24)
    assert (await secrets.opened(record, ends)).keys == (b"\0",)


async def test_a_secret_is_rotated_while_both_sign(client: Client, dispatching: Dispatching, clock: Clock) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(clock=clock):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        path = f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
        rotated = (await client.post(path, {"overlap_seconds": 3600})).json()
        assert rotated["secret"] != endpoint["secret"]
        await client.deposit("alice", "1.00")
        (both,) = await receiver.has(1)
        assert len(both.headers["webhook-signature"].split(" ")) == 2
        for secret in (endpoint["secret"], rotated["secret"]):
            Webhook(secret).verify(both.body, both.headers)
        # What is written is not sent again when its claim is over.
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        clock.forward(timedelta(hours=2))
        await client.deposit("alice", "1.00")
        _, last = await receiver.has(2)
        assert len(last.headers["webhook-signature"].split(" ")) == 1
        again = (await client.post(path, {"overlap_seconds": 0})).json()
        assert again["previous_secret_until"] is None
        await client.deposit("alice", "1.00")
        newest = (await receiver.has(3))[-1]
    clock.forward(timedelta(hours=-2))
    signature = newest.headers["webhook-signature"]
    assert len(signature.split(" ")) == 1


async def test_two_dispatchers_send_each_event_once_and_in_the_order_of_its_resource(
    client: Client, dispatching: Dispatching
) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100.00")
    async with receiving() as receiver, dispatching(), dispatching():
        await endpoint_of(client, receiver.url, event_types=["hold.*"])
        holds = [await placed(client) for _ in range(10)]

        async def lead(hold: str) -> None:
            for _ in range(4):
                await extended(client, hold)
            await client.post(f"/v1/holds/{hold}/void", {}, key=fresh_key())

        await asyncio.gather(*map(lead, holds))
        await receiver.has(60)
        await asyncio.sleep(0.5)
    assert len(receiver.ids) == len(set(receiver.ids)) == 60
    for hold in holds:
        assert steps(receiver, hold) == ["hold.placed", *["hold.extended"] * 4, "hold.voided"]


async def test_what_a_dispatcher_was_sending_when_it_died_is_sent_again_by_another(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver:
        async with dispatching(is_running=False, clock=clock) as dying:
            endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
            for _ in range(5):
                await client.deposit("alice", "1.00")
            while len(receiver.received) < 5:
                await dying.run_turn()
                await asyncio.sleep(0.05)
                dying._results.clear()  # it dies before it has written how they ended
        async with dispatching(clock=clock):
            await asyncio.sleep(0.5)
            assert len(receiver.received) == 5
            clock.forward(timedelta(minutes=1))
            await receiver.has(10)
            await until(lambda: deliveries_of(client, endpoint, status="delivered"), lambda found: len(found) == 5)
    assert sorted(receiver.ids[:5]) == sorted(receiver.ids[5:])
    assert len(set(receiver.ids)) == 5


async def tried_again(client: Client, endpoint: dict[str, Any], event: str, number: int) -> dict[str, Any]:
    """The delivery, once the result of so many attempts is written: nothing else is, while one is on its way."""

    def has_ended(found: list[dict[str, Any]]) -> bool:
        one = found[0]
        is_new = one["last_attempt_at"] is not None and one["last_attempt_at"] not in _TRIED.setdefault(event, set())
        return bool(one["attempts"] == number and is_new)

    (delivery,) = await until(lambda: deliveries_of(client, endpoint, event=event), has_ended)
    _TRIED[event].add(delivery["last_attempt_at"])
    return delivery


_TRIED: dict[str, set[str]] = {}


async def placed(client: Client) -> str:
    await ensure_bob(client)
    body = {"from": "alice", "to": "bob", "amount": "1.00", "currency": "USD"}
    answered = await client.post("/v1/holds", body, key=fresh_key())
    assert answered.status_code == 201, answered.text
    hold: str = answered.json()["id"]
    return hold


async def extended(client: Client, hold: str) -> None:
    body = {"expires_at": (now() + timedelta(days=20)).isoformat()}
    answered = await client.post(f"/v1/holds/{hold}/extend", body, key=fresh_key())
    assert answered.status_code == 200, answered.text


async def ensure_bob(client: Client) -> None:
    await client.post("/v1/accounts", {"code": "bob", "currency": "USD", "type": "liability"})


def steps(receiver: Receiver, hold: str) -> list[str]:
    return [one.event["type"] for one in receiver.received if one.event["resource"]["id"] == hold]


async def test_lag_is_small_where_nothing_else_is_to_do(client: Client, dispatching: Dispatching) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching():
        await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        await receiver.has(1)
        began = time.monotonic()
        await client.deposit("alice", "1.00")
        await receiver.has(2)
    assert time.monotonic() - began < 5


async def test_an_event_that_cannot_be_shown_keeps_no_other_from_being_sent(
    client: Client, dispatching: Dispatching, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(is_running=False) as dispatcher:
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        bad, good = (await client.deposit("alice", "1.00"))["id"], (await client.deposit("alice", "1.00"))["id"]
        await superuser.execute("set session_replication_role = replica")
        await superuser.execute("update payments set type = 'nonsense' where id = $1", UUID(bad.removeprefix("pay_")))
        while not receiver.received:
            await dispatcher.run_turn()
            await asyncio.sleep(0.05)

        async def both() -> list[dict[str, Any]]:
            await dispatcher.write()
            return sorted(await deliveries_of(client, endpoint), key=lambda one: str(one["status"]), reverse=True)

        stuck, sent = await until(both, lambda found: found[-1]["status"] == "delivered" and found[0]["last_error"])
        health = (await client.get(f"/v1/webhook-endpoints/{endpoint['id']}")).json()
    assert (stuck["status"], stuck["last_error"], stuck["resource"]["id"]) == ("pending", "not_readable", bad)
    assert sent["resource"]["id"] == good
    assert receiver.received[0].event["resource"]["id"] == good
    assert health["failing_since"] is None
