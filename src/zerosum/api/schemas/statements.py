"""Statements on the wire, in JSON and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from zerosum.api.csv_text import csv_text
from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, PostingResponse, posting_body
from zerosum.api.schemas.fields import AnsweredCode, BalanceAmount, CurrencyCode, OneOf, Response, Time
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount, render_number
from zerosum.services.event_feed import PREFIXES
from zerosum.services.requests.paging import gently
from zerosum.services.statements import COUNTERPARTIES_MAX, Explanation, Statement, StatementLine

EXPLAINED = (
    "cause",
    "resource_type",
    "resource_id",
    "payment_id",
    "network_reason_code",
    "provider_case_id",
    "counter_amount",
    "counter_currency",
    "rate",
    "reverses",
    "template",
    "scheduled_payment_id",
)
"""What a line says besides of the resource that posted it, each in a column of its own."""

CSV_COLUMNS = (
    "line",
    "effective_at",
    "posted_at",
    "journal_entry_id",
    "account_version",
    "side",
    "amount",
    "currency",
    "running_balance",
    "balance_after",
    "held_after",
    "hash",
    "reason",
    "reference",
    "description",
    "counterparty",
    *EXPLAINED,
)
_FREE = (
    "reason", "reference", "description", "counterparty", "cause", "network_reason_code", "provider_case_id", "template"
)  # fmt: skip
"""What callers wrote."""


class StatementLineResponse(PostingResponse):
    """A posting of the account, in the order in which things happened."""

    running_balance: Annotated[
        BalanceAmount,
        Field(description="The posted balance after it in this order; `balance_after` is in the order of writing."),
    ]
    reason: Annotated[str, Field(description="What the journal entry says it is.", examples=["transfer"])]
    reference: Annotated[
        str | None,
        Field(
            description="The payment's, also of its refunds and disputes; the hold's or the exchange's; or null.",
            examples=["invoice 1001"],
        ),
    ]
    description: Annotated[str | None, Field(description="As `reference`.", examples=["Lunch"])]
    counterparty: Annotated[
        str | None,
        Field(
            description=f"The code of the entry's other account; several are joined by `, `, and after "
            f"{COUNTERPARTIES_MAX} an `…` stands for the others. Null where there is no other.",
            examples=["customers:bob"],
        ),
    ]
    cause: Annotated[
        str | None, Field(description="Why a refund or a dispute was made, as it was given, or null.", examples=[None])
    ]
    resource_type: Annotated[str, OneOf(ResourceType), Field(description="What posted it.", examples=["payment"])]
    resource_id: Annotated[
        str,
        Field(
            description="Its id: of a capture the hold's, of a chargeback the dispute's.",
            examples=["hold_01a1fc85-24f4-71bd-af0c-87fa28457778"],
        ),
    ]
    payment_id: Annotated[str | None, Field(description="The payment that it belongs to, or null.", examples=[None])]
    network_reason_code: Annotated[str | None, Field(description="Of a dispute, or null.", examples=["10.4"])]
    provider_case_id: Annotated[str | None, Field(description="Of a dispute, or null.", examples=["case-1"])]
    counter_amount: Annotated[
        BalanceAmount | None, Field(description="Of an exchange: what stood against it in the other currency.")
    ]
    counter_currency: Annotated[CurrencyCode | None, Field(description="The currency of that.")]
    rate: Annotated[
        str | None, Field(description="Of an exchange: bought money for one of what is sold.", examples=["0.92135"])
    ]
    reverses: Annotated[
        str | None, Field(description="The journal entry that it takes back, or null.", examples=[None])
    ]
    template: Annotated[
        str | None, Field(description="The template that it was posted by, with its version.", examples=[None])
    ]
    scheduled_payment_id: Annotated[
        str | None, Field(description="The scheduled payment that made its payment, or null.", examples=[None])
    ]


class StatementResponse(Response):
    """One account over a span of time: opening and lines add up to closing."""

    account_id: AccountId
    code: AnsweredCode
    currency: CurrencyCode
    from_: Annotated[Time, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[Time, Field(description="Does not belong to it.")]
    opening: Annotated[BalanceAmount, Field(description="Posted before it.")]
    lines: Annotated[
        list[StatementLineResponse],
        Field(description="By `effective_at`; 10,000 at most by default."),
    ]
    closing: Annotated[BalanceAmount, Field(description="Posted at its end.")]


async def statement_body(statement: Statement) -> dict[str, Any]:
    return {
        "account_id": statement.account.wire_id,
        "code": statement.account.code,
        "currency": statement.account.currency,
        "from": render_time(statement.start),
        "to": render_time(statement.end),
        "opening": render_amount(statement.opening),
        "lines": await gently(_line_body, statement.lines),
        "closing": render_amount(statement.closing),
    }


def _line_body(line: StatementLine) -> dict[str, Any]:
    return {
        **posting_body(line.posting),
        "running_balance": render_amount(line.running_balance),
        "reason": line.explanation.reason,
        "reference": line.explanation.reference,
        "description": line.explanation.description,
        "counterparty": counterparties_text(line.explanation.counterparties),
        **_explained(line.explanation),
    }


def _explained(said: Explanation) -> dict[str, Any]:
    counter, id_ = said.counter, said.resource_id
    prefix = PREFIXES.get(said.resource_type)
    return {
        "cause": said.cause,
        "resource_type": said.resource_type.value,
        "resource_id": render_id(prefix, id_) if prefix is not None and isinstance(id_, UUID) else str(id_),
        "payment_id": _id(Prefix.PAYMENT, said.payment_id),
        "network_reason_code": said.network_reason_code,
        "provider_case_id": said.provider_case_id,
        "counter_amount": None if counter is None else render_amount(counter.amount),
        "counter_currency": None if counter is None else counter.currency,
        "rate": None if counter is None else render_number(counter.rate),
        "reverses": _id(Prefix.JOURNAL_ENTRY, said.reverses),
        "template": said.template,
        "scheduled_payment_id": _id(Prefix.SCHEDULED_PAYMENT, said.scheduled_payment_id),
    }


def _id(prefix: Prefix, id_: UUID | None) -> str | None:
    return None if id_ is None else render_id(prefix, id_)


def explanation_text(said: Explanation) -> str:
    """What people are told of a line besides its reason, reference and description, in one line; may be empty."""
    told = _explained(said)
    counter = said.counter
    pieces = [
        said.cause,
        said.network_reason_code and f"network reason code {said.network_reason_code}",
        said.provider_case_id and f"case {said.provider_case_id}",
        counter and f"for {told['counter_amount']} {counter.currency} at {told['rate']}",
        said.reverses and f"takes back {told['reverses']}",
        said.template and f"template {said.template}",
        said.scheduled_payment_id and f"scheduled payment {told['scheduled_payment_id']}",
        told["resource_id"] if said.resource_type in _NAMED else None,
        told["payment_id"] if said.payment_id is not None and said.resource_type is not ResourceType.PAYMENT else None,
    ]
    return " · ".join(piece for piece in pieces if piece)


_NAMED = (ResourceType.HOLD, ResourceType.DISPUTE, ResourceType.REFUND, ResourceType.EXCHANGE)


async def statement_csv(statement: Statement, seal: Mapping[str, Any] | None = None) -> str:
    """One row for the opening, one for each line, one for the closing.

    `seal` is what tells an issued statement from a live one: columns of their own, in the opening and the closing.
    """
    body = await statement_body(statement)
    told = dict(seal or {})
    bounds = {"currency": body["currency"], **told}
    rows = [
        {"line": "opening", "effective_at": body["from"], "running_balance": body["opening"], **bounds},
        *({"line": "posting", **line} for line in body["lines"]),
        {"line": "closing", "effective_at": body["to"], "running_balance": body["closing"], **bounds},
    ]
    return await csv_text((*CSV_COLUMNS, *told), rows, free=_FREE)


def counterparties_text(codes: Sequence[str]) -> str | None:
    shown = [*codes[:COUNTERPARTIES_MAX], *(["…"] if len(codes) > COUNTERPARTIES_MAX else [])]
    return ", ".join(shown) or None
