"""Reconciliation in the console: how much was matched, and what is done about what was not."""

from __future__ import annotations

import pytest

from tests.api.conftest import Client, make_client
from tests.console.conftest import Person, shown
from tests.reconciliation.ground import BANK, breaks, csv_of, entry, make_source, open_bank, sent, today
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

BAD, MISSING = (400, 422), (404,)
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
async def bank(client: Client) -> Client:
    await told(client)
    return client


async def told(client: Client) -> str:
    """Two lines of three are matched; one is missing here, and an entry there. The file."""
    await open_bank(client)
    (await make_source(client)).raise_for_status()
    for key, amount in (("r1", "5.00"), ("r2", "7.00"), ("r9", "9.00")):
        await entry(client, amount, key=key)
    rows = (f"{today()},b{place},r{place},{amount},x" for place, amount in ((1, "5.00"), (2, "7.00"), (3, "2.50")))
    file: str = (await sent(client, csv_of(*rows)))["id"]
    return file


async def test_days_sources_and_files_are_shown_with_what_was_matched(admin: Person, client: Client) -> None:
    assert "There is no source yet" in await admin.page("/reconciliation")
    file = await told(client)
    page = await admin.page("/reconciliation")
    for text in ("66.6 %", "2 of 3", "14.50", "2 unexplained", today(), "bank"):
        assert text in page, text
    assert "Nothing was told" in await admin.page("/reconciliation?from=2020-01-01&to=2020-01-31")
    listed = await admin.page("/reconciliation/files?source=bank")
    assert file in listed
    assert "2 of 3" in await admin.page(f"/reconciliation/files/{file}")
    assert BANK in await admin.page("/reconciliation/sources")
    assert "2 unexplained" in await admin.page("/reconciliation?source=bank")
    assert "day" in await admin.page("/reconciliation/sources/bank")


async def test_a_break_is_somebody_s_and_is_noted_explained_and_resolved(admin: Person, bank: Client) -> None:
    missing = next(one["id"] for one in await breaks(bank) if one["kind"] == "missing_here")
    page = await admin.page("/breaks")
    assert missing in page
    assert "2.50" in page
    found = await admin.get("/search", params={"q": missing})
    assert found.headers["location"] == f"/console/{admin.ledger}/breaks/{missing}"
    assert "breaks of reconciliation" in await admin.page("")
    for word, form in (
        ("assign", {"owner": MARKUP}),
        ("note", {"reason": f"Asked {MARKUP}"}),
        ("explain", {"reason": "On Monday", "until": "2099-01-01"}),
    ):
        done = await admin.act(f"/breaks/{missing}/{word}", **form)
        assert done.status_code == 303, done.text
        page = await admin.page("/breaks")
        assert MARKUP not in page
        assert shown(MARKUP) in page
    page = await admin.page("/breaks?explained=true&source=bank&age_days=0")
    assert "until 2099-01-01" in page
    done = await admin.act(f"/breaks/{missing}/resolve", reason="Ticket 4711")
    assert done.status_code == 303, done.text
    page = await admin.page(f"/breaks/{missing}")
    assert "Ticket 4711" in page
    assert "What to do" not in page
    assert missing not in await admin.page("/breaks")
    assert missing in await admin.page("/breaks?state=resolved")
    late = await admin.act(f"/breaks/{missing}/assign", owner="dana")
    assert (late.status_code, "reconciliation_break_closed" in late.text) == (409, True)


async def test_an_adjustment_is_posted_once(admin: Person, bank: Client) -> None:
    missing = next(one["id"] for one in await breaks(bank) if one["kind"] == "missing_here")
    refused = await admin.act(f"/breaks/{missing}/adjust", account="nobody", reason="Fees")
    assert 400 <= refused.status_code < 500
    for _ in range(2):
        done = await admin.act(f"/breaks/{missing}/adjust", account="expenses:fees", reason="Bank charges")
        assert done.status_code == 303, done.text
    assert (await bank.balance(BANK))["posted"] == "23.50"
    assert "adjusted" in await admin.page(f"/breaks/{missing}")


async def test_bad_addresses_are_told_of_and_another_ledger_is_not_there(service: Service, admin: Person) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    file, one = await told(other), (await breaks(other))[0]["id"]
    for path, status in (
        (f"/breaks/{one}", MISSING),
        (f"/reconciliation/files/{file}", MISSING),
        ("/reconciliation/sources/bank", MISSING),
        ("/breaks/brk_1", BAD),
        ("/breaks?state=lost", BAD),
        ("/breaks?explained=perhaps", BAD),
        ("/breaks?age_days=x", BAD),
        ("/breaks?age_days=99999999999999999999", BAD),
        ("/reconciliation?from=monday", BAD),
        ("/reconciliation?from=2026-01-01&to=2025-01-01", BAD),
        ("/reconciliation?from=0001-01-01&to=2025-01-01", BAD),
        ("/reconciliation/files?cursor=x", BAD),
    ):
        assert (await admin.get(path)).status_code in status, path
    for word, form in (("resolve", {}), ("adjust", {"account": "expenses:fees"}), ("explain", {"until": "soon"})):
        assert (await admin.act(f"/breaks/{one}/{word}", **form)).status_code in (400, 404, 422), word
    await other.http.aclose()
