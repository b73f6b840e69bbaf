"""The books in the console: journal, trial balance, reports, periods, statements and clients."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.console.conftest import Person, shown
from tests.console.test_work import asked, done
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.limits.costly_reads import WAITING_MAX
from zerosum.main import Service

MARKUP = "<script>alert(1)</script>"


async def booked(client: Client, amount: str = "12.30") -> str:
    """An entry between two accounts of its own, with markup wherever people write."""
    await client.open_account("cash", type="asset", min_available=None)
    await client.open_account("fees", type="revenue", min_available=None)
    body = {
        "reason": MARKUP,
        "metadata": {"note": MARKUP},
        "postings": [
            {"account": "cash", "side": "debit", "amount": amount, "currency": "USD"},
            {"account": "fees", "side": "credit", "amount": amount, "currency": "USD"},
        ],
    }
    answer = await client.post("/v1/journal-entries", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_an_entry_is_shown_as_t_accounts_with_its_links(admin: Person, client: Client) -> None:
    entry = await booked(client)
    listed = await admin.page("/journal")
    assert f"/journal/{entry}" in listed
    assert "12.30" in listed
    page = await admin.page(f"/journal/{entry}")
    assert page.count("t-account") >= 2
    assert MARKUP not in page
    assert shown(MARKUP) in page
    [line] = (await client.get("/v1/accounts/cash/postings")).json()["data"]
    assert line["hash"] in page
    again = await client.post(f"/v1/journal-entries/{entry}/reverse", {"reason": "twice"}, key=fresh_key())
    page = await admin.page(f"/journal/{again.json()['id']}")
    assert line["hash"] in page, "each line tells the hash that it follows"
    assert f'Takes back <a href="/console/{admin.ledger}/journal/{entry}"' in page
    assert "12.30" in await admin.page("/journal", params={"account": "cash", "effective_from": "2020-01-01"})


async def test_an_entry_is_taken_back_once_however_often_the_form_is_sent(admin: Person, client: Client) -> None:
    entry = await booked(client)
    key = fresh_key()
    first = await admin.act(f"/journal/{entry}/reverse", key=key, reason="booked twice")
    again = await admin.act(f"/journal/{entry}/reverse", key=key, reason="booked twice")
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    assert (await client.balance("fees"))["posted"] == "0.00"
    assert (await admin.act(f"/journal/{entry}/reverse", key=fresh_key())).status_code == 409
    assert "Take it back" not in await admin.page(f"/journal/{entry}")


async def test_the_trial_balance_is_zero_on_both_axes_and_goes_by_pages(admin: Person, client: Client) -> None:
    for number in range(52):
        await client.open_account(f"many:{number:02}")
    await client.deposit("many:51", "7.00")
    page = await admin.page("/trial-balance")
    assert "0.00: zero" in page
    assert "7.00" in page
    assert "many:51" not in page
    onwards = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "many:51" in await admin.page(onwards)
    before = await admin.page("/trial-balance", params={"as_of": "2020-01-01"})
    assert "7.00" not in before
    assert "no account at that instant" in await admin.page("/trial-balance", params={"recorded_as_of": "2020-01-01"})
    file = await admin.get("/trial-balance.csv")
    assert file.headers["content-type"].startswith("text/csv")
    assert "attachment" in file.headers["content-disposition"]
    assert "many:51" in file.text


@pytest.mark.parametrize("path", ["/reports", "/payments.csv"])
async def test_reports_wait_for_their_turn_among_those_of_the_api(
    admin: Person, service: Service, ledger_id: LedgerId, path: str
) -> None:
    async with service.costly_reads.turn(ledger_id, is_report=True), asyncio.TaskGroup() as others:
        waiting = [others.create_task(admin.get(path)) for _ in range(WAITING_MAX + 1)]
        refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in refused} == {503}
        assert (await admin.get("/accounts")).status_code == 200
        for task in waiting:
            task.cancel()


async def test_reports_tell_what_the_books_come_to(admin: Person, client: Client) -> None:
    assert "POST /v1/accounts" in await admin.page("/reports")
    assert "no account of revenue" in await admin.page("/reports/income")
    assert "no account of assets" in await admin.page("/reports/cash")
    await booked(client)
    for path in ("/reports", "/reports/income", "/reports/cash"):
        page = await admin.page(path)
        assert "12.30" in page, path
        assert ("fees" if path.endswith("income") else "cash") in page
    past = await admin.page("/reports/income", params={"from": "2020-01-01", "to": "2020-02-01"})
    assert "12.30" not in past


async def test_a_period_is_closed_and_shows_its_seal_and_what_came_late(admin: Person, client: Client) -> None:
    assert "No period is closed yet" in await admin.page("/periods")
    await client.open_account("cash")
    at = (now() - timedelta(days=3)).isoformat()
    order = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": "cash", "effective_at": at}
    assert (await client.pay(order)).status_code == 201
    yesterday = f"{now() - timedelta(days=1):%Y-%m-%d}"
    closed = await admin.act("/periods", period=yesterday, key=fresh_key())
    assert closed.status_code == 303, closed.text
    seal = (await client.get(f"/v1/periods/{yesterday}")).json()["hash"]
    page = await admin.page(f"/periods/{yesterday}")
    assert seal in page
    assert "5.00" in page
    assert "Nothing came late" in await admin.page(f"/periods/{yesterday}", params={"part": "late"})
    assert yesterday in await admin.page("/periods")
    assert (await admin.act("/periods", period="2999-12", key=fresh_key())).status_code == 409


async def test_a_statement_is_issued_and_handed_out_in_each_form(admin: Person, client: Client) -> None:
    account = await client.open_account("cash", name=MARKUP)
    at = (now() - timedelta(days=3)).isoformat()
    order = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": "cash", "effective_at": at}
    paid = await client.pay({**order, "reference": MARKUP})
    assert paid.status_code == 201
    here = f"/accounts/{account['id']}/statements"
    assert "No statement was issued" in await admin.page(here)
    today = f"{now():%Y-%m-%d}"
    span = {"from": f"{now() - timedelta(days=10):%Y-%m-%d}", "to": today}
    issued = await admin.act(here, key=fresh_key(), **span)
    assert issued.headers["location"].startswith(f"/console/{admin.ledger}{here}/1")
    page = await admin.page(f"{here}/1")
    assert "5.00" in page
    assert shown(MARKUP) in page
    assert MARKUP not in page
    assert "5.00" in (await admin.get(f"{here}/1", params={"format": "csv"})).text
    assert "<Document" in (await admin.get(f"{here}/1", params={"format": "camt.053"})).text
    assert (await admin.act(here, key=fresh_key(), **{"from": today, "to": "2999-01-01"})).status_code == 422
    back = await client.post(f"/v1/payments/{paid.json()['id']}/refund", {"reason": "Half <b>"}, key=fresh_key())
    assert back.status_code == 201, back.text
    await admin.act(here, key=fresh_key(), **{"from": today, "to": now().isoformat()})
    page = await admin.page(f"{here}/2")
    for told in (shown("Half <b>"), shown(MARKUP), back.json()["id"], paid.json()["id"]):
        assert told in page


async def test_a_clients_money_is_seen_and_that_it_was_seen(admin: Person, client: Client) -> None:
    assert "zerosum import" in await admin.page("/clients")
    for order in (
        {"type": "deposit", "client": 7, "tx": 1, "amount": "10.5"},
        {"type": "dispute", "client": 7, "tx": 1},
        {"type": "chargeback", "client": 7, "tx": 1},
        {"type": "deposit", "client": 8, "tx": 2, "amount": "3"},
    ):
        assert (await client.post("/v1/transactions", order, key=fresh_key())).status_code == 201
    assert "locked" in await admin.page("/clients")
    page = await admin.page("/clients/7")
    assert "10.5000" in page
    assert "charged back" in page
    assert "client_7" in (await client.get("/v1/audit-log", params={"type": "console.viewed"})).text
    assert "No transaction fits" in await admin.page("/clients/7", params={"status": "disputed"})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/clients/65536", 404),
        ("/clients/seven", 404),
        ("/clients/9", 404),
        ("/journal/je_nonsense", 422),
        ("/journal?effective_from=never", 422),
        ("/journal?account=no:such", 422),
        ("/periods/never", 422),
        ("/periods/2020-01", 404),
        ("/periods?cursor=forged", 400),
        ("/trial-balance?as_of=never", 422),
        ("/reports/income?from=2020-01-01&to=2025-01-01", 422),
        ("/reports/cash?from=x", 422),
        ("/accounts/no:such/statements", 404),
        ("/accounts/no:such/statements/one", 404),
        ("/accounts/no:such/statements/1?format=pdf", 422),
    ],
)
async def test_what_cannot_be_meant_is_refused_on_a_page(admin: Person, path: str, status: int) -> None:
    answer = await admin.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_another_ledgers_entry_is_not_there(admin: Person, service: Service) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    entry = await booked(other)
    assert (await admin.get(f"/journal/{entry}")).status_code == 404
    assert (await admin.act(f"/journal/{entry}/reverse", key=fresh_key())).status_code == 404
    assert (await other.balance("fees"))["posted"] == "12.30"
    await other.http.aclose()


async def test_the_journal_does_not_say_of_what_was_declined_that_it_has_moved(admin: Person, client: Client) -> None:
    payment = await asked(client)
    said = {"outcome": "declined", "reason": "Closed card", "processor": "away"}
    await done(admin, f"/processor-calls/{payment}/settle", **said)
    page = await admin.page("/journal")
    assert "Moved" not in page
    rows = re.findall(r"<tr>\s*<td>.*?</tr>", page.partition("<tbody>")[2], re.DOTALL)
    told = [("only held" in row, "only set free" in row) for row in rows]
    assert told == [(False, True), (True, False), (True, False), (False, False)], (
        "declined, proposed, a hold, a deposit"
    )
