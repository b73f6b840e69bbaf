"""Files that tell the same lines, and accounts that two sources tell of: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.reconciliation.ground import breaks, csv_of, entry, make_source, open_bank, report, send, sent, today
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.reconciliation import files, open_sides
from zerosum.services.reconciliation.files import ReconciliationFiles
from zerosum.services.reconciliation.open_sides import OutOfTime
from zerosum.services.requests.caller import Caller

DAY = today()
ROWS = [f"{DAY},b{number},r{number},{number}.00," for number in range(1, 7)]


@pytest.fixture
async def bank(client: Client) -> Client:
    await open_bank(client)
    (await make_source(client)).raise_for_status()
    return client


async def _check(client: Client, database: Database, ledger_id: LedgerId, unexplained: int) -> None:
    assert (await report(client))["unexplained"] == unexplained
    proof = await verify_ledger(database, ledger_id, lambda _done, _total: None)
    assert proof.breaks == []


async def test_what_a_file_told_that_was_too_wide_is_looked_at_with_the_next_one(
    bank: Client, database: Database, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is to be sent in parts, as the refusal says: they are all repeats."""
    for number in (1, 2, 4):
        await entry(bank, f"{number}.00", key=f"r{number}")
    monkeypatch.setattr(open_sides, "ENTRIES_MAX", 1)
    monkeypatch.setattr(open_sides, "POSTINGS_AT_ONCE", 1)
    refused(await send(bank, csv_of(*ROWS[:4])), 422, "reconciliation_too_wide")
    monkeypatch.undo()
    await sent(bank, csv_of(*ROWS[:2]))
    told = [(one["kind"], one["amount"]) for one in await breaks(bank, state="open")]
    assert told == [("missing_there", "4.00")], "its line is in the other part"
    await sent(bank, csv_of(*ROWS[2:4]))
    assert [(one["kind"], one["amount"]) for one in await breaks(bank, state="open")] == [("missing_here", "3.00")]
    await _check(bank, database, ledger_id, 1)
    await sent(bank, csv_of(*ROWS[:4]))
    assert [(one["kind"], one["amount"]) for one in await breaks(bank, state="open")] == [("missing_here", "3.00")]
    await _check(bank, database, ledger_id, 1)


async def test_what_a_file_told_that_was_cut_off_is_looked_at_with_the_next_one(
    bank: Client, database: Database, ledger_id: LedgerId, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sends it again: the bank has sent a longer one."""
    await entry(bank, "1.00", key="r1")
    monkeypatch.setattr(files, "LINES_AT_ONCE", 2)
    receiving: Any = service.services.reconciliation_files
    checks = iter(range(100))

    def check(_ends_at: float) -> None:
        if next(checks) == 1:
            raise OutOfTime

    monkeypatch.setattr(receiving._runner, "check", check)
    assert isinstance(receiving, ReconciliationFiles)
    cut = await receiving.receive(Caller(ledger_id, "test"), "bank", csv_of(*ROWS[:4]))
    assert not cut.file.is_matched
    monkeypatch.undo()
    await sent(bank, csv_of(*ROWS[:5]))
    assert sorted(one["amount"] for one in await breaks(bank, state="open")) == ["2.00", "3.00", "4.00", "5.00"]
    await _check(bank, database, ledger_id, 4)
    await sent(bank, csv_of(*ROWS[:4]))
    assert sorted(one["amount"] for one in await breaks(bank, state="open")) == ["2.00", "3.00", "4.00", "5.00"]
    await _check(bank, database, ledger_id, 4)


async def test_of_files_that_overlap_and_come_at_once_each_line_is_told_once(
    bank: Client, database: Database, ledger_id: LedgerId
) -> None:
    rows = [f"{DAY},b{number},r{number},2.00," for number in range(300)]
    contents = [csv_of(*rows, f"{DAY},own{number},x,9.00,") for number in range(4)]
    await asyncio.gather(*[send(bank, content) for content in contents])
    for content in contents:
        await sent(bank, content)
    assert sum(file["repeats"] for file in (await bank.get("/v1/reconciliation/files")).json()["data"]) == 3 * 300
    await _check(bank, database, ledger_id, 304)


async def test_an_adjustment_is_an_entry_like_any_other_to_the_source_of_its_other_side(
    bank: Client, database: Database, ledger_id: LedgerId
) -> None:
    """A payout that the processor tells of, posted against the bank: the bank's statement tells of it too."""
    await bank.open_account("assets:acme", type="asset", min_available=None, currency="USD")
    (await make_source(bank, "acme", account="assets:acme")).raise_for_status()
    await sent(bank, csv_of(f"{DAY},p1,payout-1,-50.00,"), source="acme")
    (payout,) = await breaks(bank, source="acme")
    where = f"/v1/reconciliation/breaks/{payout['id']}/adjust"
    done = await bank.post(where, {"account": "assets:bank", "reason": "Payout"})
    assert done.status_code == 200, done.text
    await sent(bank, csv_of(f"{DAY},p2,payout-2,1.00,"), source="acme")
    assert len(await breaks(bank, source="acme", state="open")) == 1, "its own source does not look for it"
    told = await sent(bank, csv_of(f"{DAY},s1,{done.json()['adjustment']},50.00,"))
    assert (told["matched"], told["open_breaks"]) == (1, 0)
    assert await breaks(bank, source="bank") == []
    await _check(bank, database, ledger_id, 1)
