"""Use cases about scheduled payments: ordering one, cancelling it, and reading. The worker runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.parties import parties_of_schedules
from zerosum.db.queries.scheduled_payments import RecordedRun as RecordedRun  # shown by the routes
from zerosum.db.queries.scheduled_payments import RecordedSchedule as RecordedSchedule
from zerosum.db.queries.scheduled_payments import ScheduleFilter, find_schedules, list_runs, list_schedules
from zerosum.domain.errors import ScheduledPaymentNotFound, ValidationFailed
from zerosum.domain.identifiers import ScheduledPaymentId
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import render_amount
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.schedule_commands import ScheduleCancellation, SchedulePayment
from zerosum.domain.payments.schedules import (
    ATTEMPTS_BY_DEFAULT,
    RETRY_SECONDS_BY_DEFAULT,
    SKIPPED,
    OnRefusal,
    Recurrence,
    RefusalPolicy,
    ScheduledPayment,
    ScheduleStatus,
)
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.payments import PaymentKind, PaymentOrder
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.known_parties import KnownParties, in_a_work, members_between
from zerosum.services.requests.occurrences import count_occurrences
from zerosum.services.requests.paging import Cursors, Page, PageRequest

RUNS_SHOWN = 100
"""So many of its runs, the newest, are shown with a scheduled payment; the list of runs has all."""


@dataclass(slots=True, kw_only=True)
class ScheduleOrder:
    """A request to pay later, in its wire form. What is not said about refusals is the policy's default."""

    idempotency_key: str
    payment: PaymentOrder
    execute_at: datetime
    recurrence: Recurrence | None = None
    on_refusal: OnRefusal = OnRefusal.SKIP
    attempts_max: int | None = None
    retry_seconds: int | None = None


@dataclass(slots=True, kw_only=True)
class CancellationOrder:
    idempotency_key: str
    schedule_id: UUID


class ScheduledPayments:
    """`desk` takes orders to pay later, `cancellations` takes them back; and they are read here."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        payments: PaymentKind,
        directory: AccountDirectory,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._directory = directory
        self._cursors = cursors
        known = KnownParties(database, in_a_work(parties_of_schedules), _no_such_schedule)
        self.desk: Submission[ScheduleOrder, RecordedSchedule] = Submission(
            SchedulingKind(payments), committer, database, now
        )
        self.cancellations: Submission[CancellationOrder, RecordedSchedule] = Submission(
            CancellingKind(known), committer, database, now
        )

    async def get(self, caller: Caller, schedule_id: UUID) -> tuple[RecordedSchedule, Sequence[RecordedRun]]:
        """With the newest of its runs, of one moment."""
        async with self._database.work(caller.ledger_id) as connection:
            runs = await list_runs(
                connection, caller.ledger_id, schedule_id, after=None, limit=RUNS_SHOWN, is_ascending=False
            )
            found = (await find_schedules(connection, caller.ledger_id, [schedule_id])).get(schedule_id)
        if found is None:
            raise _no_such_schedule()
        return found, runs

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedSchedule]:
        """Raises InvalidParameter, AccountNotFound for an account that is named and not there."""
        position = self._cursors.position(caller.ledger_id, request)
        account = await self._directory.find_filter(caller.ledger_id, position.filters)
        wanted = ScheduleFilter(
            account_id=None if account is None else account.id, status=position.filters.get("status")
        )
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_schedules(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda schedule: schedule.id)

    async def runs(self, caller: Caller, schedule_id: UUID, request: PageRequest) -> Page[RecordedRun]:
        """All of them, page by page."""
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            if not await find_schedules(connection, caller.ledger_id, [schedule_id]):
                raise _no_such_schedule()
            found = await list_runs(
                connection,
                caller.ledger_id,
                schedule_id,
                after=position.after_as(int),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda run: run.number)


class _Recorded:
    """What is shown of a scheduled payment after something was done with it."""

    def view(self, posted: Posted, names: Names) -> RecordedSchedule:
        schedule: ScheduledPayment = posted.resource
        return shown_schedule(schedule, names)


class SchedulingKind(_Recorded):
    """How an order to pay later becomes a command: the payment in it becomes one as any other would."""

    def __init__(self, payments: PaymentKind) -> None:
        self._payments = payments

    def command(
        self, caller: Caller, order: ScheduleOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        policy = _policy(order)
        prepared = self._payments.command(caller, order.payment, is_prepared=is_prepared, imagined=imagined)
        payment = prepared.command
        if not isinstance(payment, Pay):
            raise LookupError("what is scheduled is a payment")
        command = SchedulePayment(
            id=payment.id,
            ledger_id=payment.ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=_fingerprint(order, payment),
            actor=caller.actor,
            metadata=payment.metadata,
            codes=payment.codes,
            called=payment.called,
            opens=payment.opens,
            schedule_id=ScheduledPaymentId(payment.id),
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            payment=payment,
            execute_at=order.execute_at,
            occurrences=1 if order.recurrence is None else count_occurrences(order.recurrence, order.execute_at),
            recurrence=order.recurrence,
            policy=policy,
        )
        return Prepared(command, prepared.names)

    async def prepare(self, caller: Caller, orders: Sequence[ScheduleOrder], *, may_write: bool) -> Imagined:
        return await self._payments.prepare(caller, [order.payment for order in orders], may_write=may_write)

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedSchedule]:
        """As they were when they were made, whatever has become of them since."""
        found = await find_schedules(connection, ledger_id, ids)
        return {id_: _when_made(schedule) for id_, schedule in found.items()}


class CancellingKind(_Recorded):
    """How a cancellation becomes a command. Whom the payment is between is known before: it never changes."""

    def __init__(self, known: KnownParties) -> None:
        self._known = known

    def command(
        self,
        caller: Caller,
        order: CancellationOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - this opens no account
    ) -> Prepared:
        parties = self._known.known(caller.ledger_id, order.schedule_id, is_prepared=is_prepared)
        said = {"scheduled_payment": str(order.schedule_id)}
        key, content = order.idempotency_key, fingerprint("scheduled payment cancellation", said)
        members = members_between(parties, caller, key, content)
        command = ScheduleCancellation(**members, schedule_id=ScheduledPaymentId(order.schedule_id))
        return Prepared(command, members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[CancellationOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        await self._known.load(caller.ledger_id, {order.schedule_id for order in orders})
        return NOTHING_IMAGINED

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedSchedule]:
        """As they are: what is cancelled does not change any more."""
        return await find_schedules(connection, ledger_id, ids)


def _policy(order: ScheduleOrder) -> RefusalPolicy:
    if order.on_refusal is OnRefusal.RETRY:
        return RefusalPolicy(
            OnRefusal.RETRY, order.attempts_max or ATTEMPTS_BY_DEFAULT, order.retry_seconds or RETRY_SECONDS_BY_DEFAULT
        )
    if order.attempts_max is not None or order.retry_seconds is not None:
        raise ValidationFailed("Only where `on_refusal` is `retry` something is tried again.", pointer="/retry")
    return SKIPPED


def _fingerprint(order: ScheduleOrder, payment: Pay) -> bytes:
    said = order.payment
    return fingerprint(
        "scheduled payment",
        {
            "type": said.type,
            "amount": render_amount(payment.money.amount),
            "currency": said.currency,
            "from": said.payer,
            "to": said.payee,
            **said.texts._asdict(),
            "metadata": said.metadata,
            "execute_at": order.execute_at,
            **({} if order.recurrence is None else order.recurrence._asdict()),
            "on_refusal": order.on_refusal,
            "attempts_max": order.attempts_max,
            "retry_seconds": order.retry_seconds,
        },
    )


def _when_made(schedule: RecordedSchedule) -> RecordedSchedule:
    return replace(
        schedule,
        status=ScheduleStatus.SCHEDULED,
        attempt_at=schedule.execute_at,
        runs=0,
        payments=0,
        ended_at=None,
    )


def shown_schedule(schedule: ScheduledPayment, names: Names) -> RecordedSchedule:
    return RecordedSchedule(
        id=schedule.id,
        type=schedule.type,
        status=schedule.status,
        amount=schedule.money.amount,
        currency=schedule.money.currency.code,
        payer_id=schedule.payer_id,
        payer_code=names[schedule.payer_id],
        payee_id=schedule.payee_id,
        payee_code=names[schedule.payee_id],
        texts=schedule.texts,
        execute_at=schedule.execute_at,
        recurrence=schedule.recurrence,
        occurrences=schedule.occurrences,
        policy=schedule.policy,
        actor=schedule.actor,
        created_at=schedule.created_at,
        metadata=schedule.metadata,
        attempt_at=schedule.attempt_at,
        runs=schedule.runs,
        payments=schedule.payments,
        ended_at=schedule.ended_at,
    )


def _no_such_schedule() -> ScheduledPaymentNotFound:
    return ScheduledPaymentNotFound("This ledger has no such scheduled payment.")
