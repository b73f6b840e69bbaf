"""Holds on the wire."""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import BalancesAfter, DryRunBalance
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    BalanceAmount,
    CurrencyCode,
    GivenMetadata,
    ItemKey,
    Moment,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.splits import Splits, split_orders
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, parse_id, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.holds import LASTS_BY_DEFAULT, LASTS_MAX, HoldStatus, HoldVerb
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.holds import HoldChangeOrder, HoldOrder, RecordedHold

HoldStatusName = Annotated[str, OneOf(HoldStatus)]

_TEXTS_OF = attrgetter(*PaymentTexts._fields)


class HoldRequest(Request):
    """Money of one account that is promised to another."""

    from_: Annotated[AccountReference, Field(alias="from", description="The account whose money is held.")]
    to: Annotated[AccountReference, Field(description="The account that is paid when it is captured.")]
    amount: Amount
    currency: CurrencyCode
    expires_at: Annotated[
        Moment | None,
        Field(
            description=f"When what is left is set free: {LASTS_BY_DEFAULT.days} days from now where nothing is said, "
            f"at least a second and at most {LASTS_MAX.days} days ahead."
        ),
    ] = None
    capture_max: Annotated[
        Amount | None,
        Field(
            description="What may be captured in all, where that may be more than is held (a tip). What goes beyond "
            "the hold must be available when it is captured. Where nothing is said the house rules decide."
        ),
    ] = None
    reference: Annotated[Text | None, Field(description="Your own reference.", examples=["booking 1001"])] = None
    description: Annotated[Text | None, Field(description="For people.", examples=["Two nights"])] = None
    metadata: GivenMetadata = None

    def order(self, idempotency_key: str) -> HoldOrder:
        return HoldOrder(
            idempotency_key=idempotency_key,
            amount=self.amount,
            currency=self.currency,
            payer=self.from_,
            payee=self.to,
            expires_at=self.expires_at,
            capture_max=self.capture_max,
            texts=PaymentTexts._make(_TEXTS_OF(self)),
            metadata=self.metadata or {},
        )


class CaptureRequest(Request):
    """How much of it is paid."""

    amount: Annotated[Amount | None, Field(description="All that remains where nothing is said.")] = None
    final: Annotated[
        bool | None,
        Field(description="True: what is left is set free. So it is anyway where no amount is given or none is left."),
    ] = None
    splits: Splits | None = None

    def order(self, idempotency_key: str, hold_id: UUID) -> HoldChangeOrder:
        return HoldChangeOrder(
            idempotency_key=idempotency_key,
            hold_id=hold_id,
            verb=HoldVerb.CAPTURED,
            amount=self.amount,
            is_final=bool(self.final),
            splits=split_orders(self.splits),
        )


class IncrementRequest(Request):
    """How much more is held."""

    amount: Amount

    def order(self, idempotency_key: str, hold_id: UUID) -> HoldChangeOrder:
        return HoldChangeOrder(
            idempotency_key=idempotency_key, hold_id=hold_id, verb=HoldVerb.INCREMENTED, amount=self.amount
        )


class ExtendRequest(Request):
    """How long it lasts."""

    expires_at: Annotated[
        Moment, Field(description=f"Not before the time at which it ends now; at most {LASTS_MAX.days} days ahead.")
    ]

    def order(self, idempotency_key: str, hold_id: UUID) -> HoldChangeOrder:
        return HoldChangeOrder(
            idempotency_key=idempotency_key, hold_id=hold_id, verb=HoldVerb.EXTENDED, expires_at=self.expires_at
        )


class VoidRequest(Request):
    """Nothing need be said."""

    def order(self, idempotency_key: str, hold_id: UUID) -> HoldChangeOrder:
        return HoldChangeOrder(idempotency_key=idempotency_key, hold_id=hold_id, verb=HoldVerb.VOIDED)


class ResolutionName(StrEnum):
    CAPTURE = "capture"
    VOID = "void"


class HoldResolutionItem(Request):
    """What is to become of one hold."""

    hold: Annotated[
        str,
        Field(
            description="The hold.",
            examples=[f"hold_{EXAMPLE_UUID}"],
            json_schema_extra={"pattern": f"^hold_{ID_PATTERN_TEXT}$"},
        ),
    ]
    action: Annotated[Annotated[str, OneOf(ResolutionName)], Field(description="What is done with it.")]
    amount: Annotated[Amount | None, Field(description="Of a capture: all that remains where nothing is said.")] = None
    final: Annotated[bool | None, Field(description="Of a capture: true sets free what is left.")] = None
    splits: Splits | None = None
    idempotency_key: ItemKey

    def order(self, idempotency_key: str) -> HoldChangeOrder:
        """Raises InvalidId, ValidationFailed."""
        is_capture = self.action == ResolutionName.CAPTURE
        for name in ("amount", "final", "splits"):
            if not is_capture and getattr(self, name) is not None:
                raise ValidationFailed("Only a capture has this.", pointer=f"/{name}")
        return HoldChangeOrder(
            idempotency_key=idempotency_key,
            hold_id=parse_id(Prefix.HOLD, self.hold),
            verb=HoldVerb.CAPTURED if is_capture else HoldVerb.VOIDED,
            amount=self.amount,
            is_final=bool(self.final),
            splits=split_orders(self.splits),
        )


class HoldResponse(Response):
    """A hold: what of it is paid, what is still held."""

    id: Annotated[str, id_field(Prefix.HOLD, "The hold.")]
    status: Annotated[HoldStatusName, Field(description="What has become of it.")]
    amount: Annotated[Amount, Field(description="All that was held, with what was added later.")]
    captured: Annotated[BalanceAmount, Field(description="What of it was paid.", examples=["0.00"])]
    remaining: Annotated[BalanceAmount, Field(description="What is still held.")]
    capture_max: Annotated[Amount | None, Field(description="What may be captured in all; null: no more than is held.")]
    house_rules: Annotated[
        int | None,
        Field(
            description="The version of the house rules by which more may be captured, or null.",
            examples=[None],
        ),
    ]
    currency: CurrencyCode
    from_: Annotated[AccountId, Field(alias="from", description="The account whose money is held.")]
    from_code: AnsweredCode
    to: Annotated[AccountId, Field(description="The account that is paid.")]
    to_code: Annotated[AnsweredCode, Field(examples=["merchants:hotel"])]
    reference: Annotated[str | None, Field(description="Your own reference, or null.", examples=["booking 1001"])]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Two nights"])]
    expires_at: Annotated[Time, Field(description="When what is left is set free.")]
    created_at: Annotated[Time, Field(description="When it was placed.")]
    journal_entry_ids: Annotated[
        list[str], Field(description="What it has posted, the oldest first.", examples=[[f"je_{EXAMPLE_UUID}"]])
    ]
    payment_ids: Annotated[
        list[str],
        Field(description="What its captures have paid: payments, which can be refunded.", examples=[[]]),
    ]
    account_versions: Annotated[
        dict[str, int] | None,
        Field(
            description="In answers to what posts: the version each account has reached by it, for `min_version`.",
            examples=[{f"acc_{EXAMPLE_UUID}": 1}],
        ),
    ] = None
    metadata: AnsweredMetadata
    balances: BalancesAfter = None


class HoldDryRun(HoldResponse):
    """A hold as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def hold_body(hold: RecordedHold) -> dict[str, Any]:
    body = {
        "id": render_id(Prefix.HOLD, hold.id),
        "status": hold.status,
        "amount": render_amount(hold.amount),
        "captured": render_amount(hold.captured),
        "remaining": render_amount(hold.remaining),
        "capture_max": None if hold.capture_max is None else render_amount(hold.capture_max),
        "house_rules": hold.house_rules,
        "currency": hold.currency,
        "from": render_id(Prefix.ACCOUNT, hold.payer_id),
        "from_code": hold.payer_code,
        "to": render_id(Prefix.ACCOUNT, hold.payee_id),
        "to_code": hold.payee_code,
        **hold.texts._asdict(),
        "expires_at": render_time(hold.expires_at),
        "created_at": render_time(hold.created_at),
        "journal_entry_ids": [render_id(Prefix.JOURNAL_ENTRY, entry_id) for entry_id in hold.entry_ids],
        "payment_ids": [render_id(Prefix.PAYMENT, payment_id) for payment_id in hold.payment_ids],
    }
    if hold.account_versions is not None:
        body["account_versions"] = {
            render_id(Prefix.ACCOUNT, account_id): version for account_id, version in hold.account_versions.items()
        }
    body["metadata"] = dict(hold.metadata)
    return body
