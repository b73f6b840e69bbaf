"""Periods over HTTP: closed once and in order, sealed, and what is dated into closed time afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import all_pages, refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests import closed_periods
from zerosum.services.requests.caller import Caller

OCTOBER = "2026-10-15T12:00:00Z"
SEPTEMBER = "2026-09-30T23:59:59.999999Z"
FIRST_OPEN = "2026-11-01T00:00:00.000000Z"


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture
async def books(client: Client) -> Client:
    """Alice was given 100.00 in September and 50.00 in October, and paid bob 30.00 then."""
    await client.open_account("alice")
    await client.open_account("bob")
    await paid(client, "deposit", "100", SEPTEMBER)
    await paid(client, "deposit", "50", OCTOBER)
    await paid(client, "transfer", "30", OCTOBER)
    return client


async def paid(
    client: Client, type_: str, amount: str, at: str | None, status: int = 201, key: str | None = None, **members: Any
) -> httpx.Response:
    parties = {"to": "alice"} if type_ == "deposit" else {"from": "alice", "to": "bob"}
    body = {"type": type_, "amount": amount, "currency": "USD", "effective_at": at, **parties, **members}
    answer = await client.pay(body, key)
    assert answer.status_code == status, answer.text
    return answer


async def close(client: Client, period: str, key: str | None = None) -> httpx.Response:
    return await client.post(f"/v1/periods/{period}/close", key=key or fresh_key())


async def closed(client: Client, period: str) -> dict[str, Any]:
    answer = await close(client, period)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def sealed(client: Client, period: str) -> dict[str, str]:
    lines = await all_pages(client, f"/v1/periods/{period}/balances", limit=1)
    return {line["code"]: line["balance"] for line in lines}


async def is_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda _, __: None)).breaks == []


async def set_up(client: Client, **settings: Any) -> None:
    answer = await client.http.patch(f"/v1/ledgers/{client.ledger}", json=settings)
    assert answer.status_code == 200, answer.text
    assert settings.items() <= answer.json().items()


async def test_a_period_is_closed_once_with_its_balances_sealed(
    books: Client, database: Database, ledger_id: LedgerId
) -> None:
    key = fresh_key()
    first = await close(books, "2026-10", key)
    period = first.json()
    assert period == {
        "id": "2026-10",
        "status": "closed",
        "number": 1,
        "time_zone": "UTC",
        "starts_at": "2026-10-01T00:00:00.000000Z",
        "ends_at": FIRST_OPEN,
        "closed_by": period["closed_by"],
        "closed_at": period["closed_at"],
        "recorded_until": period["recorded_until"],
        "accounts": 3,
        "currencies": [{"currency": "USD", "debits": "180.00", "credits": "180.00"}],
        "hash": period["hash"],
    }
    assert await sealed(books, "2026-10") == {"alice": "120.00", "bob": "30.00", "clearing:internal:USD": "150.00"}
    assert (await books.get("/v1/periods/2026-10")).json() == period
    assert (await books.get("/v1/periods")).json()["data"] == [period]
    replay = await close(books, "2026-10", key)
    assert (replay.content, replay.headers["idempotency-replayed"]) == (first.content, "true")
    refused(await close(books, "2026-11-01", key), 422, "idempotency_key_reused")
    facts = {"period": "2026-10", "closed_through": FIRST_OPEN}
    refused(await close(books, "2026-10"), 409, "period_closed", facts=facts)
    refused(await close(books, "2026-09"), 409, "period_closed", facts=facts | {"period": "2026-09"})
    outcome = (await books.get(f"/v1/idempotency-keys/{key}")).json()
    assert outcome["resource"] == {"type": "period", "id": "2026-10"}
    await is_right(database, ledger_id)


async def test_what_is_dated_into_closed_time_is_refused_and_the_refusal_kept(books: Client) -> None:
    await closed(books, "2026-10")
    key, facts = fresh_key(), {"period": "2026-10", "closed_through": FIRST_OPEN}
    for at in (OCTOBER, SEPTEMBER, "2026-10-31T23:59:59.999999Z"):
        refused(await paid(books, "transfer", "1", at, 409), 409, "period_closed", "/effective_at", facts=facts)
    for _ in range(2):
        answer = await paid(books, "transfer", "1", OCTOBER, 409, key)
        refused(answer, 409, "period_closed", "/effective_at", facts=facts)
    assert answer.headers["idempotency-replayed"] == "true"
    await paid(books, "transfer", "1", FIRST_OPEN)
    await paid(books, "transfer", "1", None)
    assert await sealed(books, "2026-10") == {"alice": "120.00", "bob": "30.00", "clearing:internal:USD": "150.00"}
    assert (await books.balance("alice", as_of="2026-10-31"))["posted"] == "120.00"


async def test_a_late_entry_is_rolled_forward_where_the_ledger_has_it_so(
    books: Client, database: Database, ledger_id: LedgerId
) -> None:
    await set_up(books, late_entries="roll_forward")
    await closed(books, "2026-10")
    key = fresh_key()
    payment = await paid(books, "transfer", "1", OCTOBER, key=key)
    assert payment.json()["effective_at"] == FIRST_OPEN
    assert (await paid(books, "transfer", "1", OCTOBER, key=key)).content == payment.content
    entry = (await books.get(f"/v1/journal-entries/{payment.json()['journal_entry_ids'][0]}")).json()
    late = {"way": "rolled_forward", "effective_at_requested": "2026-10-15T12:00:00.000000Z", "reason": None}
    assert (entry["effective_at"], entry["late"]) == (FIRST_OPEN, late)
    assert payment.json()["late"] == late
    assert (await books.get(f"/v1/payments/{payment.json()['id']}")).json() == payment.json()
    assert (await books.get("/v1/payments", params={"limit": 1})).json()["data"] == [payment.json()]
    assert "late" not in (await paid(books, "transfer", "1", FIRST_OPEN)).json()
    told = {name: late[name] for name in ("way", "effective_at_requested", "reason")}
    listed = (await books.get("/v1/periods/2026-10/late-entries")).json()["data"]
    assert listed == [{"journal_entry_id": entry["id"], **told}]
    rehearsed = await books.post(
        "/v1/payments?dry_run=true",
        {"type": "deposit", "amount": "1", "currency": "USD", "to": "bob", "effective_at": OCTOBER},
        key=fresh_key(),
    )
    assert rehearsed.json()["effective_at"] == FIRST_OPEN
    await is_right(database, ledger_id)


@pytest.mark.parametrize("policy", ["refuse", "roll_forward"])
async def test_split_payments_exchanges_and_templates_are_dated_as_others_are(
    books: Client, database: Database, ledger_id: LedgerId, policy: str
) -> None:
    await books.open_account("euros", currency="EUR", min_available=None)
    await set_up(books, late_entries=policy)
    await closed(books, "2026-10")
    dated = {"amount": "10", "currency": "USD", "from": "alice", "effective_at": OCTOBER}
    split = {**dated, "type": "transfer", "to": "bob", "splits": [{"to": "clearing:internal:USD", "percent": "10"}]}
    sold = {**dated, "to": "euros", "to_currency": "EUR", "rate": "0.9", "rate_source": "x", "rate_at": OCTOBER}
    template = {
        "name": "one",
        "parameters": {"price": {"type": "amount", "currency": "USD"}},
        "postings": [
            {"account": "alice", "side": "debit", "amount": "price"},
            {"account": "bob", "side": "credit", "amount": "price"},
        ],
    }
    assert (await books.post("/v1/templates", template, key=fresh_key())).status_code == 201
    by_template = {"parameters": {"price": "1.00"}, "effective_at": OCTOBER}
    for path, body in (("/v1/payments", split), ("/v1/exchanges", sold), ("/v1/templates/one/post", by_template)):
        answer = await books.post(path, body, key=fresh_key())
        if policy == "refuse":
            refused(answer, 409, "period_closed", "/effective_at")
        else:
            made = answer.json()
            assert (answer.status_code, made.get("effective_at")) == (201, FIRST_OPEN), answer.text
            assert made["late"]["way"] == "rolled_forward"
            if path != "/v1/templates/one/post":
                assert (await books.get(f"{path}/{made['id']}")).json() == made
    await is_right(database, ledger_id)


async def test_an_override_needs_its_scope_and_a_reason_and_leaves_the_seal_as_it_was(
    books: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    override: Any = {"override_closed_period": {"reason": "Invoice found"}}
    answer = await paid(books, "transfer", "5", OCTOBER, 409, **override)
    refused(answer, 409, "invalid_state")  # it is open
    await paid(books, "transfer", "5", None, 422, **override)
    before = await closed(books, "2026-10")
    teller = await make_client(service, ledger_id, [Scope.PAYMENTS_WRITE, Scope.JOURNAL_WRITE])
    answer = await paid(teller, "transfer", "5", OCTOBER, 403, **override)
    refused(answer, 403, "forbidden", "/override_closed_period", facts={"scope": "admin"})
    line = {"amount": "5", "currency": "USD"}
    item = {
        "reason": "late",
        "postings": [{"account": "alice", "side": "debit", **line}, {"account": "bob", "side": "credit", **line}],
        "effective_at": OCTOBER,
        **override,
    }
    items = {"items": [{**item, "idempotency_key": fresh_key()}]}
    answer = await teller.post("/v1/journal-entries/bulk", items)
    refused(answer, 403, "forbidden", "/items/0/override_closed_period", facts={"scope": "admin"})
    made = (await books.post("/v1/journal-entries", item, key=fresh_key())).json()
    assert made["effective_at"] == "2026-10-15T12:00:00.000000Z"
    assert made["late"] == {
        "way": "overridden",
        "effective_at_requested": made["effective_at"],
        "reason": "Invoice found",
    }
    assert (await books.get(f"/v1/journal-entries/{made['id']}")).json() == made
    payment = (await paid(books, "transfer", "1", OCTOBER, **override)).json()
    assert payment["late"] == made["late"]
    assert (await books.get(f"/v1/payments/{payment['id']}")).json() == payment
    for blank in ("", " ", "\t\n"):
        answer = await paid(books, "transfer", "1", OCTOBER, 422, override_closed_period={"reason": blank})
        refused(answer, 422, "validation_error", "/override_closed_period/reason")
    assert len((await books.get("/v1/periods/2026-10/late-entries")).json()["data"]) == 2
    # The world has changed, what was sealed has not; the next seal has both.
    assert (await books.balance("alice", as_of="2026-10-31"))["posted"] == "114.00"
    assert await sealed(books, "2026-10") == {"alice": "120.00", "bob": "30.00", "clearing:internal:USD": "150.00"}
    assert (await books.get("/v1/periods/2026-10")).json() == before
    await closed(books, "2026-11-01")
    assert await sealed(books, "2026-11-01") == {"alice": "114.00", "bob": "36.00", "clearing:internal:USD": "150.00"}
    await is_right(database, ledger_id)


@pytest.mark.parametrize(
    "period", ["2026-13", "2026-02-29", "2026", "2026-1", "26-10", "2026-10-01T00", "0000-01", "9999-12"]
)
async def test_what_is_no_period_is_refused(client: Client, period: str) -> None:
    refused(await close(client, period), 422, "invalid_id")


async def test_what_has_not_ended_is_not_closed(client: Client) -> None:
    today = f"{now():%Y-%m-%d}"
    for period in (today, today[:7], "2999-12"):
        refused(await close(client, period), 409, "period_not_over", members=("ends_at",))
    refused(await client.get(f"/v1/periods/{today}"), 404, "period_not_found")
    refused(await client.post("/v1/periods/2026-10/close"), 400, "idempotency_key_missing")


async def test_days_are_those_of_the_ledgers_zone(books: Client) -> None:
    for zone in ("Europe/Berlinn", "", "../etc/passwd", "Europe", "x" * 65):
        answer = await books.http.patch(f"/v1/ledgers/{books.ledger}", json={"time_zone": zone})
        refused(answer, 422, "validation_error", "/time_zone")
    await set_up(books, time_zone="America/New_York")
    short = await closed(books, "2026-03-08")  # 23 hours
    assert (short["starts_at"], short["ends_at"]) == ("2026-03-08T05:00:00.000000Z", "2026-03-09T04:00:00.000000Z")
    refused(
        await paid(books, "deposit", "1", "2026-03-09T03:59:59.999999Z", 409), 409, "period_closed", "/effective_at"
    )
    await paid(books, "deposit", "1", "2026-03-09T04:00:00Z")
    long = await closed(books, "2026-11-01")  # 25 hours
    assert (long["starts_at"], long["ends_at"]) == ("2026-11-01T04:00:00.000000Z", "2026-11-02T05:00:00.000000Z")
    # Another zone changes what comes, and not what was closed.
    await set_up(books, time_zone="Asia/Tokyo")
    assert (await books.get("/v1/periods/2026-11-01")).json() == long
    refused(await close(books, "2026-11-01"), 409, "period_closed")
    assert (await closed(books, "2026-11-02"))["ends_at"] == "2026-11-02T15:00:00.000000Z"


async def test_nothing_gets_into_a_period_after_its_closing_however_they_race(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    one, other = neighbours
    await one.open_account("alice")
    await one.open_account("bob")
    await paid(one, "deposit", "1000", SEPTEMBER)
    answers: list[int] = []
    is_over = asyncio.Event()

    async def keep_posting(client: Client) -> None:
        while not is_over.is_set():
            body = {"type": "transfer", "amount": "0.01", "currency": "USD", "from": "alice", "to": "bob"}
            answers.append((await client.pay(body | {"effective_at": OCTOBER})).status_code)

    posting = [asyncio.create_task(keep_posting(client)) for client in neighbours for _ in range(4)]
    await asyncio.sleep(0)
    while answers.count(201) < 20:
        await asyncio.sleep(0.01)
    key = fresh_key()
    first, second = await asyncio.gather(close(one, "2026-10", key), close(other, "2026-10", key))
    while answers.count(409) < 20:
        await asyncio.sleep(0.01)
    is_over.set()
    await asyncio.gather(*posting)
    assert (first.status_code, first.content) == (200, second.content)
    assert set(answers) <= {201, 409, 503}
    cents = answers.count(201)
    assert (await sealed(one, "2026-10"))["bob"] == f"{cents // 100}.{cents % 100:02}"
    assert (await one.balance("bob"))["posted"] == f"{cents // 100}.{cents % 100:02}"
    await is_right(database, ledger_id)


async def test_a_closing_that_was_cut_off_is_gone_on_with(
    books: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    key = fresh_key()
    at = now() - timedelta(seconds=1)
    async with database.work(ledger_id) as connection:
        periods = service.services.periods._closing
        await periods._begun(connection, Caller(ledger_id, "somebody"), "2026-10")
    assert (await books.get("/v1/periods/2026-10")).json()["status"] == "closing"
    refused(await books.get("/v1/periods/2026-10/balances"), 409, "period_closing", facts={"period": "2026-10"})
    refused(await close(books, "2026-11-01"), 409, "period_closing", facts={"period": "2026-10"})
    override: Any = {"override_closed_period": {"reason": "Invoice found"}}
    refused(await paid(books, "transfer", "1", OCTOBER, 409, **override), 409, "period_closing")
    done = await close(books, "2026-10", key)
    assert (done.status_code, done.json()["status"], done.json()["closed_by"]) == (200, "closed", "somebody")
    assert done.json()["recorded_until"] > at.isoformat()
    await paid(books, "transfer", "1", OCTOBER, **override)
    await is_right(database, ledger_id)


async def test_a_process_that_knows_nothing_of_the_closing_writes_nothing_into_it(
    neighbours: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = neighbours
    await one.open_account("alice")
    await paid(other, "deposit", "1", OCTOBER)
    monkeypatch.setattr(closed_periods, "REMEMBERED_FOR", timedelta(hours=1))
    await closed(one, "2026-10")
    key = fresh_key()
    refused(await paid(other, "deposit", "1", OCTOBER, 503, key), 503, "unavailable")
    assert (await one.balance("alice"))["posted"] == "1.00"
    monkeypatch.undo()
    refused(await paid(other, "deposit", "1", OCTOBER, 409, key), 409, "period_closed", "/effective_at")


async def test_a_name_that_was_closed_in_another_zone_is_closed(books: Client) -> None:
    await set_up(books, time_zone="Pacific/Kiritimati")
    await closed(books, "2026-10-15")
    await set_up(books, time_zone="Pacific/Pago_Pago")
    refused(await close(books, "2026-10-15"), 409, "period_closed")


async def test_a_day_that_its_zone_has_left_out_is_no_period(books: Client) -> None:
    await set_up(books, time_zone="Pacific/Apia")
    refused(await close(books, "2011-12-30"), 422, "invalid_id")
    for name in ("localtime", "right/UTC", "posix/Europe/Berlin"):
        answer = await books.http.patch(f"/v1/ledgers/{books.ledger}", json={"time_zone": name})
        refused(answer, 422, "validation_error", "/time_zone")
