"""What a batch has come to: what is told, what is put aside, what must wait behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from zerosum.domain.errors import DomainError, PanNotAllowed
from zerosum.domain.messages import DeadLetterStatus, Message, MessageOutcome, OutcomeKind
from zerosum.services.ingestion import DeadLetterRecord, Ingestion


class Answered(NamedTuple):
    message: Message
    outcome: MessageOutcome


class Results:
    """What a batch has come to so far."""

    def __init__(self, ingestion: Ingestion, blocked: set[str], sender: str | None, *, may_retry: bool) -> None:
        """Of an input without a place of its own nobody looks again for what has failed: it is told at once."""
        self._may_retry = may_retry
        self._sender = sender
        self.blocked = blocked
        """Ordering keys whose messages must wait."""
        self.answered: list[Answered] = []
        self.set_aside: list[DeadLetterRecord] = []
        self.settled = 0
        self.away: DomainError | None = None
        self._ingestion = ingestion

    def add(self, answers: Sequence[Answered]) -> None:
        """The first that found the ledger away ends the batch: those after it come again with it."""
        for one in answers:
            if one.outcome.kind is OutcomeKind.AWAY:
                self.away = one.outcome.refusal
                return
            self._add(one)
            self.settled += 1

    def _add(self, one: Answered) -> None:
        kind, key = one.outcome.kind, one.message.ordering_key
        if kind is OutcomeKind.BEHIND:
            self._put_aside(one, DeadLetterStatus.WAITING, 0)
        elif kind is OutcomeKind.FAILED and self._may_retry:
            self._put_aside(one, DeadLetterStatus.RETRYING, 0)
            if key is not None:
                self.blocked.add(key)
        else:
            self.answered.append(one)
            if kind in (OutcomeKind.POISON, OutcomeKind.FAILED):
                self._put_aside(one, DeadLetterStatus.DEAD, 1)

    def _put_aside(self, one: Answered, status: DeadLetterStatus, attempts: int) -> None:
        reason, told = reason_of(one)
        message = one.message
        if isinstance(one.outcome.refusal, PanNotAllowed):
            # What the books must not keep is not kept here either.
            message = replace(message, body=b"", headers={})
        self.set_aside.append(self._ingestion.put_aside(message, status, reason, told, attempts, self._sender))


def reason_of(one: Answered) -> tuple[str, Mapping[str, Any]]:
    """The code of the refusal, and its problem."""
    refusal, told = one.outcome.refusal, one.outcome.answer.get("problem")
    return "behind" if refusal is None else refusal.code, told if isinstance(told, dict) else {}
