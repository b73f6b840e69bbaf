"""Payments on the wire."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import BalancesAfter, DryRunBalance
from zerosum.api.schemas.conditions import GivenConditions, condition_orders
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    BalanceAmount,
    ClosedPeriodOverride,
    CurrencyCode,
    GivenMetadata,
    ItemKey,
    Moment,
    OneOf,
    Reason,
    Request,
    Response,
    Text,
    Time,
    id_field,
    null,
)
from zerosum.api.schemas.late_dates import LateDate, late_body
from zerosum.api.schemas.splits import SplitResponse, Splits, split_orders, splits_body, splits_of_outside
from zerosum.api.schemas.subjects import GivenPersonal, personal_order
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import (
    INTERNAL_PROCESSOR,
    PROCESSOR_PATTERN_TEXT,
    PaymentStatus,
    PaymentTexts,
    PaymentType,
)
from zerosum.services.payments import PaymentOrder, RecordedPayment
from zerosum.services.refunds import RecordedRefund, RecordedSettlement, RefundOrder, RefundStatus

PaymentTypeName = Annotated[str, OneOf(PaymentType)]
PaymentStatusName = Annotated[str, OneOf(PaymentStatus)]

_TEXTS_OF = attrgetter(*PaymentTexts._fields)
_TYPES = {type_.value: type_ for type_ in PaymentType}


class PaymentRequest(Request):
    """A transfer names both accounts, a deposit only `to`, a withdrawal only `from`."""

    type: Annotated[PaymentTypeName, Field(description="Between two accounts, into the ledger, or out of it.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountReference | None, Field(alias="from", description="The account that pays.")] = None
    to: Annotated[AccountReference | None, Field(description="The account that receives.")] = None
    reference: Annotated[Text | None, Field(description="Your own reference.", examples=["invoice 1001"])] = None
    description: Annotated[Text | None, Field(description="For people.", examples=["Lunch"])] = None
    effective_at: Annotated[
        Moment | None,
        Field(
            description="When it happened in the world; by default when it is posted. Not before 1970, and at most "
            "five minutes ahead of the service's clock."
        ),
    ] = None
    metadata: GivenMetadata = None
    splits: Splits | None = None
    override_closed_period: Annotated[
        ClosedPeriodOverride | None,
        Field(description="Where `effective_at` may lie in a closed period. Needs the scope `admin` too."),
    ] = None
    conditions: GivenConditions = None
    processor: Annotated[
        Annotated[str, Field(pattern=PROCESSOR_PATTERN_TEXT)] | None,
        Field(
            description="Who carries out a deposit or withdrawal. By default `internal`, which settles at once; by "
            "another the payment is `processing` until that has said what became of it.",
            examples=["internal"],
        ),
    ] = None
    personal: GivenPersonal = None

    def order(self, idempotency_key: str) -> PaymentOrder:
        return PaymentOrder(
            idempotency_key=idempotency_key,
            type=_TYPES[self.type],
            amount=self.amount,
            currency=self.currency,
            payer=self.from_,
            payee=self.to,
            texts=PaymentTexts._make(_TEXTS_OF(self)),
            effective_at=self.effective_at,
            metadata=self.metadata or {},
            splits=split_orders(self.splits) if self.splits else (),
            override_closed_period=None if self.override_closed_period is None else self.override_closed_period.reason,
            conditions=condition_orders(self.conditions) if self.conditions else (),
            processor=self.processor or INTERNAL_PROCESSOR,
            personal=personal_order(self.personal),
        )


class PaymentItem(PaymentRequest):
    """One payment of a bulk call."""

    idempotency_key: ItemKey


class PaymentResponse(Response):
    """A payment, with the accounts it went between; one of them may be the processor's clearing account."""

    id: Annotated[str, id_field(Prefix.PAYMENT, "The payment.")]
    type: Annotated[PaymentTypeName, Field(description="As it was asked for.")]
    status: Annotated[PaymentStatusName, Field(description="What has become of it.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountId, Field(alias="from", description="The account that was debited.")]
    from_code: AnsweredCode
    to: Annotated[AccountId, Field(description="The account that was credited.")]
    to_code: Annotated[AnsweredCode, Field(examples=["customers:bob"])]
    reference: Annotated[str | None, Field(description="Your own reference, or null.", examples=["invoice 1001"])]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Lunch"])]
    processor: Annotated[
        str, Field(description="Who carries it out; `internal` settles at once.", examples=["internal"])
    ]
    refunded: Annotated[BalanceAmount, Field(description="How much of it was given back.", examples=["0.00"])]
    disputed: Annotated[BalanceAmount, Field(description="How much of it is in dispute.", examples=["0.00"])]
    journal_entry_ids: Annotated[
        list[str],
        Field(description="What it posted: the entry that began it first.", examples=[[f"je_{EXAMPLE_UUID}"]]),
    ]
    account_versions: Annotated[
        dict[str, int],
        Field(
            description="The version each account has reached by it: for `min_version`.",
            examples=[{f"acc_{EXAMPLE_UUID}": 1}],
        ),
    ]
    effective_at: Annotated[Time, Field(description="When it happened in the world.")]
    created_at: Annotated[Time, Field(description="When it was written.")]
    metadata: AnsweredMetadata
    splits: Annotated[
        list[SplitResponse] | None, Field(description="Of a payment with splits: what each receiver got.")
    ] = None
    late: Annotated[LateDate | None, Field(description="Only of a payment that was dated into a closed period.")] = None
    approved: Annotated[
        Amount | None,
        Field(
            description="Of one through an outside processor: how much that has carried out, or null.",
            examples=["20.00"],
        ),
    ] = Field(default_factory=null)
    failure_reason: Annotated[
        str | None,
        Field(description="Of one that has failed: the processor's code for why.", examples=["no_such_iban"]),
    ] = Field(default_factory=null)
    processor_payment_id: Annotated[
        str | None, Field(description="How an outside processor calls it, once that is known.", examples=["po_71"])
    ] = Field(default_factory=null)
    charged_back: Annotated[
        Amount | None,
        Field(description="Only where there is any: how much of it lost disputes have taken.", examples=["50.00"]),
    ] = None
    refunding: Annotated[
        BalanceAmount | None,
        Field(
            description="Of one through an outside processor: how much that is asked to give back.", examples=["0.00"]
        ),
    ] = None
    balances: BalancesAfter = None


class RefundRequest(Request):
    """How much is given back."""

    amount: Annotated[Amount | None, Field(description="All that is left of the payment where nothing is said.")] = None
    reason: Annotated[Reason | None, Field(description="Why.", examples=["Returned"])] = None
    metadata: GivenMetadata = None

    def order(self, idempotency_key: str, payment_id: UUID) -> RefundOrder:
        return RefundOrder(
            idempotency_key=idempotency_key,
            payment_id=payment_id,
            amount=self.amount,
            reason=self.reason,
            metadata=self.metadata or {},
        )


class RefundResponse(Response):
    """Money of a payment that was given back."""

    id: Annotated[str, id_field(Prefix.REFUND, "The refund.")]
    payment_id: Annotated[str, id_field(Prefix.PAYMENT, "The payment.")]
    amount: Amount
    currency: CurrencyCode
    status: Annotated[str, OneOf(RefundStatus), Field(description="How far it has come.", examples=["succeeded"])]
    reason: Annotated[str | None, Field(description="Why, or null.", examples=["Returned"])]
    journal_entry_ids: Annotated[list[str], Field(description="What it has posted.", examples=[[f"je_{EXAMPLE_UUID}"]])]
    account_versions: Annotated[
        dict[str, int],
        Field(
            description="The version each account has reached by it: for `min_version`.",
            examples=[{f"acc_{EXAMPLE_UUID}": 1}],
        ),
    ]
    created_at: Annotated[Time, Field(description="When it was written.")]
    metadata: AnsweredMetadata
    approved: Annotated[
        Amount | None,
        Field(description="Of one through an outside processor: how much that has given back, or null."),
    ] = Field(default_factory=null)
    failure_reason: Annotated[
        str | None, Field(description="Of one that has failed: the processor's code for why.", examples=["too_late"])
    ] = Field(default_factory=null)
    processor_refund_id: Annotated[
        str | None, Field(description="How an outside processor calls it, once that is known.", examples=["re_71"])
    ] = Field(default_factory=null)
    balances: BalancesAfter = None


class RefundDryRun(RefundResponse):
    """A refund as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def refund_body(refund: RecordedRefund) -> dict[str, Any]:
    said = refund.settlement
    # The entry that began it bears the same UUID.
    entry_ids = (refund.id,) if said is None else (refund.id, said.entry_id)
    body = {
        "id": render_id(Prefix.REFUND, refund.id),
        "payment_id": render_id(Prefix.PAYMENT, refund.payment_id),
        "amount": render_amount(refund.amount),
        "currency": refund.currency,
        "status": refund.status,
        "reason": refund.reason,
        "journal_entry_ids": [render_id(Prefix.JOURNAL_ENTRY, entry_id) for entry_id in entry_ids],
        "account_versions": {
            render_id(Prefix.ACCOUNT, account_id): version for account_id, version in refund.account_versions.items()
        },
        "created_at": render_time(refund.created_at),
        "metadata": dict(refund.metadata),
    }
    if said is not None or refund.status is RefundStatus.PROCESSING:
        told = _told_by_processor(said)
        body |= {"processor_refund_id": told.pop("processor_payment_id"), **told}
    return body


class PaymentDryRun(PaymentResponse):
    """A payment as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def payment_body(payment: RecordedPayment) -> dict[str, Any]:
    id_text = str(payment.id)
    created_at = render_time(payment.created_at)
    is_now = payment.effective_at is payment.created_at
    none = render_amount(payment.amount - payment.amount)
    further = [f"je_{entry_id}" for entry_id in payment.further_ids]
    body = {
        "id": f"pay_{id_text}",
        "type": payment.type,
        "status": payment.status,
        "amount": render_amount(payment.amount),
        "currency": payment.currency,
        "from": render_id(Prefix.ACCOUNT, payment.payer_id),
        "from_code": payment.payer_code,
        "to": render_id(Prefix.ACCOUNT, payment.payee_id),
        "to_code": payment.payee_code,
        **payment.texts._asdict(),
        "processor": payment.processor,
        "refunded": none if payment.refunded is None else render_amount(payment.refunded),
        "disputed": none if payment.disputed is None else render_amount(payment.disputed),
        # The entry that began the payment bears the same UUID.
        "journal_entry_ids": [f"je_{id_text}", *further],
        "account_versions": {
            render_id(Prefix.ACCOUNT, account_id): version for account_id, version in payment.account_versions.items()
        },
        "effective_at": created_at if is_now else render_time(payment.effective_at),
        "created_at": created_at,
        "metadata": dict(payment.metadata),
    }
    if payment.charged_back is not None:
        body["charged_back"] = render_amount(payment.charged_back)
    if payment.splits:
        body["splits"] = splits_body(payment.splits)
    if payment.late is not None:
        body["late"] = late_body(payment.late)
    if payment.processor != INTERNAL_PROCESSOR:
        if payment.splits:
            is_approved = payment.settlement is not None and payment.settlement.approved is not None
            body["splits"] = splits_of_outside(payment.splits, is_approved=is_approved)
        body |= _told_by_processor(payment.settlement)
        body["refunding"] = none if payment.refunding is None else render_amount(payment.refunding)
    return body


def _told_by_processor(said: RecordedSettlement | None) -> dict[str, Any]:
    """What a processor has said, as far as it has."""
    approved = None if said is None or said.approved is None else render_amount(said.approved)
    return {
        "approved": approved,
        "failure_reason": None if said is None or approved is not None else said.reason,
        "processor_payment_id": None if said is None else said.processor_payment_id,
    }
