"""Statements on the wire, in JSON and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.csv_text import csv_text
from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, PostingResponse, posting_body
from zerosum.api.schemas.fields import AnsweredCode, BalanceAmount, CurrencyCode, Response, Time
from zerosum.domain.identifiers import render_id
from zerosum.domain.money import render_amount
from zerosum.services.event_feed import PREFIXES
from zerosum.services.requests.paging import gently
from zerosum.services.statements import COUNTERPARTIES_MAX, Explanation, Statement, StatementLine

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
    "resource_id",
)
FREE_COLUMNS = ("reason", "reference", "description", "counterparty")
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
            description="The payment's, also where it is given back or disputed; of an exchange its own. Or null.",
            examples=["invoice 1001"],
        ),
    ]
    description: Annotated[
        str | None,
        Field(
            description="The payment's; of a refund or a dispute why, of an exchange also the rate. Or null.",
            examples=["Lunch"],
        ),
    ]
    counterparty: Annotated[
        str | None,
        Field(
            description=f"The code of the entry's other account; several are joined by `, `, and after "
            f"{COUNTERPARTIES_MAX} an `…` stands for the others. Null where there is no other.",
            examples=["customers:bob"],
        ),
    ]
    resource_id: Annotated[
        str | None,
        Field(
            description="What it was posted for: a payment, refund, dispute, exchange, hold, or the journal entry "
            "itself. Null for a client's transaction.",
            examples=["pay_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"],
        ),
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
        "resource_id": _resource_id(line.explanation),
    }


def _resource_id(said: Explanation) -> str | None:
    prefix = PREFIXES.get(said.resource_type)
    return None if prefix is None or said.resource_id is None else render_id(prefix, said.resource_id)


async def statement_csv(statement: Statement) -> str:
    return await csv_text(CSV_COLUMNS, await csv_rows(statement), free=FREE_COLUMNS)


async def csv_rows(statement: Statement) -> list[dict[str, Any]]:
    """One for the opening, one for each line, one for the closing."""
    body = await statement_body(statement)
    bounds = {"currency": body["currency"]}
    return [
        {"line": "opening", "effective_at": body["from"], "running_balance": body["opening"], **bounds},
        *({"line": "posting", **line} for line in body["lines"]),
        {"line": "closing", "effective_at": body["to"], "running_balance": body["closing"], **bounds},
    ]


def counterparties_text(codes: Sequence[str]) -> str | None:
    shown = [*codes[:COUNTERPARTIES_MAX], *(["…"] if len(codes) > COUNTERPARTIES_MAX else [])]
    return ", ".join(shown) or None
