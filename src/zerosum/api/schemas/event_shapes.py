"""What each type of event has in `data`, as a schema. Members are added, never renamed or taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from zerosum.api.schemas.clients import TransactionMadeResponse
from zerosum.api.schemas.events import EventResponse
from zerosum.api.schemas.exchanges import ExchangeResponse
from zerosum.api.schemas.fields import BalanceAmount, OneOf, Response, Time
from zerosum.api.schemas.journal import JournalEntryResponse
from zerosum.api.schemas.payments import PaymentResponse
from zerosum.api.schemas.reviews import DecisionResponse
from zerosum.api.schemas.subjects import ErasedResponse
from zerosum.api.schemas.webhooks import WebhookEndpointResponse
from zerosum.domain.events import EventType
from zerosum.domain.ledger.account import AccountStatus, AccountType
from zerosum.domain.payments.disputes import DisputeStage, DisputeStatus
from zerosum.domain.payments.holds import HoldStatus
from zerosum.domain.payments.payment import PaymentStatus, PaymentType
from zerosum.domain.payments.processor_calls import MoveReason
from zerosum.domain.payments.reviews import ReviewStatus
from zerosum.domain.payments.schedules import ScheduleStatus

Id = Annotated[str, Field(description="An id, with its prefix.", pattern=r"^[a-z]{2,5}_[0-9a-f-]{36}$")]
Hash = Annotated[str, Field(description="SHA-256 in hexadecimal.", pattern="^([0-9a-f]{32}|[0-9a-f]{64})$")]


class AccountTold(Response):
    """What is said about an account, and not what is in it."""

    code: str
    name: str | None
    type: Annotated[str, OneOf(AccountType)]
    currency: str
    status: Annotated[str, OneOf(AccountStatus)]
    min_available: str | None
    max_available: str | None
    velocity_limits: list[dict[str, Any]]
    metadata: dict[str, str]
    version: int


class DebtTold(Response):
    """What an account has available, and what it lacks."""

    currency: str
    available: BalanceAmount
    debt: BalanceAmount


class ProcessingPaymentTold(PaymentResponse):
    """A payment that a processor is asked for."""

    approved: BalanceAmount | None = Field()
    failure_reason: str | None = Field()
    processor_payment_id: str | None = Field()


class SettledPaymentTold(Response):
    """A payment by an outside processor, as it was settled."""

    id: Id
    type: Annotated[str, OneOf(PaymentType)]
    status: Annotated[str, OneOf(PaymentStatus)]
    amount: BalanceAmount
    approved: BalanceAmount | None
    currency: str
    from_: Annotated[Id, Field(alias="from")]
    to: Id
    reference: str | None
    description: str | None
    processor: str
    processor_payment_id: str | None
    failure_reason: str | None
    journal_entry_ids: list[Id]
    created_at: Time
    metadata: dict[str, str]


class MovedPaymentTold(SettledPaymentTold):
    """A payment that the next processor of its route is asked for now."""

    left: str
    why: Annotated[str, OneOf(MoveReason)]
    told: str | None


class RefundTold(Response):
    """A refund, and the payment as it left it."""

    refund: Id
    amount: BalanceAmount
    currency: str
    reason: str | None
    payment_status: Annotated[str, OneOf(PaymentStatus)]
    payment_refunded: BalanceAmount
    journal_entry_ids: list[Id]
    metadata: dict[str, str]


class AskedRefundTold(RefundTold):
    """A refund that an outside processor is asked for, or has answered."""

    processor: str
    processor_refund_id: str | None
    failure_reason: str | None


class HoldTold(Response):
    """A hold after it."""

    status: Annotated[str, OneOf(HoldStatus)]
    amount: BalanceAmount
    captured: BalanceAmount
    remaining: BalanceAmount
    capture_max: BalanceAmount | None
    currency: str
    from_: Annotated[Id, Field(alias="from")]
    to: Id
    reference: str | None
    description: str | None
    expires_at: Time
    journal_entry_ids: list[Id]
    payment_ids: list[Id]
    created_at: Time
    metadata: dict[str, str]


class EvidenceTold(Response):
    """A piece of evidence."""

    text: str
    added_at: Time


class DisputeTold(Response):
    """A dispute after it."""

    payment_id: Id
    status: Annotated[str, OneOf(DisputeStatus)]
    stage: Annotated[str, OneOf(DisputeStage)]
    amount: BalanceAmount
    currency: str
    reason: str
    network_reason_code: str | None = None
    provider_case_id: str | None = None
    respond_by: Time | None = None
    evidence: list[EvidenceTold]
    note: str | None
    fee: BalanceAmount | None
    fee_account_id: Id | None
    journal_entry_ids: list[Id]


class ScheduleTold(Response):
    """A scheduled payment."""

    status: Annotated[str, OneOf(ScheduleStatus)]
    type: Annotated[str, OneOf(PaymentType)]
    amount: BalanceAmount
    currency: str
    occurrences: int | None
    payments: int
    actor: str
    due_at: Time


class RunTold(ScheduleTold):
    """A scheduled payment after a run: what was paid, or why not."""

    run_id: Id
    occurrence: int
    attempt: int
    payment_id: Id | None
    refusal: dict[str, Any] | None


class GroupTold(Response):
    """A version of a group of accounts; deleted, it has no content."""

    name: str
    version: int
    content: dict[str, Any] | None


class ReviewTold(Response):
    """A payment that a rule has held for review, as the review is now."""

    status: Annotated[str, OneOf(ReviewStatus)]
    type: Annotated[str, OneOf(PaymentType)]
    amount: BalanceAmount
    currency: str
    from_: Annotated[Id, Field(alias="from")]
    to: Id
    reference: str | None
    description: str | None
    metadata: dict[str, str]
    rule: str
    rules_version: str
    detail: str
    made_by: str
    approvals_needed: int
    approvals: int
    first_approval: DecisionResponse | None
    decision: DecisionResponse | None
    payment_id: Id | None


class PeriodTold(Response):
    """A closed period and its seal."""

    period: str
    number: int
    time_zone: str
    starts_at: Time
    ends_at: Time
    accounts: int
    totals: Any
    hash: Hash


class StatementTold(Response):
    """An issued statement."""

    account_id: Id
    number: int
    hash: Hash


class TemplateTold(Response):
    """A version of a template."""

    name: str
    version: int
    actor: str
    hash: Hash


class HouseRulesTold(Response):
    """The house rules."""

    version: int
    over_capture: Any
    dispute_fees: dict[str, Any]


_OF_KINDS: Mapping[str, tuple[type[BaseModel], ...]] = {
    "journal_entry": (JournalEntryResponse,),
    "payment": (PaymentResponse, SettledPaymentTold),
    "exchange": (ExchangeResponse,),
    "client_transaction": (TransactionMadeResponse,),
    "dispute": (DisputeTold,),
    "hold": (HoldTold,),
    "scheduled_payment": (ScheduleTold,),
    "account": (AccountTold,),
    "account_group": (GroupTold,),
    "period": (PeriodTold,),
    "statement": (StatementTold,),
    "template": (TemplateTold,),
    "house_rules": (HouseRulesTold,),
    "subject": (ErasedResponse,),
    "webhook_endpoint": (WebhookEndpointResponse,),
}
"""By what stands before the dot of a type. Where there are two, one of them."""

_OF_TYPES: Mapping[EventType, tuple[type[BaseModel], ...]] = {
    EventType.ACCOUNT_FELL_INTO_DEBT: (DebtTold,),
    EventType.ACCOUNT_LEFT_DEBT: (DebtTold,),
    EventType.SCHEDULED_PAYMENT_EXECUTED: (RunTold,),
    EventType.SCHEDULED_PAYMENT_FAILED: (RunTold,),
    EventType.SCHEDULED_PAYMENT_SKIPPED: (RunTold,),
    EventType.PAYMENT_PROCESSING: (ProcessingPaymentTold,),
    EventType.PAYMENT_MOVED: (MovedPaymentTold,),
    EventType.PAYMENT_FAILED: (SettledPaymentTold,),
    EventType.PAYMENT_REFUNDED: (RefundTold, AskedRefundTold),
    EventType.PAYMENT_REFUND_PROCESSING: (AskedRefundTold,),
    EventType.PAYMENT_REFUND_FAILED: (AskedRefundTold,),
    EventType.PAYMENT_IN_REVIEW: (ReviewTold,),
    EventType.PAYMENT_REVIEW_APPROVED: (ReviewTold,),
    EventType.PAYMENT_REFUSED: (ReviewTold,),
}


def shapes_of(type_: EventType) -> tuple[type[BaseModel], ...]:
    return _OF_TYPES.get(type_) or _OF_KINDS[type_.value.partition(".")[0]]


def members_of(types: Collection[str]) -> frozenset[str]:
    """What events of some types may have in `data`."""
    return frozenset(
        field.alias or name
        for type_ in types
        for model in shapes_of(EventType(type_))
        for name, field in model.model_fields.items()
    )


def event_schemas() -> dict[str, Any]:
    """JSON Schema of every event: `$defs` has one for each type, by its name."""
    models = {model for type_ in EventType for model in shapes_of(type_)} | {EventResponse}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, shared = models_json_schema([(model, "serialization") for model in ordered], ref_template="#/$defs/{model}")
    defs: dict[str, Any] = dict(sorted(shared["$defs"].items()))
    defs |= {type_.value: _event_schema(type_) for type_ in EventType}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of Zerosum",
        "oneOf": [{"$ref": f"#/$defs/{type_.value}"} for type_ in EventType],
        "$defs": defs,
    }


def _event_schema(type_: EventType) -> dict[str, Any]:
    told = [{"$ref": f"#/$defs/{model.__name__}"} for model in shapes_of(type_)]
    shape = told[0] if len(told) == 1 else {"anyOf": told}
    properties = {"type": {"const": type_.value}, "data": shape}
    return {"$ref": "#/$defs/EventResponse", "properties": properties}
