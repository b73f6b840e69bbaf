"""What is open on both sides of a source: lines of its files, and postings to its account, without a match."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.reconciliation_files import FileRecord, RunRecord
from zerosum.db.queries.reconciliation_matches import EntryPage, open_entries, open_lines
from zerosum.domain.errors import ReconciliationTooWide
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import Currency
from zerosum.domain.payments.processor_calls import call_key
from zerosum.domain.reconciliation.matching import Matching, MatchingRules
from zerosum.domain.reconciliation.open_items import ItemKind, OpenItem
from zerosum.domain.reconciliation.sources import ReconciliationSource
from zerosum.domain.reconciliation.units import units_of
from zerosum.services.requests.time_zones import parse_time_zone

LINES_OPEN_MAX = 20_000
"""Of one source: the newest are matched, and the others are breaks already."""

ENTRIES_MAX = 50_000
"""Without a match, in the days that one run looks at."""

LOOK_BACK_DAYS = 31
"""Open lines of earlier files are looked at again for so long."""

POSTINGS_AT_ONCE = 5_000
"""So many are looked at by one statement, whether they are matched or not."""

READINGS_KEPT_MAX = 4
"""Runs that were cut off, in each process: it goes on where it was when they come again."""

ADJUSTMENT_KEY = "reconciliation adjustment "
"""How the keys of adjustments begin. It holds a blank: no caller can send one."""


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


class OutOfTime(Exception):
    """The caller has waited long enough: what is left is done when he comes again."""


@dataclass(frozen=True, slots=True)
class EntryReading:
    """The entries of these days that were found so far, and where looking for more goes on; None: nowhere."""

    from_at: datetime
    to_at: datetime
    found: list[OpenItem]
    after: tuple[datetime, int] | None

    def without_matched(self, matching: Matching) -> EntryReading:
        return replace(self, found=[item for item, _ in matching.left() if item.kind is ItemKind.ENTRY])


class EntryReadings:
    """Of runs that were cut off: what was read for them is not read again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, EntryReading] = OrderedDict()

    def take(self, run_id: UUID, from_at: datetime, to_at: datetime) -> EntryReading:
        """Of more days, where those of a match are open no more."""
        kept = self._kept.pop(run_id, None)
        is_wide_enough = kept is not None and kept.from_at <= from_at and to_at <= kept.to_at
        return kept if kept is not None and is_wide_enough else EntryReading(from_at, to_at, [], (from_at, 0))

    def keep(self, run_id: UUID, reading: EntryReading) -> None:
        self._kept[run_id] = reading
        while len(self._kept) > READINGS_KEPT_MAX:
            self._kept.popitem(last=False)


async def open_sides(
    database: Database, ground: Ground, readings: EntryReadings, is_late: Callable[[], bool]
) -> tuple[list[OpenItem], EntryReading]:
    """Lines and entries. Raises ReconciliationTooWide, and OutOfTime where it `is_late` before all were looked at."""
    file, ledger_id = ground.file, ground.source.ledger_id
    since = file.from_on - timedelta(days=LOOK_BACK_DAYS)
    async with database.work(ledger_id) as connection:
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
            is_new=row.is_new,
        )
        for row in rows
    ]
    days = [line.on for line in lines] + [file.from_on, file.to_on]
    window = timedelta(days=ground.rules.window_days)
    first, last = min(days) - window, max(days) + window
    return lines, await _open_entries(database, ground, first, last, readings, is_late)


async def _open_entries(
    database: Database, ground: Ground, first: date, last: date, readings: EntryReadings, is_late: Callable[[], bool]
) -> EntryReading:
    zone, ledger_id = ground.zone, ground.source.ledger_id
    reading = readings.take(ground.run.id, _midnight(first, zone), _midnight(last + timedelta(days=1), zone))
    walked = 0
    while reading.after is not None:
        if len(reading.found) > ENTRIES_MAX:
            raise ReconciliationTooWide(
                f"More than {ENTRIES_MAX} entries without a match lie from {first} to {last}. Send files of fewer "
                "days, or have a narrower window."
            )
        if walked and is_late():  # Each request comes further.
            readings.keep(ground.run.id, reading)
            raise OutOfTime
        page = EntryPage(
            account_id=ground.file.account_id,
            source=ground.file.source,
            to_at=reading.to_at,
            posted_until=ground.run.begun_at,
            member=str(ground.source.rules["reference_member"] or ""),
            after=reading.after,
            limit=POSTINGS_AT_ONCE,
        )
        async with database.work(ledger_id) as connection:
            rows, after = await open_entries(connection, ledger_id, page)
        # What was posted for a break is matched with it, by whoever has posted it. Other sources look for it, too.
        others = [row for row in rows if row.adjusts_source != page.source]
        reading.found.extend(_entry(ledger_id, page.account_id, row, ground.currency, zone) for row in others)
        reading, walked = replace(reading, after=after), walked + 1
    return reading


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _entry(ledger_id: UUID, account_id: UUID, line: Any, currency: Currency, zone: tzinfo) -> OpenItem:
    told = {line.idempotency_key, line.named, line.reference, line.processor_payment_id}
    told |= {render_id(Prefix.JOURNAL_ENTRY, line.entry_id), str(line.entry_id), line.entry_id.hex}
    for prefix, id_ in ((Prefix.PAYMENT, line.payment_id), (Prefix.REFUND, line.refund_id)):
        if id_ is not None:
            told |= {render_id(prefix, id_), str(id_), id_.hex, call_key(ledger_id, id_, line.call_number or 1)}
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
