"""One run of a source: what is open on both sides is matched, in short transactions, and what is left becomes breaks.

The books are read and never changed. A run that was cut off stands in the database with how far it has come, and goes
on from there: whoever comes next takes it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reconciliation_breaks import change_break, insert_breaks, lock_breaks_of
from zerosum.db.queries.reconciliation_files import RunRecord, advance_run
from zerosum.db.queries.reconciliation_matches import (
    MatchRecord,
    insert_matches,
)
from zerosum.domain.errors import ReconciliationBusy, ReconciliationTooWide
from zerosum.domain.reconciliation.breaks import BreakState, BreakStep, Explanation, ReconciliationBreak
from zerosum.domain.reconciliation.matching import Cursor, Match, Matching
from zerosum.domain.reconciliation.open_items import ItemKind, OpenItem
from zerosum.domain.reconciliation.units import amount_of
from zerosum.services.reconciliation.open_sides import EntryReadings, Ground, OutOfTime, open_sides
from zerosum.services.requests.caller import Caller

SECONDS_MAX = 6.0
"""Of one request. It takes up what is left of it when it comes again."""

MATCHES_AT_ONCE = 200
BREAKS_AT_ONCE = 500
STEPS_AT_ONCE = 5
"""Between them others have their turn, and it is looked at the clock."""

MATCHING_SECONDS_MIN = 1.0
"""Of a request, however long reading took: so each comes further."""


class Runner:
    """Carries a run to its end. One that somebody else has taken further raises ReconciliationBusy."""

    def __init__(self, database: Database, now: Callable[[], datetime], clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._readings = EntryReadings()

    def ends_at(self) -> float:
        return self._clock() + SECONDS_MAX

    def check(self, ends_at: float) -> None:
        """Raises OutOfTime."""
        if self._clock() > ends_at:
            raise OutOfTime

    async def finish(self, caller: Caller, ground: Ground, ends_at: float) -> None:
        """Raises ReconciliationTooWide, ReconciliationBusy, OutOfTime."""
        try:
            lines, reading = await open_sides(self._database, ground, self._readings, lambda: self._clock() > ends_at)
        except ReconciliationTooWide:
            # It would stand in the way of every other file.
            async with self._database.work(caller.ledger_id) as connection:
                end = {"ended_at": self._now(), "failure": ReconciliationTooWide.code}
                await self._advance(connection, caller, ground.run, ground.run.cursor, **end)
            raise
        matching = await asyncio.to_thread(Matching, lines, reading.found, ground.rules)
        ends_at = max(ends_at, self._clock() + MATCHING_SECONDS_MIN)
        try:
            run = await self._match(caller, ground, matching, ends_at)
            await self._open_breaks(caller, replace(ground, run=run), matching, ends_at)
        except OutOfTime:
            self._readings.keep(ground.run.id, reading.without_matched(matching))
            raise
        async with self._database.work(caller.ledger_id) as connection:
            await self._advance(connection, caller, run, run.cursor, ended_at=self._now())

    async def _match(self, caller: Caller, ground: Ground, matching: Matching, ends_at: float) -> RunRecord:
        """Matches are written many at a time, and how far it has come also where there are none."""
        run, found, cursor = ground.run, list[Match](), ground.run.cursor
        for number, step in enumerate(matching.steps(run.cursor), 1):
            cursor, is_late = step.cursor, False
            if step.match is not None:
                found.append(step.match)
            if number % STEPS_AT_ONCE == 0:
                await asyncio.sleep(0)
                is_late = self._clock() > ends_at
            if is_late or len(found) == MATCHES_AT_ONCE:
                run = await self._write(caller, replace(ground, run=run), found, cursor)
                found = []
                self.check(ends_at)
        return await self._write(caller, replace(ground, run=run), found, cursor)

    async def _write(self, caller: Caller, ground: Ground, found: Sequence[Match], cursor: Cursor | None) -> RunRecord:
        now, run = self._now(), ground.run
        records = [_record(ground, match, caller.actor, now) for match in found]
        async with self._database.work(caller.ledger_id) as connection:
            run = await self._advance(connection, caller, run, cursor)
            if not await insert_matches(connection, caller.ledger_id, records):
                raise _overtaken()
            await close_breaks(connection, caller, records, BreakStep.MATCHED, now)
        return run

    async def _advance(
        self, connection: Connection, caller: Caller, run: RunRecord, cursor: Cursor | None, **end: Any
    ) -> RunRecord:
        if not await advance_run(connection, caller.ledger_id, run, cursor, **end):
            raise _overtaken()
        return replace(run, cursor=cursor)

    async def _open_breaks(self, caller: Caller, ground: Ground, matching: Matching, ends_at: float) -> None:
        """Of the lines that this file tells of, and of the entries in the days that it speaks of."""
        now, file = self._now(), ground.file
        found = [
            _break(ground, item, now, is_different=is_different)
            for item, is_different in matching.left()
            if item.is_new or (item.kind is ItemKind.ENTRY and file.from_on <= item.on <= file.to_on)
        ]
        for start in range(0, len(found), BREAKS_AT_ONCE):
            self.check(ends_at)
            async with self._database.work(caller.ledger_id) as connection:
                await self._advance(connection, caller, ground.run, ground.run.cursor)
                await insert_breaks(connection, caller.ledger_id, found[start : start + BREAKS_AT_ONCE], caller.actor)


async def close_breaks(
    connection: Connection, caller: Caller, records: Sequence[MatchRecord], step: BreakStep, now: datetime
) -> None:
    """Those of items that have a match now. Raises ReconciliationBusy where a person was faster with one."""
    of_item = {(kind, holder, number): record.id for record in records for kind, holder, number, _ in record.items}
    if not of_item:
        return
    is_adjusted = step is BreakStep.ADJUSTED
    state = BreakState.ADJUSTED if is_adjusted else BreakState.MATCHED
    from_state = BreakState.ADJUSTING if is_adjusted else BreakState.OPEN
    for one in await lock_breaks_of(connection, caller.ledger_id, records[0].source, of_item):
        if one.state is not from_state:
            raise _overtaken()
        match_id = of_item[one.kind, one.holder_id, one.number]
        after = replace(one, state=state, match_id=match_id, changes=one.changes + 1)
        await change_break(connection, caller.ledger_id, after, step, caller.actor, now)


def _overtaken() -> ReconciliationBusy:
    return ReconciliationBusy("Somebody else has taken this further: send it again.", retry_after=1)


def _record(ground: Ground, match: Match, actor: str, now: datetime) -> MatchRecord:
    currency = ground.currency
    items = [
        (item.kind, item.holder_id, item.number, amount_of(item.units, currency))
        for item in (*match.lines, *match.entries)
    ]
    return MatchRecord(
        id=new_uuid(),
        source=ground.file.source,
        source_version=ground.run.source_version,
        run_id=ground.run.id,
        rule=match.rule.value,
        currency=currency.code,
        tolerance=ground.tolerance,
        lines_sum=amount_of(sum(item.units for item in match.lines), currency),
        entries_sum=amount_of(sum(item.units for item in match.entries), currency),
        actor=actor,
        matched_at=now,
        items=items,
    )


def _break(ground: Ground, item: OpenItem, now: datetime, *, is_different: bool) -> ReconciliationBreak:
    explanation, until = (None, None) if is_different else _explained(ground, item)
    return ReconciliationBreak(
        id=new_uuid(),
        source=ground.file.source,
        run_id=ground.run.id,
        kind=item.kind,
        holder_id=item.holder_id,
        number=item.number,
        entry_id=item.entry_id,
        is_different=is_different,
        amount=amount_of(item.units, ground.currency),
        currency=ground.currency.code,
        day=item.on,
        opened_at=now,
        explanation=explanation,
        explained_until=until,
    )


def _explained(ground: Ground, item: OpenItem) -> tuple[Explanation | None, date | None]:
    """Why there is nothing wrong with it yet, and until when."""
    if item.kind is ItemKind.LINE:
        is_later = item.on > ground.file.to_on
        return (Explanation.VALUE_DATE, item.on) if is_later else (None, None)
    until = item.on + timedelta(days=int(ground.source.rules["transit_days"]))
    return (Explanation.IN_TRANSIT, until) if until > ground.file.to_on else (None, None)
