"""Statements on the wire, in JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, PostingResponse, posting_body
from zerosum.api.schemas.fields import AnsweredCode, BalanceAmount, CurrencyCode, Response, Time
from zerosum.domain.money import render_amount
from zerosum.services.statements import Statement

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
)


class StatementLineResponse(PostingResponse):
    """A posting of the account, in the order in which things happened."""

    running_balance: Annotated[
        BalanceAmount,
        Field(description="The posted balance after it in this order; `balance_after` is in the order of writing."),
    ]


class StatementResponse(Response):
    """One account over a span of time: opening and lines add up to closing."""

    account_id: AccountId
    code: AnsweredCode
    currency: CurrencyCode
    from_: Annotated[Time, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[Time, Field(description="Does not belong to it.")]
    opening: Annotated[BalanceAmount, Field(description="Posted before it.")]
    lines: Annotated[list[StatementLineResponse], Field(description="By `effective_at`, at most 10,000.")]
    closing: Annotated[BalanceAmount, Field(description="Posted at its end.")]


def statement_body(statement: Statement) -> dict[str, Any]:
    return {
        "account_id": statement.account.wire_id,
        "code": statement.account.code,
        "currency": statement.account.currency,
        "from": render_time(statement.start),
        "to": render_time(statement.end),
        "opening": render_amount(statement.opening),
        "lines": [
            {**posting_body(line.posting), "running_balance": render_amount(line.running_balance)}
            for line in statement.lines
        ],
        "closing": render_amount(statement.closing),
    }


def statement_csv(statement: Statement) -> str:
    """One row for the opening, one for each line, one for the closing. Nothing in it was written by a caller."""
    body = statement_body(statement)
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    bounds = {"currency": body["currency"]}
    writer.writerow({"line": "opening", "effective_at": body["from"], "running_balance": body["opening"], **bounds})
    for line in body["lines"]:
        writer.writerow({"line": "posting", **line})
    writer.writerow({"line": "closing", "effective_at": body["to"], "running_balance": body["closing"], **bounds})
    return text.getvalue()
