"""Client files into a ledger: the rows go out in rounds, to several lanes at once, each under a key of its own.

The key is made of the import's name and the row's line. So the same file again, after whatever has cut the first try
short, changes nothing that was done and does what was not.

A client's rows always go down one lane, in order. Rows of different clients meet in a tx id, which one of them may have
used, and in the clearing account, which huge amounts may fill up. Rows with the same tx id never go out in two lanes of
one round, and a round begins when the one before it has been answered; from the first huge amount on there is only one
lane. So the result is that of the rows one after the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, Protocol

from zerosum.domain.errors import (
    AccountClosed,
    AlreadyDisputed,
    AmountTooPrecise,
    BalanceOverflow,
    ClientLocked,
    DomainError,
    IdempotencyKeyReused,
    InsufficientFunds,
    LimitExceeded,
    NegativeTotal,
    NotDisputable,
    NotDisputed,
    TxExists,
    TxNotFound,
    WrongClient,
)
from zerosum.ingest.client_files.columns import read_columns
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.rows import DEPOSIT, KINDS, WITHDRAWAL, Row, rows_of
from zerosum.ingest.client_files.tally import Tally, Tell
from zerosum.ingest.client_files.window import Window

LANE_ROWS_MAX = 1000
"""Of one round, in one lane: as many as one bulk call takes."""

PATIENCE_SECONDS = 120.0
"""How long a ledger that cannot be reached is asked again and again."""

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 2.0

UNITS = 10_000

HUGE_UNITS = 10**9 * UNITS
"""Of smaller amounts it takes 10^11 to fill the clearing account up to its twenty digits."""

REFUSALS = frozenset(
    error.code
    for error in (
        ClientLocked,
        TxExists,
        TxNotFound,
        WrongClient,
        NotDisputable,
        AlreadyDisputed,
        NotDisputed,
        NegativeTotal,
        InsufficientFunds,
        LimitExceeded,
        BalanceOverflow,
        AccountClosed,
        AmountTooPrecise,
    )
)
"""What the rules say no with; and amounts of four places where the ledger counts its clients in a currency of fewer.

Any other answer is about the ledger and not about the row, and stops the import.
"""


class Item(NamedTuple):
    """A row as the ledger is told it. `amount` is there on deposits and withdrawals."""

    key: str
    type: str
    client: int
    tx: int
    amount: str | None


class Result(NamedTuple):
    """`code` says why it was refused, or is None. `is_replay`: an earlier try has done it, or has been refused."""

    code: str | None
    is_replay: bool


class Target(Protocol):
    """A ledger: in a database, or behind a service."""

    async def begin(self, name: str, content_sha256: str) -> None:
        """Raises ImportDiffers when the name stands for other content."""

    async def send(self, lane: int, items: Sequence[Item]) -> Sequence[Result]:
        """In order; the next items of a lane are not sent before. Raises a retryable DomainError to be asked again."""


class ImportFailed(Exception):
    """The import has stopped. What was answered stays; the message is one clear line."""


@dataclass(slots=True)
class ImportTally(Tally):
    replayed: int = 0
    """Of the rows, those that an earlier try had brought in or seen refused."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How many rows were not carried out, by why: the codes of refusals and the faults of malformed rows."""


class Content(NamedTuple):
    """What a file held when it was surveyed."""

    sha256: str
    size: int


def survey(source: Source) -> Content:
    """Raises InputFault: nothing is sent of a file that cannot be read to its end."""
    digest, read_bytes = sha256(), 0

    def read(size: int) -> bytes:
        nonlocal read_bytes
        block = source.read(size)
        digest.update(block)
        read_bytes += len(block)
        return block

    window = Window(read, source.name)
    read_columns(window)
    has_more = True
    while has_more:
        window.at = len(window.content)
        has_more = window.fill()
    return Content(digest.hexdigest(), read_bytes)


@dataclass(slots=True)
class Round:
    """Rows that may go out at the same time."""

    lanes: list[list[Row]]
    malformed: list[Row] = field(default_factory=list)


class Rounds:
    """From the first huge amount on every row goes down lane 0: the clearing account may be nearly full since."""

    def __init__(self, rows: Iterator[Row], lanes: int) -> None:
        self._rows = rows
        self._lanes = lanes
        self._was_huge = False
        self._held_back: Row | None = None

    def next(self) -> Round | None:
        """None at the end. Reads as much as one round holds: call it beside the event loop."""
        made = Round([[] for _ in range(self._lanes)])
        lane_of_tx: dict[int, int] = {}
        while (row := self._next_row()) is not None:
            if row.fault is not None:
                made.malformed.append(row)
                if len(made.malformed) >= LANE_ROWS_MAX:
                    break
                continue
            is_first_huge = row.units >= HUGE_UNITS and not self._was_huge
            lane = 0 if self._was_huge or is_first_huge else row.client % self._lanes
            if lane_of_tx.setdefault(row.tx, lane) != lane or (is_first_huge and any(made.lanes)):
                self._held_back = row
                break
            self._was_huge |= is_first_huge
            made.lanes[lane].append(row)
            if len(made.lanes[lane]) >= LANE_ROWS_MAX:
                break
        return made if made.malformed or any(made.lanes) else None

    def _next_row(self) -> Row | None:
        held_back, self._held_back = self._held_back, None
        return held_back or next(self._rows, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file on its way into one ledger."""

    name: str
    source: Source
    content: Content
    """What `survey` has found in it. Whatever else it holds when it is read again stops the import."""
    target: Target
    lanes: int
    tell: Tell
    advance: Callable[[int], None]
    """Is told of bytes, from the thread that reads."""

    async def run(self, tally: ImportTally) -> None:
        """Raises ImportFailed, InputFault."""
        rounds = Rounds(self._rows(), self.lanes)
        reading = asyncio.create_task(asyncio.to_thread(rounds.next))
        while (made := await reading) is not None:
            reading = asyncio.create_task(asyncio.to_thread(rounds.next))
            try:
                await self._send(made, tally)
            except BaseException:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                raise

    def _rows(self) -> Iterator[Row]:
        digest, left = sha256(), self.content.size

        def read(size: int) -> bytes:
            nonlocal left
            block = self.source.read(min(size, left))
            left -= len(block)
            digest.update(block)
            if not block and digest.hexdigest() != self.content.sha256:
                raise ImportFailed(f"{self.source.name} changed while it was imported")
            self.advance(len(block))
            return block

        window = Window(read, self.source.name)
        yield from rows_of(window, read_columns(window))

    async def _send(self, made: Round, tally: ImportTally) -> None:
        lanes = [(lane, rows) for lane, rows in enumerate(made.lanes) if rows]
        sent = [asyncio.create_task(self._send_patiently(lane, rows)) for lane, rows in lanes]
        if sent:
            await asyncio.wait(sent)  # All of them, also where one has failed: nothing goes on behind our back.
        answers = [task.result() for task in sent]
        told = [(row, row.fault or "", False) for row in made.malformed]
        answered = [
            pair for (_, rows), results in zip(lanes, answers, strict=True) for pair in zip(rows, results, strict=True)
        ]
        for row, result in sorted(answered):
            tally.replayed += result.is_replay
            if result.code is None:
                tally.carried_out += 1
            elif result.code in REFUSALS:
                told.append((row, result.code, True))
            else:
                raise ImportFailed(f"{self.source.name} line {row.line}: {_obstacle(result.code)}")
        for row, reason, is_refusal in sorted(told):
            tally.reasons[reason] += 1
            if is_refusal:
                tally.refused += 1
            else:
                tally.malformed += 1
            self.tell(self.source.name, row, reason)

    async def _send_patiently(self, lane: int, rows: Sequence[Row]) -> Sequence[Result]:
        items = [self._item(row) for row in rows]
        loop = asyncio.get_running_loop()
        gives_up_at, pause = loop.time() + PATIENCE_SECONDS, PAUSE_SECONDS_MIN
        while True:
            try:
                return await self.target.send(lane, items)
            except DomainError as error:
                if not error.retryable or loop.time() >= gives_up_at:
                    raise ImportFailed(f"{error.detail} Run it again to go on.") from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)

    def _item(self, row: Row) -> Item:
        amount = None
        if row.kind in (DEPOSIT, WITHDRAWAL):
            amount = f"{row.units // UNITS}.{row.units % UNITS:04}".rstrip("0").removesuffix(".")
        return Item(f"import:{self.name}:{row.line}", KINDS[row.kind].value, row.client, row.tx, amount)


def _obstacle(code: str) -> str:
    if code == IdempotencyKeyReused.code:
        return "this import had another row here, or other options"
    return f"the ledger answers {code}. Run it again to go on."
