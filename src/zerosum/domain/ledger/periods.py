"""Periods: months and days of a ledger's business zone, and what becomes of entries dated into a closed one.

A period is closed by the end it has. Closing one closes everything before its end, too, so one instant says which dates
are closed: the end of the newest closing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple, Self
from uuid import UUID

from zerosum.domain.errors import InvalidId, InvalidState, PeriodClosed, PeriodClosing
from zerosum.domain.identifiers import JournalEntryId, LedgerId
from zerosum.domain.ledger.entry import EFFECTIVE_FIRST, JournalEntry
from zerosum.domain.ledger.records import Need, RecordKey, Records
from zerosum.domain.moments import render_time

CLOSING = "closing"
"""The kind of record that tells of a ledger's newest closing: known by the ledger's id, and only ever read."""

LATE_ENTRY = "late_entry"
"""The kind of record of an entry that was dated into a closed period."""

PERIOD_PATTERN_TEXT = "[0-9]{4}-[0-9]{2}(-[0-9]{2})?"
_PERIOD = re.compile(PERIOD_PATTERN_TEXT, re.ASCII)


class LatePolicy(StrEnum):
    """What a ledger does with an entry that is dated into a closed period."""

    REFUSE = "refuse"
    ROLL_FORWARD = "roll_forward"
    """It is dated to the first instant that is open, and what was asked for is kept."""


class LateWay(StrEnum):
    """How an entry that was dated into a closed period got into the books."""

    OVERRIDDEN = "overridden"
    """As it was dated, by somebody who may: an adjustment after the close."""
    ROLLED_FORWARD = "rolled_forward"


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a day in a zone, from `starts_at` to before `ends_at`. A day has 23 or 25 hours where clocks change.

    Where midnight does not exist the day begins with the first instant after it; where there are two, with the first.
    """

    id: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Self:
        """Of `2026-11` or `2026-11-30`. Raises InvalidId."""
        if _PERIOD.fullmatch(text) is None:
            raise _no_period()
        try:
            first = date.fromisoformat(text if len(text) > len("2026-11") else f"{text}-01")
            after = first + timedelta(days=1 if len(text) > len("2026-11") else 32)
            if len(text) == len("2026-11"):
                after = after.replace(day=1)
            period = cls(text, _midnight(first, zone), _midnight(after, zone))
        except (ValueError, OverflowError):
            raise _no_period() from None
        if period.ends_at <= EFFECTIVE_FIRST:
            raise InvalidId("Nothing has happened before 1970.")
        if period.ends_at <= period.starts_at:
            raise InvalidId("The ledger's time zone has left out this day.")
        return period


class Closing(NamedTuple):
    """A ledger's newest closing, and what it does with late entries.

    `number` is 0 where nothing was closed yet. Until it is sealed, `recorded_until` is None; then what was written
    later than that into the closed time is an adjustment.
    """

    number: int
    period: str
    ends_at: datetime
    recorded_until: datetime | None
    late_entries: LatePolicy

    def closes(self, moment: datetime) -> bool:
        return self.number > 0 and moment < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEntry:
    """Beside the entry of this id, and part of its hash: what it was dated to, and how that was answered.

    `closing` is the number of the closing that stood against it. An override has a `reason`.
    """

    ledger_id: LedgerId
    id: JournalEntryId
    closing: int
    way: LateWay
    requested_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dating:
    """That the date of a command has to be looked at: it lies in a closed period, as far as is known.

    `override` is the reason for which somebody who may wants it there all the same.
    """

    override: str | None = None

    @staticmethod
    def needs(ledger_id: LedgerId) -> tuple[Need, ...]:
        return (Need(_key(ledger_id), is_locked=False),)

    def dated(
        self, entry: JournalEntry, records: Records, ledger_id: LedgerId, id_: UUID, posted_at: datetime
    ) -> tuple[JournalEntry, LateEntry | None]:
        """The entry with the date that it gets. Raises what stands against the one it was given."""
        requested_at = entry.effective_at
        closing: Closing | None = records.get(_key(ledger_id))
        if requested_at is None or closing is None or not closing.closes(requested_at):
            if self.override is not None:
                entry.check_time(posted_at)
                text = "The period is not closed: there is nothing to override."
                raise InvalidState(text, pointer="/override_closed_period")
            return entry, None
        entry.check_time(posted_at)
        way = LateWay.ROLLED_FORWARD
        if self.override is not None:
            way = LateWay.OVERRIDDEN
            if closing.recorded_until is None or posted_at <= closing.recorded_until:
                raise PeriodClosing("The period is being closed: try again when it is.", period=closing.period)
        elif closing.late_entries is LatePolicy.REFUSE:
            raise PeriodClosed(
                "The entry is dated into a period that is closed.",
                pointer="/effective_at",
                **closed_facts(closing.period, closing.ends_at),
            )
        if way is LateWay.ROLLED_FORWARD:
            return _rolled_forward(entry, closing, requested_at, ledger_id, id_)
        return entry, LateEntry(
            ledger_id=ledger_id,
            id=JournalEntryId(id_),
            closing=closing.number,
            way=way,
            requested_at=requested_at,
            reason=self.override,
        )


@dataclass(frozen=True, slots=True)
class UnrefusedDating(Dating):
    """Of what has happened outside already: where its date is closed by now it is rolled forward, in every ledger.

    A refusal would not undo it, and the books would lack it.
    """

    def dated(
        self, entry: JournalEntry, records: Records, ledger_id: LedgerId, id_: UUID, posted_at: datetime
    ) -> tuple[JournalEntry, LateEntry | None]:
        closing: Closing | None = records.get(_key(ledger_id))
        requested_at = entry.effective_at
        if requested_at is None or closing is None or not closing.closes(requested_at):
            return entry, None
        entry.check_time(posted_at)
        return _rolled_forward(entry, closing, requested_at, ledger_id, id_)


def _rolled_forward(
    entry: JournalEntry, closing: Closing, requested_at: datetime, ledger_id: LedgerId, id_: UUID
) -> tuple[JournalEntry, LateEntry]:
    late = LateEntry(
        ledger_id=ledger_id,
        id=JournalEntryId(id_),
        closing=closing.number,
        way=LateWay.ROLLED_FORWARD,
        requested_at=requested_at,
    )
    return replace(entry, effective_at=closing.ends_at), late


def closed_facts(period: str, ends_at: datetime) -> dict[str, Any]:
    """What a refusal tells of a closed period. Its last moment is not part of it."""
    return {"period": period, "closed_through": render_time(ends_at)}


def late_key(late: LateEntry) -> RecordKey:
    return RecordKey(late.ledger_id, LATE_ENTRY, late.id)


def _key(ledger_id: LedgerId) -> RecordKey:
    return RecordKey(ledger_id, CLOSING, ledger_id)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _no_period() -> InvalidId:
    return InvalidId("A period is a month (2026-11) or a day (2026-11-30).")
