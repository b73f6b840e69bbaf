"""What the events cost a payment: a committer whose batches go by turns with their events and without them.

Both kinds are written by the same session into the same tables, milliseconds apart, and what its server process takes
for each is told by the kernel to the nanosecond: whatever else the machine does meanwhile, both have it alike. Encoding
what an event says (its type, where it has data) is paid by both, and so not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.committer_cases import CommitterCase
from benchmarks.databases import fresh_database
from benchmarks.ground import Ground
from benchmarks.http_cases import BULK_ITEMS
from benchmarks.readings import Reading
from benchmarks.service import Service
from zerosum.cli.load.forks import in_forks
from zerosum.db.batch import posting, wire
from zerosum.db.batch.connection import BatchConnection
from zerosum.db.batch.pair_statement import pair_clauses
from zerosum.db.batch.pairs import PairForm

_KEYS = 6
"""Where the idempotency keys stand among the arguments of a batch: one for each payment."""


def bulk_case(service: Service, seconds: float) -> CommitterCase:
    return CommitterCase(
        name="commands of 1000",
        service=service,
        ground=Ground.of(service),
        callers=4,
        items=BULK_ITEMS,
        seconds=seconds,
    )


def single_case(service: Service, seconds: float) -> CommitterCase:
    return replace(bulk_case(service, seconds), name="256 callers", callers=256, items=1)


class TooFewBatches(Exception):
    """Only those count that are committed in one round trip, of accounts that are remembered."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of a payment: of its session in PostgreSQL with its event and without, and of all parts, of which
    every other one has no event."""

    told: float
    untold: float
    in_all: float

    @property
    def ratio(self) -> float:
        """What a payment with its event takes to one without."""
        return 1 + (self.told - self.untold) / (self.in_all - (self.told - self.untold) / 2)


def cost_of_events(case: CommitterCase) -> Cost:
    with fresh_database(case.service) as database:
        return in_forks([lambda: _measured(case, database)])[0]


def _measured(case: CommitterCase, database: str) -> Cost:
    with _by_turns() as turns:
        reading: Reading = case.measure(database)[0]
    if not all(turns.payments):
        raise TooFewBatches(f"so many payments were counted with their events, and without: {turns.payments}")
    return Cost(turns.microseconds(0), turns.microseconds(1), sum(reading.cpu_microseconds.values()))


@dataclass(slots=True)
class _Turns:
    """What the two kinds of batches have taken: with their events at place 0, without at 1."""

    nanoseconds: list[int] = field(default_factory=lambda: [0, 0])
    payments: list[int] = field(default_factory=lambda: [0, 0])

    def microseconds(self, kind: int) -> float:
        return self.nanoseconds[kind] / self.payments[kind] / 1e3


@contextmanager
def _by_turns() -> Iterator[_Turns]:
    """Of whatever this process commits in one round trip. A statement is taken the first time for nothing: planning."""
    turns, numbers, known = _Turns(), count(), set[str]()
    untold: dict[str, str] = {}
    statement_of, post = posting.post_statement, BatchConnection.post

    def without_events(form: PairForm, places: count[int], only_if: str = "") -> list[str]:
        return [clause for clause in pair_clauses(form, places, only_if) if not clause.startswith("new_events ")]

    def both(*form: Any) -> str:
        told = statement_of(*form)
        if told not in untold:
            with patch.object(wire, "pair_clauses", without_events):
                untold[told] = statement_of.__wrapped__(*form)
        return told

    async def counted(
        self: BatchConnection, statement: str, arguments: Sequence[Any], seconds_max: float
    ) -> tuple[str, int | None]:
        kind = next(numbers) % 2
        sent = untold[statement] if kind else statement
        server = Path(f"/proc/{self._connection.get_server_pid()}/schedstat")
        before = _nanoseconds(server)
        answer = await post(self, sent, arguments, seconds_max)
        if sent in known and untold[statement] != statement:
            turns.nanoseconds[kind] += _nanoseconds(server) - before
            turns.payments[kind] += len(arguments[_KEYS])
        known.add(sent)
        return answer

    with patch.object(posting, "post_statement", both), patch.object(BatchConnection, "post", counted):
        yield turns


def _nanoseconds(server: Path) -> int:
    """That the process has been on a processor."""
    return int(server.read_text().split()[0])
