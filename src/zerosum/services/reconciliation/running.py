"""One run of a source: what is open on both sides is matched, in short transactions, and what is left becomes breaks.

The books are read and never changed. A run that was cut off stands in the database with how far it has come, and goes
on from there: whoever comes next takes it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reconciliation_breaks import change_break, insert_breaks, lock_breaks_of
from zerosum.db.queries.reconciliation_files import FileRecord, RunRecord, advance_run
from zerosum.db.queries.reconciliation_matches import (
    EntryPage,
    MatchRecord,
    insert_matches,
    open_entries,
    open_lines,
)
from zerosum.domain.errors import ReconciliationBusy, ReconciliationTooWide
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import Currency
from zerosum.domain.payments.processor_calls import call_key
from zerosum.domain.reconciliation.breaks import BreakState, BreakStep, Explanation, ReconciliationBreak
from zerosum.domain.reconciliation.matching import Cursor, Match, Matching, MatchingRules
from zerosum.domain.reconciliation.open_items import ItemKind, OpenItem
from zerosum.domain.reconciliation.sources import ReconciliationSource
from zerosum.domain.reconciliation.units import amount_of, units_of
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.time_zones import parse_time_zone

LINES_OPEN_MAX = 20_000
"""Of one source: the newest are matched, and the others are breaks already."""

ENTRIES_MAX = 50_000
"""Without a match, in the days that one run looks at."""

LOOK_BACK_DAYS = 31
"""Open lines of earlier files are looked at again for so long."""

ENTRIES_AT_ONCE = 1_000
MATCHES_AT_ONCE = 200
BREAKS_AT_ONCE = 500
STEPS_AT_ONCE = 25
"""Between them others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a run stands on. `source` is the version it was begun under."""

    run: RunRecord
    file: FileRecord
    source: ReconciliationSource
    currency: Currency

    @property
    def rules(self) -> MatchingRules:
        rules = self.source.rules
        return MatchingRules(
            tolerance_units=units_of(self.tolerance, self.currency),
            window_days=int(rules["window_days"]),
            by_amount=bool(rules["by_amount"]),
            by_sum=bool(rules["by_sum"]),
        )

    @property
    def tolerance(self) -> Decimal:
        return self.currency.scaled(Decimal(self.source.rules["tolerance"]))

    @property
    def zone(self) -> tzinfo:
        return parse_time_zone(self.source.time_zone)


class Runner:
    """Carries a run to its end. One that somebody else has taken further raises ReconciliationBusy."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def finish(self, caller: Caller, ground: Ground) -> None:
        """Raises ReconciliationTooWide, ReconciliationBusy."""
        try:
            matching = Matching(*await self._open(ground), ground.rules)
        except ReconciliationTooWide:
            # It would stand in the way of every other file.
            async with self._database.work(caller.ledger_id) as connection:
                end = {"ended_at": self._now(), "failure": ReconciliationTooWide.code}
                await self._advance(connection, caller, ground.run, ground.run.cursor, **end)
            raise
        run, found, cursor = ground.run, list[Match](), ground.run.cursor
        for number, step in enumerate(matching.steps(run.cursor), 1):
            cursor = step.cursor
            if step.match is not None:
                found.append(step.match)
                if len(found) == MATCHES_AT_ONCE:
                    run = await self._write(caller, replace(ground, run=run), found, cursor)
                    found = []
            if number % STEPS_AT_ONCE == 0:
                await asyncio.sleep(0)
        run = await self._write(caller, replace(ground, run=run), found, cursor)
        await self._open_breaks(caller, replace(ground, run=run), matching)
        async with self._database.work(caller.ledger_id) as connection:
            await self._advance(connection, caller, run, cursor, ended_at=self._now())

    async def _open(self, ground: Ground) -> tuple[list[OpenItem], list[OpenItem]]:
        """What has no match yet."""
        file, ledger_id = ground.file, ground.source.ledger_id
        since = file.from_on - timedelta(days=LOOK_BACK_DAYS)
        async with self._database.work(ledger_id) as connection:
            rows = await open_lines(
                connection, ledger_id, source=file.source, file_id=file.id, since=since, limit=LINES_OPEN_MAX
            )
        lines = [
            OpenItem(
                ItemKind.LINE,
                row.file_id,
                row.number,
                row.value_on or row.booked_on,
                units_of(row.amount, ground.currency),
                frozenset(row.reference_texts),
            )
            for row in rows
        ]
        days = [line.on for line in lines] + [file.from_on, file.to_on]
        window = timedelta(days=ground.rules.window_days)
        return lines, await self._open_entries(ground, min(days) - window, max(days) + window)

    async def _open_entries(self, ground: Ground, first: date, last: date) -> list[OpenItem]:
        zone, ledger_id = ground.zone, ground.source.ledger_id
        from_at, to_at = (_midnight(day, zone) for day in (first, last + timedelta(days=1)))
        found: list[OpenItem] = []
        page = EntryPage(
            account_id=ground.file.account_id,
            source=ground.file.source,
            from_at=from_at,
            to_at=to_at,
            posted_until=ground.run.begun_at,
            member=str(ground.source.rules["reference_member"] or ""),
            after=(from_at, 0),
            limit=ENTRIES_AT_ONCE,
        )
        while True:
            async with self._database.work(ledger_id) as connection:
                rows = await open_entries(connection, ledger_id, page)
            found += [_entry(ledger_id, page.account_id, row, ground.currency, zone) for row in rows]
            if len(rows) < page.limit:
                return found
            if len(found) > ENTRIES_MAX:
                raise ReconciliationTooWide(
                    f"More than {ENTRIES_MAX} entries without a match lie from {first} to {last}. Send files of fewer "
                    "days, or have a narrower window."
                )
            page = replace(page, after=(rows[-1].effective_at, rows[-1].account_version))

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

    async def _open_breaks(self, caller: Caller, ground: Ground, matching: Matching) -> None:
        """Of the lines of this file, and of the entries in the days that it speaks of."""
        now, file = self._now(), ground.file
        found = [
            _break(ground, item, now, is_different=is_different)
            for item, is_different in matching.left()
            if item.holder_id == file.id or (item.kind is ItemKind.ENTRY and file.from_on <= item.on <= file.to_on)
        ]
        for start in range(0, len(found), BREAKS_AT_ONCE):
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


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _entry(ledger_id: UUID, account_id: UUID, line: Any, currency: Currency, zone: tzinfo) -> OpenItem:
    told = {line.idempotency_key, line.named, line.reference, line.processor_payment_id}
    told |= {render_id(Prefix.JOURNAL_ENTRY, line.entry_id), str(line.entry_id), line.entry_id.hex}
    if line.payment_id is not None:
        told |= {render_id(Prefix.PAYMENT, line.payment_id), str(line.payment_id), line.payment_id.hex}
        told.add(call_key(ledger_id, line.payment_id))
    units = units_of(line.amount, currency)
    return OpenItem(
        ItemKind.ENTRY,
        account_id,
        line.account_version,
        line.effective_at.astimezone(zone).date(),
        units if line.side in (b"d", "d") else -units,
        frozenset(text for text in told if text),
        line.entry_id,
    )


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
