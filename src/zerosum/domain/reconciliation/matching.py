"""Which lines of an outside record and which entries of ours are one and the same. Decides, and changes nothing.

| stage | a match is | where |
| --- | --- | --- |
| 1 `reference` | a line and an entry that share a reference | always |
| 2 `reference_sum` | all lines and all entries that share a reference, by their sums | always |
| 3 `amount` | a line and the entry nearest to it in amount, then in days | `by_amount` |
| 4 `one_to_many` | a line and two to PARTS_MAX entries that come to it | `by_sum` |
| 5 `many_to_one` | an entry and two to PARTS_MAX lines that come to it | `by_sum` |

In every stage amounts differ by the tolerance at most and days by the window. The stages go one after the other, each
over its items in order, so the same items give the same matches, and who was stopped goes on at its cursor as if he had
not been. Whatever shares a reference with something open on the other side is kept out of stages 3 to 5: it is known
what it belongs to, and it is different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from zerosum.domain.reconciliation.open_items import ItemKind, OpenItem, OpenItems

GROUP_MAX = 1_000
"""Items of one match at most; more of one reference are left for a person."""

CANDIDATES_MAX = 12
"""So many are searched for a sum: with PARTS_MAX that is 781 sums for one item at most."""

PARTS_MAX = 4


class MatchRule(StrEnum):
    """By what a match came about."""

    REFERENCE = "reference"
    REFERENCE_SUM = "reference_sum"
    AMOUNT = "amount"
    ONE_TO_MANY = "one_to_many"
    MANY_TO_ONE = "many_to_one"
    ADJUSTMENT = "adjustment"
    """An entry that was posted for a break."""


class Stage(IntEnum):
    ONE_BY_REFERENCE = 1
    MANY_BY_REFERENCE = 2
    ONE_BY_AMOUNT = 3
    ONE_TO_MANY = 4
    MANY_TO_ONE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRules:
    """`tolerance_units` in the currency's smallest unit."""

    tolerance_units: int = 0
    window_days: int = 3
    by_amount: bool = False
    by_sum: bool = False


class Cursor(NamedTuple):
    """How far a matching has come: the item that was looked at last."""

    stage: int
    holder_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Match:
    rule: MatchRule
    lines: tuple[OpenItem, ...]
    entries: tuple[OpenItem, ...]


class Step(NamedTuple):
    """One item was looked at. `match` is what came of it, if anything."""

    cursor: Cursor
    match: Match | None


class Matching:
    """Takes lines and entries, and tells step by step what belongs together. `left` is what does not."""

    def __init__(self, lines: Iterable[OpenItem], entries: Iterable[OpenItem], rules: MatchingRules) -> None:
        self._lines = OpenItems(lines)
        self._entries = OpenItems(entries)
        self._rules = rules

    def steps(self, after: Cursor | None = None) -> Iterator[Step]:
        """One for each item in each stage; taken slowly or fast, they are the same."""
        for stage in Stage:
            if (after is not None and stage < after.stage) or not self._has(stage):
                continue
            side = self._entries if stage is Stage.MANY_TO_ONE else self._lines
            for item in side.all():
                is_done = after is not None and stage == after.stage and item.key <= (after.holder_id, after.number)
                if not is_done and item in side:
                    match = self._matched(stage, item)
                    if match is not None:
                        self._take(match)
                    yield Step(Cursor(stage, *item.key), match)

    def left(self) -> list[tuple[OpenItem, bool]]:
        """What has no match, and whether it is different from what it belongs to: else there is nothing to it."""
        found = [(line, self._entries.has_reference_of(line)) for line in self._lines.all()]
        return found + [(entry, self._lines.has_reference_of(entry)) for entry in self._entries.all()]

    def _has(self, stage: Stage) -> bool:
        if stage is Stage.ONE_BY_AMOUNT:
            return self._rules.by_amount
        return self._rules.by_sum or stage < Stage.ONE_TO_MANY

    def _matched(self, stage: Stage, item: OpenItem) -> Match | None:
        if stage is Stage.ONE_BY_REFERENCE:
            return self._one_by_reference(item)
        if stage is Stage.MANY_BY_REFERENCE:
            return self._many_by_reference(item)
        if stage is Stage.ONE_BY_AMOUNT:
            return self._one_by_amount(item)
        return self._by_sum(item)

    def _take(self, match: Match) -> None:
        for line in match.lines:
            self._lines.take(line)
        for entry in match.entries:
            self._entries.take(entry)

    def _fits(self, line: OpenItem, entry: OpenItem) -> bool:
        return self._near(line.units, entry.units) and abs(line.day - entry.day) <= self._rules.window_days

    def _near(self, one: int, other: int) -> bool:
        return abs(one - other) <= self._rules.tolerance_units

    def _one_by_reference(self, line: OpenItem) -> Match | None:
        shared = self._entries.sharing(line, GROUP_MAX)
        fitting = [entry for entry in shared if self._fits(line, entry)]
        if not fitting:
            return None
        nearest = min(fitting, key=lambda entry: _distance(line, entry))
        return Match(MatchRule.REFERENCE, (line,), (nearest,))

    def _many_by_reference(self, line: OpenItem) -> Match | None:
        for reference in sorted(line.references):
            number = self._entries.number_of(reference)
            if not number or not 3 <= number + self._lines.number_of(reference) <= GROUP_MAX:
                continue
            lines, entries = self._lines.of(reference), self._entries.of(reference)
            if lines[0] != line:
                continue
            days = [item.day for item in (*lines, *entries)]
            if max(days) - min(days) > self._rules.window_days:
                continue
            if self._near(sum(item.units for item in lines), sum(item.units for item in entries)):
                return Match(MatchRule.REFERENCE_SUM, tuple(lines), tuple(entries))
        return None

    def _one_by_amount(self, line: OpenItem) -> Match | None:
        if self._entries.has_reference_of(line):
            return None
        rules = self._rules
        for units in self._entries.amounts_around(line.units, rules.tolerance_units):
            for entry in self._entries.of_amount(units, line.day, rules.window_days):
                if not self._lines.has_reference_of(entry):
                    return Match(MatchRule.AMOUNT, (line,), (entry,))
        return None

    def _by_sum(self, whole: OpenItem) -> Match | None:
        is_line = whole.kind is ItemKind.LINE
        others, own = (self._entries, self._lines) if is_line else (self._lines, self._entries)
        if others.has_reference_of(whole):
            return None
        rules, parts = self._rules, []
        for part in others.around(whole.day, rules.window_days):
            is_part = part.units * whole.units > 0 and abs(part.units) <= abs(whole.units) + rules.tolerance_units
            if is_part and not own.has_reference_of(part):
                parts.append(part)
                if len(parts) == CANDIDATES_MAX:
                    break
        best = self._best_sum(whole.units, parts)
        if best is None:
            return None
        return Match(MatchRule.ONE_TO_MANY, (whole,), best) if is_line else Match(MatchRule.MANY_TO_ONE, best, (whole,))

    def _best_sum(self, units: int, parts: Sequence[OpenItem]) -> tuple[OpenItem, ...] | None:
        """The nearest; of equals the one of fewest parts, then the first."""
        best, least = None, self._rules.tolerance_units + 1
        for size in range(2, PARTS_MAX + 1):
            for some in combinations(parts, size):
                difference = abs(units - sum(part.units for part in some))
                if difference < least:
                    best, least = some, difference
                    if not least:
                        return best
        return best


def _distance(line: OpenItem, entry: OpenItem) -> tuple[int, int, tuple[UUID, int]]:
    return abs(line.units - entry.units), abs(line.day - entry.day), entry.key
