"""Statements on the wire, in JSON and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.csv_text import csv_text
from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, PostingResponse, posting_body
from zerosum.api.schemas.fields import AnsweredCode, BalanceAmount, CurrencyCode, Response, Time
from zerosum.domain.money import render_amount
from zerosum.services.requests.paging import gently
from zerosum.services.statements import COUNTERPARTIES_MAX, Statement, StatementLine

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
)
_FREE = ("reason", "reference", "description", "counterparty")
"""What callers wrote."""


class StatementLineResponse(PostingResponse):
    """A posting of the account, in the order in which things happened."""

    running_balance: Annotated[
        BalanceAmount,
        Field(description="The posted balance after it in this order; `balance_after` is in the order of writing."),
    ]
    reason: Annotated[str, Field(description="What the journal entry says it is.", examples=["transfer"])]
    reference: Annotated[str | None, Field(description="The payment's, or null.", examples=["invoice 1001"])]
    description: Annotated[str | None, Field(description="The payment's, or null.", examples=["Lunch"])]
    counterparty: Annotated[
        str | None,
        Field(
            description=f"The code of the entry's other account; several are joined by `, `, and after "
            f"{COUNTERPARTIES_MAX} an `…` stands for the others. Null where there is no other.",
            examples=["customers:bob"],
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
    }


async def statement_csv(statement: Statement) -> str:
    """One row for the opening, one for each line, one for the closing."""
    body = await statement_body(statement)
    bounds = {"currency": body["currency"]}
    rows = [
        {"line": "opening", "effective_at": body["from"], "running_balance": body["opening"], **bounds},
        *({"line": "posting", **line} for line in body["lines"]),
        {"line": "closing", "effective_at": body["to"], "running_balance": body["closing"], **bounds},
    ]
    return await csv_text(CSV_COLUMNS, rows, free=_FREE)


def counterparties_text(codes: Sequence[str]) -> str | None:
    shown = [*codes[:COUNTERPARTIES_MAX], *(["…"] if len(codes) > COUNTERPARTIES_MAX else [])]
    return ", ".join(shown) or None
