"""How a batch is judged: replays first, then the Book, in the order in which the commands arrived. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.batch import Key, UsedKey
from zerosum.db.batch.account_settings import AccountChanges
from zerosum.db.batch.writing import AnswerRow, NewRows, RefusalRow
from zerosum.domain.errors import DomainError, refusal_class
from zerosum.domain.events import ResourceType
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Posted, PostedPair, Refused, Replayed
from zerosum.services.committing.work import Answers, Work, key_reused, traces_of
from zerosum.services.requests.quotas import RefusalQuota


class IdempotentBook:
    """Answers one batch. It remembers the keys it has answered, so a key given twice in a batch is carried out once."""

    def __init__(
        self,
        book: Book,
        used: Mapping[Key, UsedKey],
        posted_at: datetime,
        refusal_quota: RefusalQuota | None = None,
        *,
        goes_straight: bool = False,
    ) -> None:
        """It `goes_straight` where no command of the batch needs what another one has recorded (`Book`)."""
        self._goes_straight = goes_straight
        self.rows = NewRows()
        self.traces: Mapping[Key, str] = {}
        """Of which traces commands are a part."""
        self._refusal_quota = refusal_quota
        self._book = book
        self._used = used
        self._posted_at = posted_at
        self._answered: dict[Key, tuple[bytes, Answer]] = {}

    def answer(self, command: LedgerCommand) -> Answer:
        """Replay, carry out or refuse. A definite refusal is kept under its key, so that a retry meets it again.

        One that is not kept leaves the key free, also for the rest of the batch.
        """
        earlier = self._earlier_answer(command)
        if earlier is not None:
            return earlier
        straight = self._book.apply_straight(command, self._posted_at) if self._goes_straight else None
        if straight is not None:
            if self.traces:
                straight.traceparent = self._trace_of(command)
            self.rows.posted.append(straight)
            self._answered[command.ledger_id, command.idempotency_key] = (command.fingerprint, straight)
            return straight
        outcome = self._book.apply(command, self._posted_at)
        if isinstance(outcome, Posted):
            self._take(command, outcome)
        elif not outcome.refusal.is_kept or not command.is_remembered:
            return outcome
        elif (too_many := self._too_many_refusals(command)) is not None:
            return Refused(too_many)
        else:
            self.rows.refusals.append(_refusal_row(command, outcome.refusal))
        self._answered[command.ledger_id, command.idempotency_key] = (command.fingerprint, outcome)
        return outcome

    def answer_together(self, commands: Sequence[LedgerCommand]) -> list[Answer] | tuple[int, Refused]:
        """All or nothing. What was posted before is replayed. A refusal is not kept: its item was not judged alone."""
        answers: list[Answer | None] = [self._earlier_answer(command) for command in commands]
        for index, earlier in enumerate(answers):
            if isinstance(earlier, Refused):
                return index, earlier
        seen: dict[Key, LedgerCommand] = {}
        fresh: list[int] = []
        for index, (command, earlier) in enumerate(zip(commands, answers, strict=True)):
            if earlier is not None:
                continue
            key = (command.ledger_id, command.idempotency_key)
            if key not in seen:
                seen[key] = command
                fresh.append(index)
            elif seen[key].fingerprint != command.fingerprint:
                return index, _reused()
        wanted = [commands[index] for index in fresh]
        result = self._book.apply_together(wanted, self._posted_at, goes_straight=self._goes_straight)
        if isinstance(result, tuple):
            return fresh[result[0]], result[1]
        for index, outcome in zip(fresh, result, strict=True):
            answers[index] = outcome
            command = commands[index]
            self._take(command, outcome)
            self._answered[command.ledger_id, command.idempotency_key] = (command.fingerprint, outcome)
        return [
            answer if answer is not None else self._must_have_answered(command)
            for answer, command in zip(answers, commands, strict=True)
        ]

    def changes_since(self, before: Mapping[UUID, AccountState]) -> AccountChanges:
        """Of accounts, besides what follows from postings. What goes straight changes nothing else of them."""
        if all(type(outcome) is PostedPair for outcome in self.rows.posted):
            return AccountChanges([], [])
        return AccountChanges.between(before, self._book.accounts.values())

    def _take(self, command: LedgerCommand, outcome: Posted) -> None:
        if self.traces:
            outcome.traceparent = self._trace_of(command)
        self.rows.posted.append(outcome)
        if isinstance(outcome, PostedPair):
            return
        if outcome.changed_account is not None:
            self.rows.actors.setdefault(outcome.changed_account, set()).add(command.actor)
        for opened in outcome.opened:
            self.rows.actors.setdefault(opened, set()).add(command.actor)
        if not outcome.entries and outcome.remembered is None and command.is_remembered:
            raise LookupError("a command has posted nothing and does not say what its key is to remember")
        if outcome.remembered is not None and command.is_remembered:
            self.rows.answers.append(
                AnswerRow(command.ledger_id, command.idempotency_key, command.fingerprint, *outcome.remembered)
            )

    def _trace_of(self, command: LedgerCommand) -> str | None:
        return self.traces.get((command.ledger_id, command.idempotency_key))

    def _too_many_refusals(self, command: LedgerCommand) -> DomainError | None:
        quota = self._refusal_quota
        return None if quota is None else quota.take(command.ledger_id, self._posted_at)

    def _earlier_answer(self, command: LedgerCommand) -> Answer | None:
        key = (command.ledger_id, command.idempotency_key)
        answered = self._answered.get(key)
        if answered is not None:
            fingerprint, answer = answered
            return _reused() if fingerprint != command.fingerprint else as_replay(answer)
        used = self._used.get(key)
        if used is None:
            return None
        return _reused() if used.fingerprint != command.fingerprint else replay(used)

    def _must_have_answered(self, command: LedgerCommand) -> Answer:
        answer = self._earlier_answer(command)
        if answer is None:
            raise LookupError("an item of a bulk was neither replayed nor carried out")
        return answer


def answers_to(judge: IdempotentBook, works: Sequence[Work]) -> list[Answers]:
    """Of a whole batch, in order."""
    judge.traces = traces_of(works)
    return [
        judge.answer_together(work.commands) if work.is_atomic else [judge.answer(command) for command in work.commands]
        for work in works
    ]


def replay(used: UsedKey) -> Answer:
    """The first answer again, from what was stored with the key."""
    if used.resource_id is not None and used.resource_type is not None:
        return Replayed(used.resource_id, ResourceType(used.resource_type), used.content)
    if used.problem is None:
        raise LookupError("a used key has neither an entry nor a problem")
    return Refused(recalled_refusal(used.problem), is_replay=True)


def as_replay(answer: Answer) -> Answer:
    if isinstance(answer, Posted):
        if answer.remembered is not None:
            return Replayed(answer.remembered.resource_id, answer.remembered.resource_type, answer.remembered.content)
        return Replayed(answer.first_id, answer.entry.resource_type)
    return Refused(copy(answer.refusal), is_replay=True) if isinstance(answer, Refused) else answer


def recalled_refusal(problem: Mapping[str, Any]) -> DomainError:
    cls = refusal_class(problem["code"])
    recalled = cls(problem["detail"], pointer=problem.get("pointer"), **problem.get("facts", {}))
    recalled.others = [recalled_refusal(other) for other in problem.get("others", ())]
    return recalled


def _refusal_row(command: LedgerCommand, refusal: DomainError) -> RefusalRow:
    problem = _problem(refusal)
    if command.stands_on is not None:
        problem["stands_on"] = command.stands_on
    return RefusalRow(command.ledger_id, command.idempotency_key, command.fingerprint, problem)


def _problem(refusal: DomainError) -> dict[str, Any]:
    """As `recalled_refusal` makes it itself again."""
    problem: dict[str, Any] = {"code": refusal.code, "detail": refusal.detail}
    if refusal.pointer is not None:
        problem["pointer"] = refusal.pointer
    if refusal.facts:
        problem["facts"] = refusal.facts
    if refusal.others:
        problem["others"] = [_problem(other) for other in refusal.others]
    return problem


def _reused() -> Refused:
    return Refused(key_reused())
