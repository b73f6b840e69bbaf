"""Scheduled payments, run by run: each paid what was ordered, once an occurrence, in order and not before its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import codes_of
from zerosum.db.queries.schedule_proofs import scheduled_runs_after
from zerosum.domain.identifiers import Prefix
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.proofs.of_fingerprints import is_cancellation_of, is_schedule_of
from zerosum.services.proofs.of_steps import StepsProof
from zerosum.services.proofs.report import part_of

SCHEDULES_AT_ONCE = 200
"""A slice may hold all the runs of so many."""

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class _Position:
    """How far a schedule has come, as its runs say. Times are whole microseconds; None: whatever was said."""

    occurrence: int = 1
    attempt: int = 1
    due_at: int | None = None
    attempt_at: int | None = None
    payments: int = 0
    status: str = "scheduled"
    ended_at: str | None = None


class SchedulesProof(StepsProof):
    noun = "scheduled_payment"
    prefix = Prefix.SCHEDULED_PAYMENT
    posts_nothing = ""

    _codes: Mapping[UUID, str] = MappingProxyType({})

    async def _rows(self, connection: Connection, share: float) -> tuple[Sequence[Any], int]:
        ledger_id, limit = self._report.ledger_id, part_of(SCHEDULES_AT_ONCE, share)
        rows = await scheduled_runs_after(connection, ledger_id, after=self._after, limit=limit)
        self._codes = await codes_of(
            connection, ledger_id, {id_ for row in rows for id_ in (row.payer_id, row.payee_id)}
        )
        return rows, limit

    def _fault_of(self, steps: Sequence[Any]) -> str | None:
        schedule = steps[0]
        self._announce(schedule, schedule.scheduled_payment_id, schedule.created_at, "created", schedule.told_first)
        if schedule.cancellation_id is not None:
            self._announce(schedule, schedule.cancellation_id, schedule.ended_at, "cancelled", schedule.told_last)
            if not is_cancellation_of(schedule):
                return "is cancelled, and nobody has done it"
        runs = [] if schedule.number is None else steps
        position = _Position(due_at=int(schedule.execute_at), attempt_at=int(schedule.execute_at))
        for number, run in enumerate(runs, start=1):
            verb = f"{run.outcome} completed" if run.completes else run.outcome
            self._announce(schedule, run.id, run.ran_at, verb, run.told)
            if run.number != number:
                return f"lacks the run {number}"
            fault = _fault_of_run(run, position)
            if fault is not None:
                return f"has a run {number} that {fault}"
            position = _after(run, position)
        return self._fault_of_whole(steps, ()) or _fault_of_position(schedule, position, len(runs))

    def _fault_of_whole(self, steps: Sequence[Any], entry_ids: Sequence[UUID]) -> str | None:  # noqa: ARG002
        schedule = steps[0]
        payer, payee = self._codes.get(schedule.payer_id), self._codes.get(schedule.payee_id)
        if schedule.ordered_id != schedule.scheduled_payment_id or not is_schedule_of(schedule, payer, payee):
            return "is not what was ordered"
        return None

    def _fault_of_step(self, step: Any, before: Any) -> str | None:  # noqa: ARG002
        raise LookupError("runs are followed from the beginning")

    def _announce(self, schedule: Any, id_: UUID, moment: str, verb: str, told: str) -> None:
        self._on_step(_Announced(id_, moment, verb, str(schedule.scheduled_payment_id), told))


@dataclass(frozen=True, slots=True)
class _Announced:
    """What happened to a scheduled payment, as the proof of events knows entries. `told` is what its event says."""

    id: UUID
    posted_at: str
    reason: str
    resource_id: str
    told: str
    resource_type: str = "scheduled_payment"


def _fault_of_run(run: Any, position: _Position) -> str | None:
    if position.status != "scheduled":
        return "comes after the end"
    if (run.occurrence, run.attempt) != (position.occurrence, position.attempt):
        return "is not the one that was to come"
    if position.due_at is not None and int(run.due_at) != position.due_at:
        return "was due at another time"
    attempt_at = int(run.due_at) if position.attempt_at is None else position.attempt_at
    if int(run.ran_at) < attempt_at:
        return "was run before its time"
    if run.outcome == "executed":
        return _fault_of_payment(run)
    is_last = run.attempt >= run.attempts_max
    expected = "skipped" if run.on_refusal == "skip" else "failed"
    if run.outcome != expected or run.payment_id is not None or not run.is_refused:
        return "has another outcome than it can have"
    retried_at = None if is_last else int(run.ran_at) + run.retry_seconds * _SECOND
    if (None if run.retry_at is None else int(run.retry_at)) != retried_at:
        return "is tried again at another time"
    return None


def _fault_of_payment(run: Any) -> str | None:
    """Whether it paid what was ordered, under the key of its occurrence, and for whom it was ordered."""
    if run.payment_type is None or run.idempotency_key is None:
        return "has no payment"
    if run.idempotency_key != f"scheduled payment {run.scheduled_payment_id} {run.occurrence}":
        return "has the payment of something else"
    ordered = (run.type, run.currency, run.payer_id, run.payee_id, run.actor, run.fingerprint, run.metadata or None)
    paid = (
        run.payment_type,
        run.payment_currency,
        run.payment_payer_id,
        run.payment_payee_id,
        run.entry_actor,
        run.entry_fingerprint,
        run.entry_metadata or None,
    )
    texts = all(getattr(run, name) == getattr(run, f"payment_{name}") for name in PaymentTexts._fields)
    if ordered != paid or Decimal(run.amount) != Decimal(run.payment_amount) or not texts:
        return "has paid something else than was ordered"
    return None if run.posted_at == run.ran_at else "was run at another time than it paid"


def _after(run: Any, position: _Position) -> _Position:
    is_paid = run.outcome == "executed"
    payments = position.payments + is_paid
    if run.retry_at is not None:
        return replace(position, attempt=run.attempt + 1, due_at=int(run.due_at), attempt_at=int(run.retry_at))
    if run.occurrence >= run.occurrences:
        status = "completed" if payments else "failed"
        # Where all is over, it stays where it was.
        return replace(position, payments=payments, status=status, ended_at=run.ran_at)
    return _Position(occurrence=run.occurrence + 1, payments=payments)


def _fault_of_position(schedule: Any, position: _Position, runs: int) -> str | None:
    is_cancelled = schedule.status == "cancelled" and position.status == "scheduled"
    if (schedule.cancellation_id is not None) is not is_cancelled:
        return (
            "was cancelled, and is not"
            if schedule.cancellation_id is not None
            else "is cancelled, and nobody has done it"
        )
    if not is_cancelled and (schedule.status, schedule.ended_at) != (position.status, position.ended_at):
        return "stands otherwise than its runs say"
    come = (schedule.next_occurrence, schedule.next_attempt, schedule.runs, schedule.payments)
    if come != (position.occurrence, position.attempt, runs, position.payments):
        return "has come to another place than its runs say"
    due_at = int(schedule.next_due_at) if position.due_at is None else position.due_at
    attempt_at = int(schedule.next_due_at) if position.attempt_at is None else position.attempt_at
    if (int(schedule.next_due_at), int(schedule.attempt_at)) != (due_at, attempt_at):
        return "is due at another time than was ordered"
    if position.status == "scheduled" and schedule.is_next_paid:
        return "has paid what it has no run of"
    return None
