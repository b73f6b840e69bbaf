"""What is handed to the committer, and what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.batch import Key
from zerosum.db.errors import says_refused
from zerosum.domain.errors import DomainError, IdempotencyKeyReused, OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.ledger.account import Account
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Refused, Replayed
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.velocity import Window
from zerosum.domain.traces import Origins, TraceOrigin, of_each
from zerosum.services.committing.unknown_keys import UnknownKeys

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
    unknown_keys: UnknownKeys
    origins: Origins = ()
    """Of which traces it is a part: as a whole, or command by command."""
    handed_over_at: float = 0.0
    """On the event loop's clock; of one that is part of a trace."""
    order_key: int | None = None
    held_up_since: float | None = None
    """By somebody else, who holds its accounts or keys (`held_up.py`)."""
    again_at: float = 0.0
    is_key_held: bool = False
    is_apart: bool = False
    tried_at: float = 0.0
    """Alone, the last time."""
    may_be_retried: bool = False
    """It was refused, and its caller may ask for it again."""

    @property
    def is_answered(self) -> bool:
        return self.answer.done()

    @property
    def ledger_id(self) -> UUID:
        """Whose share of the service it takes: that of its first command. One without commands takes nobody's."""
        return self.commands[0].ledger_id if self.commands else SERVICE_LEDGER

    @property
    def keys(self) -> list[Key]:
        return [(command.ledger_id, command.idempotency_key) for command in self.commands]

    @property
    def origin_of_each(self) -> Origins:
        """Of its commands, in order."""
        return of_each(self.origins, len(self.commands))

    @property
    def recorded_origins(self) -> list[TraceOrigin]:
        """The traces that somebody collects, each span once."""
        if len(self.origins) == 1:  # Nearly all are: a third of what several cost.
            [alone] = self.origins
            return [alone] if alone is not None and alone.is_recorded else []
        return list(dict.fromkeys(origin for origin in self.origins if origin is not None and origin.is_recorded))

    @property
    def may_have_committed(self) -> bool:
        """Somebody who asked with one of its keys, or it, was told that nobody knows; or a COMMIT with one was sent,
        and its reply never came."""
        return self.unknown_keys.has_any(self.keys)

    def resolve(self, answers: Answers) -> None:
        if not self.answer.done():  # the caller may have gone away
            self.answer.set_result(answers)

    def refuse(self, error: DomainError) -> None:
        if not self.answer.done():
            self.may_be_retried = isinstance(error, Unavailable | Overloaded | OutcomeUnknown)
            if isinstance(error, OutcomeUnknown):
                self.unknown_keys.add(self.keys)  # Whoever asks again is not told that nothing was done.
            self.answer.set_exception(error)

    def refuse_undone(self, error: Unavailable | Overloaded) -> None:
        """Nothing was done, unless an earlier try has left its key unknown, or whoever holds it may commit it yet: a
        refusal is true of the key."""
        self.refuse(outcome_unknown() if self.may_have_committed or self.is_key_held else error)


def outcome_unknown() -> OutcomeUnknown:
    return OutcomeUnknown("The outcome is not known; retry with the same key.")


def key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("The key was used before, for another request.")


def further_windows(commands: Iterable[LedgerCommand]) -> dict[UUID, set[Window]]:
    """In which commands want to know what counts, by account: of limits that they give it, or of rules."""
    further: dict[UUID, set[Window]] = {}
    for command in commands:
        for account_id, window in command.counted():
            further.setdefault(account_id, set()).add(window)
    return further


def needs_of(works: Sequence[Work]) -> set[Need]:
    return {need for work in works for command in work.commands for need in command.needs()}


def stands_apart(works: Sequence[Work], needed: Collection[RecordKey]) -> bool:
    """Whether no command needs what another one of the batch records: what goes straight does so by its own id.

    All that is needed are records that are known by their ids (`may_look`).
    """
    ids = {key.id for key in needed}
    return not ids or all(command.id not in ids for work in works for command in work.commands)


def windows_of(works: Sequence[Work]) -> dict[UUID, set[Window]]:
    """Of all their commands."""
    return further_windows(command for work in works for command in work.commands)


def traces_of(works: Sequence[Work]) -> dict[Key, str]:
    """By the key of each command that is part of one. Nearly always empty, and then no key is looked at."""
    return {
        key: origin.traceparent
        for work in works
        if work.origins
        for key, origin in zip(work.keys, work.origin_of_each, strict=True)
        if origin is not None
    }


def opened_in(works: Sequence[Work]) -> list[Account]:
    """What commands of this batch open."""
    return [account for work in works for command in work.commands for account in command.new_accounts]


@contextmanager
def committing(works: Sequence[Work]) -> Iterator[None]:
    """Around whatever commits: unless it tells that nothing was done, nobody knows what has become of these keys."""
    try:
        yield
    except BaseException as error:
        if not says_refused(error):
            for work in works:
                work.unknown_keys.add(work.keys)
        raise


def forget_told(works: Sequence[Work], answers: Sequence[Answers]) -> None:
    """They are committed and about to be told. Whoever was told meanwhile that nobody knows asks again."""
    unknown = works[0].unknown_keys
    if not unknown:  # As hardly ever it is not: no keys are gathered for nothing.
        return
    for work, answer in zip(works, answers, strict=True):
        if not work.is_answered and (unknown.may_be_unused or _was_used(answer)):
            unknown.forget(work.keys)


def _was_used(answers: Answers) -> bool:
    """Whether one of its keys was used before."""
    told = answers[1:] if isinstance(answers, tuple) else answers
    return any(isinstance(one, Replayed) or (isinstance(one, Refused) and one.is_replay) for one in told)


def refusal_in(refused: Refused) -> DomainError:
    """What it tells its caller, and whether it was told before."""
    refused.refusal.is_replay = refused.is_replay
    return refused.refusal
