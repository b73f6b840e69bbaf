"""Scheduled payments on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import DryRunBalance
from zerosum.api.schemas.fields import (
    AccountReference,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    CurrencyCode,
    GivenMetadata,
    Moment,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.payments import PaymentTypeName
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.recurrence import RULE_MAX
from zerosum.domain.payments.schedules import (
    ATTEMPTS_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    OnRefusal,
    Recurrence,
    RefusalPolicy,
    RunOutcome,
    ScheduleStatus,
)
from zerosum.services.payments import PaymentOrder
from zerosum.services.scheduled_payments import RecordedRun, RecordedSchedule, ScheduleOrder

ScheduleStatusName = Annotated[str, OneOf(ScheduleStatus)]
OnRefusalName = Annotated[str, OneOf(OnRefusal)]

RULE_EXAMPLE = "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=12"
ZONE_EXAMPLE = "Europe/Berlin"


class RecurrenceRequest(Request):
    """How a payment recurs. `execute_at` is the first time, and the rule falls on it."""

    rule: Annotated[
        str,
        Field(
            min_length=1,
            max_length=RULE_MAX,
            description="A rule of RFC 5545, daily or slower, with COUNT or UNTIL.",
            examples=[RULE_EXAMPLE],
        ),
    ]
    time_zone: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="Of the IANA database: there the time of day stays the same, in summer and in winter.",
            examples=[ZONE_EXAMPLE],
        ),
    ]


class RetryRequest(Request):
    """How often, and how far apart, a refused payment is tried."""

    attempts: Annotated[
        int | None, Field(ge=2, le=ATTEMPTS_MAX, description="In all, the first one too; 3 by default.", examples=[3])
    ] = None
    interval_seconds: Annotated[
        int | None,
        Field(
            ge=RETRY_SECONDS_MIN,
            le=RETRY_SECONDS_MAX,
            description="From one to the next; an hour by default.",
            examples=[3600],
        ),
    ] = None


class ScheduledPaymentRequest(Request):
    """A payment, and when to make it."""

    type: Annotated[PaymentTypeName, Field(description="Between two accounts, into the ledger, or out of it.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountReference | None, Field(alias="from", description="The account that pays.")] = None
    to: Annotated[AccountReference | None, Field(description="The account that receives.")] = None
    execute_at: Annotated[Moment, Field(description="When it is due, at most ten years from now.")]
    recurrence: Annotated[RecurrenceRequest | None, Field(description="Nothing: it is made once.")] = None
    on_refusal: Annotated[
        OnRefusalName | None,
        Field(description="Where it is refused when it is due: left out (`skip`, the default), or tried again."),
    ] = None
    retry: Annotated[RetryRequest | None, Field(description="Only with `on_refusal` `retry`.")] = None
    reference: Annotated[Text | None, Field(description="Your own reference.", examples=["rent 7"])] = None
    description: Annotated[Text | None, Field(description="For people.", examples=["Rent"])] = None
    metadata: GivenMetadata = None

    def order(self, idempotency_key: str) -> ScheduleOrder:
        recurrence, retry = self.recurrence, self.retry
        return ScheduleOrder(
            idempotency_key=idempotency_key,
            payment=PaymentOrder(
                idempotency_key=idempotency_key,
                type=PaymentType(self.type),
                amount=self.amount,
                currency=self.currency,
                payer=self.from_,
                payee=self.to,
                texts=PaymentTexts(**{name: getattr(self, name) for name in PaymentTexts._fields}),
                metadata=self.metadata or {},
            ),
            execute_at=self.execute_at,
            recurrence=None if recurrence is None else Recurrence(recurrence.rule, recurrence.time_zone),
            on_refusal=OnRefusal(self.on_refusal or OnRefusal.SKIP),
            attempts_max=None if retry is None else retry.attempts,
            retry_seconds=None if retry is None else retry.interval_seconds,
        )


class CancellationRequest(Request):
    """Nothing need be said."""


class RecurrenceResponse(Response):
    """How a payment recurs."""

    rule: Annotated[str, Field(description="As it was given.", examples=[RULE_EXAMPLE])]
    time_zone: Annotated[str, Field(description="As it was given.", examples=[ZONE_EXAMPLE])]


class RetryResponse(Response):
    """How a refused payment is tried again."""

    attempts: Annotated[int, Field(description="In all, the first one too.", examples=[3])]
    interval_seconds: Annotated[int, Field(description="From one to the next.", examples=[3600])]


class ScheduledPaymentResponse(Response):
    """A payment of a later day, and how far it has come."""

    id: Annotated[str, id_field(Prefix.SCHEDULED_PAYMENT, "The scheduled payment.")]
    status: Annotated[
        ScheduleStatusName, Field(description="`completed` once all is over and something was paid, else `failed`.")
    ]
    type: Annotated[PaymentTypeName, Field(description="Of the payments it makes.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountId, Field(alias="from", description="The account that will be debited.")]
    from_code: AnsweredCode
    to: Annotated[AccountId, Field(description="The account that will be credited.")]
    to_code: Annotated[AnsweredCode, Field(examples=["customers:bob"])]
    reference: Annotated[str | None, Field(description="Your own reference, or null.", examples=["rent 7"])]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Rent"])]
    execute_at: Annotated[Time, Field(description="When the first payment is due.")]
    recurrence: Annotated[RecurrenceResponse | None, Field(description="Null: it is made once.")]
    occurrences: Annotated[int, Field(description="How often it falls due in all.", examples=[12])]
    on_refusal: Annotated[OnRefusalName, Field(description="What is done where it is refused.")]
    retry: Annotated[RetryResponse | None, Field(description="Null where it is not tried again.")]
    scheduled_by: Annotated[str, Field(description="Whose payments they will be.", examples=["key_…"])]
    next_at: Annotated[Time | None, Field(description="When it is run next; null once all is over.")]
    payments_made: Annotated[int, Field(description="How many of the occurrences were paid.", examples=[3])]
    runs_made: Annotated[int, Field(description="How often it was run, refusals too.", examples=[4])]
    created_at: Annotated[Time, Field(description="When it was ordered.")]
    ended_at: Annotated[Time | None, Field(description="When the last run or the cancellation was, or null.")]
    metadata: AnsweredMetadata


class RunRefusal(Response):
    """Why a payment was not made, as its caller would have been told."""

    code: Annotated[str, Field(description="Of the refusal.", examples=["insufficient_funds"])]
    detail: Annotated[str, Field(description="For people.", examples=["The account has too little available."])]
    facts: Annotated[dict[str, Any] | None, Field(description="The values that explain it.")] = None


class RunResponse(Response):
    """One attempt at one occurrence."""

    id: Annotated[str, id_field(Prefix.SCHEDULED_RUN, "The run.")]
    number: Annotated[int, Field(description="Of the runs, from 1.", examples=[1])]
    occurrence: Annotated[int, Field(description="Which time of all it was due for, from 1.", examples=[1])]
    attempt: Annotated[int, Field(description="Which try at that, from 1.", examples=[1])]
    due_at: Annotated[Time, Field(description="When that was due.")]
    ran_at: Annotated[Time, Field(description="When it was run.")]
    outcome: Annotated[
        Annotated[str, OneOf(RunOutcome)],
        Field(description="`executed`: paid. `failed`: refused, and tried again if `retry_at` says so."),
    ]
    payment_id: Annotated[str | None, Field(description="What was paid, or null.", examples=["pay_…"])]
    refusal: Annotated[RunRefusal | None, Field(description="Why nothing was paid, or null.")]
    retry_at: Annotated[Time | None, Field(description="When it is tried again, or null.")]


class ScheduledPaymentWithRuns(ScheduledPaymentResponse):
    """A scheduled payment, and what came of it."""

    runs: Annotated[list[RunResponse], Field(description="The newest 100, the newest first.")]


class ScheduledPaymentDryRun(ScheduledPaymentResponse):
    """A scheduled payment as it would be; nothing is paid yet."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the accounts stand.")]


def schedule_body(schedule: RecordedSchedule) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.SCHEDULED_PAYMENT, schedule.id),
        "status": schedule.status,
        "type": schedule.type,
        "amount": render_amount(schedule.amount),
        "currency": schedule.currency,
        "from": render_id(Prefix.ACCOUNT, schedule.payer_id),
        "from_code": schedule.payer_code,
        "to": render_id(Prefix.ACCOUNT, schedule.payee_id),
        "to_code": schedule.payee_code,
        **schedule.texts._asdict(),
        "execute_at": render_time(schedule.execute_at),
        "recurrence": None if schedule.recurrence is None else schedule.recurrence._asdict(),
        "occurrences": schedule.occurrences,
        "on_refusal": schedule.policy.on_refusal,
        "retry": _retry(schedule.policy),
        "scheduled_by": schedule.actor,
        "next_at": None if schedule.next_at is None else render_time(schedule.next_at),
        "payments_made": schedule.payments,
        "runs_made": schedule.runs,
        "created_at": render_time(schedule.created_at),
        "ended_at": None if schedule.ended_at is None else render_time(schedule.ended_at),
        "metadata": dict(schedule.metadata),
    }


def _retry(policy: RefusalPolicy) -> dict[str, int] | None:
    if policy.on_refusal is OnRefusal.SKIP:
        return None
    return {"attempts": policy.attempts_max, "interval_seconds": policy.retry_seconds}


def run_body(run: RecordedRun) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.SCHEDULED_RUN, run.id),
        "number": run.number,
        "occurrence": run.occurrence,
        "attempt": run.attempt,
        "due_at": render_time(run.due_at),
        "ran_at": render_time(run.ran_at),
        "outcome": run.outcome,
        "payment_id": None if run.payment_id is None else render_id(Prefix.PAYMENT, run.payment_id),
        "refusal": run.refusal,
        "retry_at": None if run.retry_at is None else render_time(run.retry_at),
    }
