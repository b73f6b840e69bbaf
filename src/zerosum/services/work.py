"""What is handed to the committer, and what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Refused

Answers = list[Answer] | tuple[int, Refused]
"""An answer for each command in order; of an atomic work that was refused, the index and refusal of one command."""


@dataclass(slots=True, eq=False)
class Work:
    """Commands of one caller, answered together. Never split over two batches."""

    commands: Sequence[LedgerCommand]
    is_atomic: bool
    answer: asyncio.Future[Answers]
    deadline: float
    """On the event loop's clock."""
    origin: object = None
    """Where batches are traced: the request that handed it over."""
    may_have_committed: bool = False
    """COMMIT was sent and its reply never came: only the keys can tell."""
    order_key: int | None = None
    held_up_since: float | None = None
    """By somebody else, who holds its accounts or keys (`held_up.py`)."""
    again_at: float = 0.0
    is_key_held: bool = False

    @property
    def is_answered(self) -> bool:
        return self.answer.done()

    def resolve(self, answers: Answers) -> None:
        if not self.answer.done():  # the caller may have gone away
            self.answer.set_result(answers)

    def refuse(self, error: DomainError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
