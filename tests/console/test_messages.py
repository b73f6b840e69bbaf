"""Messages in the console: events, webhooks, dead letters, inputs and publications; and what proves the books."""

from __future__ import annotations

import html
from typing import Any

import pytest

from tests.api.conftest import Client, make_client
from tests.api.sealing import sealing_of
from tests.api.test_dead_letters import put_aside
from tests.console.conftest import Person, shown
from tests.ingest.ground import caller_of, deposit
from tests.webhooks.conftest import until
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.messages import Partition
from zerosum.domain.publications import Publication, PublicationKey, TopicTemplate
from zerosum.main import Service
from zerosum.services.publications.positions import PublicationPositions

MARKUP = "<img src=x onerror=alert(1)>"


async def told(client: Client, type_: str) -> dict[str, Any]:
    """The first event of this type, once the feed has it."""

    async def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get("/v1/events", params={"type": type_})).json()["data"]
        return found

    return (await until(look, bool))[0]


async def endpoint_of(client: Client) -> str:
    body = {"url": "https://93.184.215.14/", "description": MARKUP}
    return str((await client.post("/v1/webhook-endpoints", body)).json()["id"])


async def test_events_are_the_newest_first_and_tell_what_they_told(admin: Person, client: Client) -> None:
    account = await client.open_account("shops:one", name=MARKUP)
    await client.deposit("shops:one", "5.00")
    event = await told(client, "payment.succeeded")
    page = await admin.page("/events")
    rows = page[page.index("<tbody") :]
    assert event["id"] in rows
    assert rows.index("payment.succeeded") < rows.index("account.opened")
    only = await admin.page("/events", params={"type": "account.*", "account": account["id"]})
    assert event["id"] not in only
    assert account["id"] in only
    opened = await told(client, "account.opened")
    shown_page = await admin.page(f"/events/{(await told(client, 'account.opened'))['id']}")
    assert opened["id"] in shown_page
    assert MARKUP not in shown_page
    assert "No event fits" in await admin.page("/events", params={"type": "hold.*"})


async def test_events_go_on_where_a_page_ends(admin: Person, client: Client) -> None:
    for number in range(51):
        await client.open_account(f"many:{number}")

    async def look() -> list[Any]:
        answer = await client.get("/v1/events", params={"limit": 100})
        found: list[Any] = answer.json()["data"]
        return found

    events = await until(look, lambda found: len(found) == 51)
    page = await admin.page("/events")
    assert events[0]["id"] not in page
    onwards = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    later = await admin.page(onwards)
    assert events[0]["id"] in later
    assert 'rel="next"' not in later


async def test_an_endpoints_deliveries_are_shown_and_sent_again(admin: Person, client: Client) -> None:
    assert "POST /v1/webhook-endpoints" in await admin.page("/webhooks")
    await client.open_account("shops:one")
    endpoint = await endpoint_of(client)
    event = await told(client, "account.opened")
    listed = await admin.page("/webhooks")
    assert shown(MARKUP) in listed
    assert MARKUP not in listed
    here = f"/webhooks/{endpoint}"
    assert "No delivery fits" in await admin.page(here)
    assert (await admin.act(f"{here}/deliveries/{event['id']}/replay")).status_code == 303
    page = await admin.page(here)
    assert event["id"] in page
    assert "account.opened" in page
    assert "pending" in page
    assert "No delivery fits" in await admin.page(here, params={"status": "failed"})
    await client.deposit("shops:one", "5.00")
    await told(client, "payment.succeeded")
    assert (await admin.act(f"{here}/replay", since="2020-01-01")).status_code == 303
    assert "payment.succeeded" in await admin.page(here)
    assert '<td class="number">0</td>' not in (await admin.page("/webhooks")).split("Next try")[1].split("</td>")[2]


async def test_a_dead_letter_is_read_carried_out_or_dropped(admin: Person, client: Client, service: Service) -> None:
    assert "No dead letters" in await admin.page("/dead-letters")
    a = (await client.open_account("shops:one"))["code"]
    good = await put_aside(service, client, deposit(a, "5.00"))
    bad = await put_aside(service, client, {"command": MARKUP}, "2")
    listed = await admin.page("/dead-letters", params={"status": "dead", "input": "test"})
    assert good in listed
    assert bad in listed
    page = await admin.page(f"/dead-letters/{bad}")
    assert shown(MARKUP) in page
    assert MARKUP not in page
    assert (await admin.act(f"/dead-letters/{good}/replay")).status_code == 303
    assert (await client.balance(a))["posted"] == "5.00"
    assert "Carry out" not in await admin.page(f"/dead-letters/{good}")
    assert (await admin.act(f"/dead-letters/{bad}/drop", reason="nobody flies")).status_code == 303
    assert "nobody flies" in (await client.get("/v1/audit-log")).text
    assert (await admin.act(f"/dead-letters/{bad}/replay")).status_code == 409


async def test_inputs_and_publications_tell_how_far_they_are(
    admin: Person, client: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    page = await admin.page("/messages")
    assert "zerosum ingest" in page
    assert "zerosum publish" in page
    partition = Partition("kafka-one", MARKUP, "3")
    assert await service.services.ingestion.take(caller_of(client), partition, "worker-1") is not None
    await client.open_account("shops:one")
    publication = Publication(
        name="to-the-shop",
        target="kafka://broker",
        topic=TopicTemplate("events.{ledger}"),
        key=PublicationKey.ACCOUNT,
        types=(),
    )
    await PublicationPositions(database, ledger_id).begin(publication, [ledger_id], is_latest=False)
    page = await admin.page("/messages")
    for text in ("kafka-one", shown(MARKUP), "worker-1", "to-the-shop", "kafka://broker"):
        assert text in page, text
    assert MARKUP not in page


async def test_the_integrity_page_tells_heads_and_how_to_prove(admin: Person, client: Client) -> None:
    assert "The first account begins one" in await admin.page("/integrity")
    account = await client.open_account("shops:one")
    await client.deposit("shops:one", "5.00")
    page = await admin.page("/integrity")
    [line] = (await client.get("/v1/accounts/shops:one/postings")).json()["data"]
    assert line["hash"] in page
    assert account["id"] in page
    assert f"zerosum verify --ledger {admin.ledger}" in page


async def test_the_newest_checkpoint_and_a_receipt_are_shown(admin: Person, client: Client, service: Service) -> None:
    await client.open_account("shops:one")
    paid = await client.deposit("shops:one", "5.00")
    assert "There is no signed checkpoint yet" in await admin.page("/integrity")
    entry = f"je_{paid['id'].removeprefix('pay_')}"
    assert f"/journal/{entry}/receipt" in await admin.page(f"/journal/{entry}")

    async def sealed() -> bool:
        await sealing_of(service).seal(parse_id(Prefix.LEDGER, client.ledger))
        return (await client.get(f"/v1/journal-entries/{entry}/receipt")).status_code == 200

    await until(sealed, bool)
    receipt = (await client.get(f"/v1/journal-entries/{entry}/receipt")).json()
    page = await admin.page("/integrity")
    assert receipt["checkpoint"]["note"].split("\n")[2] in html.unescape(page)
    assert receipt["verifier_key"] in html.unescape(page)
    shown_receipt = html.unescape(await admin.page(f"/journal/{entry}/receipt"))
    assert receipt["proof"][0] in shown_receipt
    assert receipt["entry"]["postings"][0]["hash"] in shown_receipt


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/events?type=nothing.happened", 422),
        ("/events?before=evt_nonsense", 422),
        ("/events?before=evt_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 422),
        ("/events?resource=nonsense", 422),
        ("/events?account=no:such", 422),
        ("/events/nonsense", 422),
        ("/webhooks/nonsense", 422),
        ("/webhooks?cursor=forged", 400),
        ("/dead-letters/nonsense", 422),
        ("/dead-letters?status=molten", 422),
        ("/integrity?cursor=forged", 400),
        ("/messages?what=this", 422),
    ],
)
async def test_what_cannot_be_meant_is_refused_on_a_page(admin: Person, path: str, status: int) -> None:
    answer = await admin.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_filters_of_deliveries_that_cannot_be_meant_are_refused(admin: Person, client: Client) -> None:
    endpoint = await endpoint_of(client)
    for query in ("status=molten", "type=no.such", "event=nonsense", "effective_from=never", "cursor=forged"):
        assert (await admin.get(f"/webhooks/{endpoint}?{query}")).status_code in (400, 422), query
    assert (await admin.act(f"/webhooks/{endpoint}/replay", since="never")).status_code == 422
    assert (await admin.act(f"/webhooks/{endpoint}/replay")).status_code == 422


async def test_another_ledgers_things_are_not_there(admin: Person, service: Service) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    await other.open_account("theirs")
    endpoint, letter = await endpoint_of(other), await put_aside(service, other, {"command": "fly"})
    event = (await told(other, "account.opened"))["id"]
    for path in (f"/events/{event}", f"/webhooks/{endpoint}", f"/dead-letters/{letter}"):
        assert (await admin.get(path)).status_code == 404, path
    assert (await admin.act(f"/webhooks/{endpoint}/replay", since="2020-01-01")).status_code == 404
    assert (await admin.act(f"/webhooks/{endpoint}/deliveries/{event}/replay")).status_code == 404
    assert (await admin.act(f"/dead-letters/{letter}/drop")).status_code == 404
    await other.http.aclose()
