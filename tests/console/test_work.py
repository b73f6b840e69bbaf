"""Holds, disputes, scheduled payments and processor calls in the console: what is shown, and what is done with each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.console.conftest import Person, shown, signed_in
from tests.console.test_pages import paid
from zerosum.adapters.clock import now
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

MARKUP = "<img src=x onerror=alert(1)>"


async def placed(client: Client, **members: Any) -> str:
    for code in ("alice", "bob"):
        if (await client.get(f"/v1/accounts/{code}")).status_code == 404:
            await client.open_account(code)
    await client.deposit("alice", "100.00")
    body = {"from": "alice", "to": "bob", "amount": "80.00", "currency": "USD", "reference": MARKUP, **members}
    answer = await client.post("/v1/holds", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    hold: str = answer.json()["id"]
    return hold


async def disputed(client: Client, **members: str) -> str:
    body = {"reason": MARKUP, "respond_by": "2099-12-31T00:00:00Z", **members}
    answer = await client.post(f"/v1/payments/{await paid(client)}/dispute", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    dispute: str = answer.json()["id"]
    return dispute


async def scheduled(client: Client) -> str:
    await placed(client)
    body = {"type": "transfer", "amount": "1.00", "currency": "USD", "from": "alice", "to": "bob"}
    told = {"reference": MARKUP, "execute_at": "2035-12-24T09:00:00Z"}
    answer = await client.post("/v1/scheduled-payments", {**body, **told}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    schedule: str = answer.json()["id"]
    return schedule


async def asked(client: Client) -> str:
    """A withdrawal through a processor that never answers."""
    await placed(client)
    order = {"type": "withdrawal", "amount": "10.00", "currency": "USD", "from": "alice", "processor": "away"}
    answer = await client.pay(order)
    assert answer.status_code in (201, 202), answer.text
    payment: str = answer.json()["id"]
    return payment


async def done(person: Person, path: str, **form: str) -> None:
    """Twice, as when somebody clicks again: it has its effect once."""
    key = fresh_key()
    for _ in range(2):
        answer = await person.act(path, key=key, **form)
        assert answer.status_code == 303, answer.text


def is_escaped(page: str) -> bool:
    return MARKUP not in page and shown(MARKUP) in page


async def test_a_hold_is_captured_in_part_extended_and_voided(admin: Person, client: Client) -> None:
    assert "Place one" in await admin.page("/holds")
    hold = await placed(client)
    listed = await admin.page("/holds?status=open&account=alice")
    assert hold in listed
    assert is_escaped(listed)
    await done(admin, f"/holds/{hold}/capture", amount="30.00")
    await done(admin, f"/holds/{hold}/extend", expires_at=(now() + timedelta(days=20)).isoformat())
    page = await admin.page(f"/holds/{hold}")
    for told in ("30.00", "50.00", "/payments/pay_", "Void"):
        assert told in page
    assert is_escaped(page)
    await done(admin, f"/holds/{hold}/void")
    assert "What to do" not in await admin.page(f"/holds/{hold}")
    balance = await client.balance("alice")
    assert (balance["posted"], balance["held"]) == ("70.00", "0.00")
    late = await admin.act(f"/holds/{hold}/capture", key=fresh_key())
    assert (late.status_code, "invalid_state" in late.text) == (409, True)


async def test_a_dispute_shows_its_deadline_and_is_answered(admin: Person, client: Client) -> None:
    assert "No disputes" in await admin.page("/disputes")
    dispute = await disputed(client)
    listed = await admin.page("/disputes?status=open")
    assert "2099-12-31 00:00:00" in listed
    assert is_escaped(listed)
    await done(admin, f"/disputes/{dispute}/evidence", reason="Delivered <i>on Monday</i>")
    page = await admin.page(f"/disputes/{dispute}")
    for told in (shown("Delivered <i>on Monday</i>"), "Evidence counts for", "under review"):
        assert told in page
    await done(admin, f"/disputes/{dispute}/resolve", reason="The bank agrees")
    assert "Won" in (won := await admin.page(f"/disputes/{dispute}")) or "won" in won
    await done(admin, f"/disputes/{dispute}/escalate", stage="pre_arbitration", reason="It does not agree")
    await done(admin, f"/disputes/{dispute}/chargeback", reason="Given up")
    page = await admin.page(f"/disputes/{dispute}")
    assert "What to do" not in page
    assert "Given up" in page
    found = (await client.get(f"/v1/disputes/{dispute}")).json()
    assert (found["status"], found["stage"]) == ("lost", "pre_arbitration")


async def test_a_scheduled_payment_is_cancelled(admin: Person, client: Client) -> None:
    assert "Nothing is scheduled" in await admin.page("/scheduled-payments")
    schedule = await scheduled(client)
    listed = await admin.page("/scheduled-payments?account=alice&status=scheduled")
    assert "2035-12-24 09:00:00" in listed
    assert is_escaped(listed)
    found = await admin.get("/search", params={"q": schedule})
    assert found.headers["location"] == f"/console/{admin.ledger}/scheduled-payments/{schedule}"
    await done(admin, f"/scheduled-payments/{schedule}/cancel")
    page = await admin.page(f"/scheduled-payments/{schedule}")
    assert "cancelled" in page
    assert "Take it back" not in page


async def test_a_processor_call_is_settled_by_hand(admin: Person, client: Client) -> None:
    assert "Nothing was asked" in await admin.page("/processor-calls")
    payment = await asked(client)
    assert payment in await admin.page("/processor-calls?processor=away&state=proposed")
    assert "Settle it by hand" in await admin.page(f"/processor-calls/{payment}")
    bad = await admin.act(f"/processor-calls/{payment}/settle", key=fresh_key(), outcome="perhaps")
    assert bad.status_code == 422, bad.text
    assert '<input type="hidden" name="processor" value="away">' in await admin.page(f"/processor-calls/{payment}")
    moved = {"outcome": "approved", "reason": "Seen there", "processor": "elsewhere"}
    gone = await admin.act(f"/processor-calls/{payment}/settle", key=fresh_key(), **moved)
    assert (gone.status_code, "processor_call_moved" in gone.text) == (409, True)
    said = {"outcome": "approved", "amount": "4.00", "reason": "Seen there", "processor": "away"}
    await done(admin, f"/processor-calls/{payment}/settle", **said)
    page = await admin.page(f"/processor-calls/{payment}")
    for told in ("approved", "4.00", "Seen there"):
        assert told in page
    assert "Settle it by hand" not in page
    assert (await client.get(f"/v1/payments/{payment}")).json()["approved"] == "4.00"


@pytest.mark.parametrize(
    "path",
    [
        "/holds/hold_1",
        "/holds?status=lost",
        "/holds?account=%00",
        "/disputes?payment=1",
        "/disputes?status=lost&cursor=x",
        "/disputes/x",
        "/scheduled-payments?status=lost",
        "/scheduled-payments/x",
        "/processor-calls?state=lost",
        f"/processor-calls?processor={'x' * 33}",
        "/processor-calls/x",
    ],
)
async def test_a_bad_address_is_told_of(admin: Person, path: str) -> None:
    assert (await admin.get(path)).status_code in (400, 422)


async def test_what_is_of_another_ledger_is_not_there(service: Service, admin: Person) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    for path, act, form in (
        (f"/holds/{await placed(other)}", "void", {}),
        (f"/disputes/{await disputed(other)}", "resolve", {}),
        (f"/scheduled-payments/{await scheduled(other)}", "cancel", {}),
        (f"/processor-calls/{await asked(other)}", "settle", {"outcome": "declined"}),
    ):
        assert (await admin.get(path)).status_code == 404, path
        answer = await admin.act(f"{path}/{act}", key=fresh_key(), **form)
        assert answer.status_code == 404, (path, answer.status_code)
    await other.http.aclose()


async def test_what_was_said_about_a_person_is_shown_to_who_may_read_it_and_then_as_erased(
    service: Service, admin: Person, client: Client, ledger_id: LedgerId
) -> None:
    await client.open_account("alice")
    said = {"subject": "person-1", "members": {"name": MARKUP}}
    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": "alice", "personal": said}
    path = f"/payments/{(await client.pay(body)).json()['id']}"
    page = await admin.page(path)
    assert shown(MARKUP) in page
    assert MARKUP not in page
    viewer = await signed_in(service, ledger_id, Role.VIEWER)
    assert shown(MARKUP) not in await viewer.page(path)
    log = (await client.get("/v1/audit-log", params={"type": "console.viewed", "ledger": client.ledger})).json()
    payment = path.removeprefix("/payments/")
    assert [(one["actor"], one["resource"]) for one in log["data"]] == [
        ("console|viewer", payment), ("console|admin", payment), ("console|admin", f"{payment}/personal"),
    ]  # fmt: skip
    await client.post("/v1/subjects/person-1/erase", {"reason": "asked for"}, key=fresh_key())
    page = await admin.page(path)
    assert shown(MARKUP) not in page
    assert "Erased" in page
    await viewer.http.aclose()
