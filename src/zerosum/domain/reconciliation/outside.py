"""What an outside record says: its lines, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice

from zerosum.domain.errors import ReconciliationFileInvalid
from zerosum.domain.money import add

LINES_MAX = 10_000
"""Of one file."""

FAULTS_MAX = 20
"""Of one file; one with more faults than this is not worth a longer list."""

TEXT_MAX = 500
REFERENCES_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideLine:
    """`place` is the line of the text it begins in; `amount` is above zero where it comes in for us."""

    place: int
    booked_on: date
    value_on: date | None
    amount: Decimal
    outside_id: str | None = None
    references: tuple[str, ...] = ()
    description: str | None = None

    @property
    def on(self) -> date:
        """The day by which it is matched: when the money is there."""
        return self.value_on or self.booked_on


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideRecord:
    """A whole file. It speaks of all days from `from_on` to `to_on`."""

    lines: Sequence[OutsideLine]
    from_on: date
    to_on: date
    opening: Decimal | None = None
    closing: Decimal | None = None

    def total(self, sign: int) -> Decimal:
        """Of what comes in (1) or goes out (-1), without its sign."""
        whole = Decimal(0)
        for line in self.lines:
            if line.amount * sign > 0:
                whole = add(whole, line.amount.copy_abs())
        return whole


@dataclass(slots=True)
class Faults:
    """What is wrong with a file, by line and column. None of it is repeated: only where it lies."""

    found: list[ReconciliationFileInvalid] = field(default_factory=list)

    def note(self, place: int, column: str, fault: str, detail: str) -> None:
        self.found.append(
            ReconciliationFileInvalid(detail, pointer=f"/{place}/{column}", line=place, column=column, fault=fault)
        )

    @property
    def are_too_many(self) -> bool:
        return len(self.found) >= FAULTS_MAX

    def check(self) -> None:
        """Raises ReconciliationFileInvalid: the first one, with the others beside it."""
        if self.found:
            first, *rest = self.found
            first.others = list(islice(rest, FAULTS_MAX - 1))
            raise first


def spoken_of(lines: Sequence[OutsideLine]) -> tuple[date, date]:
    """The days that a file speaks of which does not say so itself."""
    days = [line.booked_on for line in lines]
    return min(days), max(days)


def repeated_ids(lines: Sequence[OutsideLine]) -> Iterator[OutsideLine]:
    """Lines whose id another one of the file has had before."""
    seen: set[str] = set()
    for line in lines:
        if line.outside_id is not None:
            if line.outside_id in seen:
                yield line
            seen.add(line.outside_id)
