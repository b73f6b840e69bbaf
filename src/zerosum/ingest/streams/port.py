"""What the runner asks of an input, of a place for answers, and of the ledger's desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zerosum.domain.errors import DomainError
from zerosum.domain.messages import Message, MessageOutcome, Partition, Position


class Take(Protocol):
    """Take a partition before anything of it is read: the input begins behind what is settled of it."""

    async def __call__(self, partition: Partition, made: str | None = None, /) -> Position:
        """`made`: when the stream was made. Raises InputAway where it cannot be taken, Gap where it is another one."""


Lose = Callable[[Collection[Partition]], Awaitable[None]]
"""Somebody else has these from now on. Returns when nothing of them is under way any more."""


class Input(Protocol):
    """One connection to a queue or stream. All methods raise InputAway; after that it is closed and opened again."""

    @property
    def name(self) -> str: ...

    @property
    def is_leased(self) -> bool:
        """Whether who may read is decided by a lease in PostgreSQL, because the input itself does not decide it."""

    @property
    def is_read_once(self) -> bool:
        """Whether what was received cannot be received again by opening it anew."""

    @property
    def has_positions(self) -> bool:
        """Whether its messages have places that last, so that something can be remembered of them."""

    @property
    def lost(self) -> int:
        """Messages that the broker has deleted before they were read, as far as it can be known."""

    async def open(self, take: Take, lose: Lose) -> None: ...

    async def receive(self, most: int, seconds: float) -> Sequence[Message] | None:
        """What has come, in order; nothing after so many seconds without any; None at its end."""

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """They are settled. A failure only means that some of them come again."""

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """To whoever sent them, where the input has a way back; else nothing."""

    async def keep_alive(self) -> None:
        """Called instead of `receive` while messages wait: stay a member, take nothing more."""

    async def lag(self) -> float | None:
        """About how many messages wait there; None where nobody knows."""

    async def close(self) -> None: ...


class Replies(Protocol):
    """Where outcomes are told. Raises InputAway."""

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        """Ordering keys and JSON. Returns when they are safe there."""

    async def close(self) -> None: ...


class Reading(Protocol):
    """A message that could be read."""

    @property
    def message(self) -> Message: ...

    @property
    def group(self) -> object:
        """Neighbours of one group are carried out together."""


class Desk(Protocol):
    """The ledger."""

    def read(self, message: Message) -> Reading:
        """Raises a DomainError for what can never be carried out."""

    async def carry_out(self, readings: Sequence[Any], order_key: int | None = None) -> Sequence[MessageOutcome]:
        """Of neighbours of one group, in order."""

    def refused(self, message: Message, refusal: DomainError) -> MessageOutcome:
        """What becomes of one that could not be read."""


@dataclass(slots=True)
class IngestTally:
    """What one process has done, for its metrics and its last line."""

    messages: int = 0
    done: int = 0
    replayed: int = 0
    """Of those done or refused: what an earlier delivery had brought."""
    refused: int = 0
    dead: int = 0
    retried: int = 0
    skipped: int = 0
    """Below the position: they were settled before."""
    pauses: int = 0
    fenced: int = 0
    lost: int = 0
    """Deleted by a broker before they were read."""
    late: int = 0
    """Of inputs in the order of time: they came after their turn, or behind one with a later time."""
    gaps: int = 0
    """Times that an input has ended because messages were missing where it was to go on."""
