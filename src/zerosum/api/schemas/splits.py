"""Splits on the wire: of payments, and of captures of holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.schemas.fields import (
    AccountReference,
    Amount,
    AnsweredCode,
    BalanceAmount,
    Request,
    Response,
    id_field,
    null,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import PERCENT_PATTERN_TEXT, render_amount
from zerosum.domain.payments.splits import SPLITS_MAX, SplitRule
from zerosum.services.payments import RecordedSplit
from zerosum.services.requests.splits import SplitOrder

Percent = Annotated[
    str,
    Field(
        description="Of the whole amount: above 0, at most 100, with up to six places.",
        examples=["2.9"],
        json_schema_extra={"pattern": PERCENT_PATTERN_TEXT},
    ),
]


class SplitRequest(Request):
    """Who gets which part. Exactly one of `percent`, `amount` and `remainder` is said."""

    to: Annotated[AccountReference, Field(description="The account that receives it.", examples=["platform:fees"])]
    percent: Percent | None = None
    amount: Annotated[Amount | None, Field(description="A fixed part.", examples=["0.30"])] = None
    remainder: Annotated[
        bool | None, Field(description="True: what the others leave. Without it that is the payee's.", examples=[False])
    ] = None

    def order(self) -> SplitOrder:
        return SplitOrder(self.to, self.percent, self.amount, bool(self.remainder))


Splits = Annotated[
    list[SplitRequest],
    Field(
        description="Who gets a part of it. Percentages are of the whole amount; parts are rounded by the largest "
        "remainder, so that they come to exactly the whole.",
        max_length=SPLITS_MAX,
        examples=[[{"to": "platform:fees", "percent": "2.9"}]],
    ),
]


class SplitResponse(Response):
    """What one receiver got. All of them come to the whole amount."""

    to: Annotated[str, id_field(Prefix.ACCOUNT, "The account that was credited.")]
    to_code: Annotated[AnsweredCode, Field(examples=["platform:fees"])]
    percent: Annotated[str | None, Field(description="The percentage that was asked for.", examples=["2.9"])]
    fixed: Annotated[str | None, Field(description="The fixed part that was asked for.", examples=[None])]
    remainder: Annotated[bool, Field(description="Whether it takes what the others leave.", examples=[False])]
    amount: Annotated[
        BalanceAmount,
        Field(
            description="What it gets of the whole; it may be nothing. Nothing is paid before the payment succeeds.",
            examples=["0.29"],
        ),
    ]
    refunded: Annotated[BalanceAmount, Field(description="What of it was given back.", examples=["0.00"])]
    approved: Annotated[
        BalanceAmount | None,
        Field(
            description="Of a payment through an outside processor: what it got of what that has carried out, or null.",
            examples=["0.29"],
        ),
    ] = Field(default_factory=null)


def split_orders(splits: Sequence[SplitRequest] | None) -> Sequence[SplitOrder]:
    return [split.order() for split in splits] if splits else ()


def splits_of_outside(splits: Sequence[RecordedSplit], *, is_approved: bool) -> list[dict[str, Any]]:
    """Of a payment through an outside processor, with what each got of what that has carried out."""
    return [
        {**body, "approved": render_amount(split.paid) if is_approved else None}
        for body, split in zip(splits_body(splits), splits, strict=True)
    ]


def splits_body(splits: Sequence[RecordedSplit]) -> list[dict[str, Any]]:
    return [
        {
            "to": render_id(Prefix.ACCOUNT, split.account_id),
            "to_code": split.code,
            "percent": split.value if split.rule is SplitRule.PERCENT else None,
            "fixed": split.value if split.rule is SplitRule.AMOUNT else None,
            "remainder": split.value is None,
            "amount": render_amount(split.amount),
            "refunded": render_amount(split.amount - split.amount if split.refunded is None else split.refunded),
        }
        for split in splits
    ]
