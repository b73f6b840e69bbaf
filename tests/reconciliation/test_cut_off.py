"""A file that was cut off anywhere goes on when it is sent again, and comes out as if it had not been."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.reconciliation.ground import breaks, csv_of, entry, make_source, open_bank, send, today
from zerosum.adapters.clock import now
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.reconciliation_matches import open_entries
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.reconciliation import files, open_sides, running
from zerosum.services.reconciliation.files import ReconciliationFiles
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors

DAY = today()


class Killed(BaseException):
    """As if the process had died: nobody catches it."""


class DyingDatabase:
    """Dies before the commit of its transaction of this number, or behind it."""

    def __init__(self, database: Database, number: int, *, is_before: bool) -> None:
        self._database = database
        self._left = number
        self._is_before = is_before

    @asynccontextmanager
    async def work(self, *ledger_ids: UUID) -> AsyncIterator[Connection]:
        self._left -= 1
        async with self._database.work(*ledger_ids) as connection:
            yield connection
            if self._left == 0 and self._is_before:
                raise Killed
        if self._left == 0:
            raise Killed


async def _ground(client: Client) -> bytes:
    await open_bank(client)
    (await make_source(client, rules={"by_amount": True, "by_sum": True})).raise_for_status()
    rows = []
    for number in range(6):
        await entry(client, f"{number + 1}.00", key=f"r{number}")
        rows.append(f"{DAY},b{number},r{number},{number + 1}.00,")
    await entry(client, "20.00")
    await entry(client, "30.00")
    await entry(client, "77.00")
    return csv_of(*rows, f"{DAY},b7,,20.00,", f"{DAY},b8,,99.00,", f"{DAY},b9,,15.00,", f"{DAY},b10,,15.00,")


async def _outcome(client: Client) -> Any:
    (file,) = (await client.get("/v1/reconciliation/files")).json()["data"]
    kept = {name: file[name] for name in ("lines", "matched", "open_breaks", "is_matched")}
    return kept, sorted((one["kind"], one["amount"], one["state"]) for one in await breaks(client))


@pytest.mark.parametrize("is_before", [True, False], ids=["before its commit", "behind its commit"])
async def test_a_process_that_dies_at_any_commit(
    service: Service,
    client: Client,
    database: Database,
    ledger_id: LedgerId,
    monkeypatch: pytest.MonkeyPatch,
    new_ledger: Callable[[], Any],
    *,
    is_before: bool,
) -> None:
    """At every third of its transactions, beginning with another one each way."""
    for module, name, value in (
        (files, "LINES_AT_ONCE", 3),
        (running, "MATCHES_AT_ONCE", 2),
        (open_sides, "POSTINGS_AT_ONCE", 2),
        (running, "BREAKS_AT_ONCE", 1),
    ):
        monkeypatch.setattr(module, name, value)
    content = await _ground(client)
    whole = await send(client, content)
    assert whole.status_code == 200, whole.text
    wanted = await _outcome(client)
    assert wanted == (
        {"lines": 10, "matched": 9, "open_breaks": 1, "is_matched": True},
        [("missing_here", "99.00", "open"), ("missing_there", "77.00", "open")],
    )
    for number in range(2 if is_before else 1, 100, 3):
        other, other_id = await new_ledger()
        content = await _ground(other)
        dying: Any = DyingDatabase(database, number, is_before=is_before)
        services = service.services
        receiving = ReconciliationFiles(
            dying, services.reconciliation_sources, services.currencies, Cursors(b"x" * 32), now
        )
        try:
            await receiving.receive(Caller(other_id, "test"), "bank", content)
        except Killed:
            pass
        else:
            break
        assert (await send(other, content)).status_code == 200
        assert await _outcome(other) == wanted, f"killed at transaction {number}"
        report = await verify_ledger(database, other_id, lambda _done, _total: None)
        assert report.breaks == []
    assert 20 < number < 90, "it was killed from its first transaction to its last"


async def test_two_at_once_leave_what_one_leaves(client: Client) -> None:
    content = await _ground(client)
    answers = await asyncio.gather(*[send(client, content) for _ in range(4)])
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 409, "reconciliation_busy")
    assert (await send(client, content)).status_code == 200
    assert (await _outcome(client))[0] == {"lines": 10, "matched": 9, "open_breaks": 1, "is_matched": True}


async def test_a_source_with_too_much_around_it_says_so_and_blocks_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_sides, "ENTRIES_MAX", 2)
    monkeypatch.setattr(open_sides, "POSTINGS_AT_ONCE", 2)
    content = await _ground(client)
    refused(await send(client, content), 422, "reconciliation_too_wide")
    refused(await send(client, content), 422, "reconciliation_too_wide")
    monkeypatch.undo()
    assert (await send(client, content)).json()["matched"] == 9


async def test_what_takes_long_to_read_goes_on_where_it_was(
    service: Service, client: Client, database: Database, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request reads a few postings, or matches some of what was read. Each look at the clock takes two seconds."""
    content = await _ground(client)
    runner = service.services.reconciliation_files._runner
    asked: list[tuple[Any, int]] = []

    async def counted(connection: Any, ledger: Any, page: Any) -> Any:
        asked.append(page.after)
        return await open_entries(connection, ledger, page)

    monkeypatch.setattr(open_sides, "open_entries", counted)
    monkeypatch.setattr(open_sides, "POSTINGS_AT_ONCE", 1)
    monkeypatch.setattr(running, "STEPS_AT_ONCE", 1)
    ticks = itertools.count(0, 2)
    monkeypatch.setattr(runner, "_clock", lambda: next(ticks))
    answers = [await send(client, content)]
    while not answers[-1].json()["is_matched"]:
        assert len(answers) < 60
        answers.append(await send(client, content))
    assert len(answers) > 5
    assert len(asked) == len(set(asked)) == 10, "none is read twice"
    assert (await _outcome(client))[0] == {"lines": 10, "matched": 9, "open_breaks": 1, "is_matched": True}
    assert (await verify_ledger(database, ledger_id, lambda _done, _total: None)).breaks == []


async def test_what_takes_long_without_a_match_is_cut_off_in_time_and_goes_on(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock finds it a tenth of a second later."""
    await open_bank(client)
    (await make_source(client, rules={"by_amount": True, "by_sum": True})).raise_for_status()
    content = csv_of(*[f"{DAY},b{number},,{number}.00," for number in range(1, 121)])
    ticks = itertools.count()
    runner = service.services.reconciliation_files._runner
    monkeypatch.setattr(runner, "_clock", lambda: next(ticks) / 10)
    answers = [await send(client, content)]
    while not answers[-1].json()["is_matched"]:
        assert len(answers) < 20
        answers.append(await send(client, content))
    assert len(answers) > 1
    assert (await _outcome(client))[0] == {"lines": 120, "matched": 0, "open_breaks": 120, "is_matched": True}
