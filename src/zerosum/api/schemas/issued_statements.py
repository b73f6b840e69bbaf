"""Statements with a number on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.fields import AnsweredCode, BalanceAmount, CurrencyCode, Request, Response, Time, id_field
from zerosum.api.schemas.statements import StatementLineResponse, statement_body, statement_csv
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.services.issued_statements import NumberedStatement
from zerosum.services.requests.times import parse_day_or_time
from zerosum.services.statements import Statement


def _day_or_time(value: Any) -> datetime:
    try:
        return parse_day_or_time(value if isinstance(value, str) else "", "")
    except InvalidParameter as refusal:
        raise PydanticCustomError("time", "{told}", {"told": refusal.detail}) from None


DayOrTimeMember = Annotated[
    datetime,
    BeforeValidator(_day_or_time),
    WithJsonSchema({"type": "string", "examples": ["2026-11-01"]}, mode="validation"),
]

Hash = Annotated[str, Field(description="32 bytes in hex.", examples=["8f" * 32], pattern="^[0-9a-f]{64}$")]


class IssueStatementRequest(Request):
    """The span of a statement: days, which begin at midnight UTC, or times in RFC 3339."""

    from_: Annotated[DayOrTimeMember, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[DayOrTimeMember, Field(description="Does not belong to it; it is past.")]


class NumberedStatementResponse(Response):
    """A statement that was issued. Nothing of it ever changes."""

    id: Annotated[str, id_field(Prefix.STATEMENT, "The statement.")]
    number: Annotated[int, Field(description="Of the account's statements, without a gap from 1.", examples=[1])]
    account_id: AccountId
    code: AnsweredCode
    currency: CurrencyCode
    from_: Annotated[Time, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[Time, Field(description="Does not belong to it.")]
    opening: Annotated[BalanceAmount, Field(description="Posted before it.")]
    closing: Annotated[BalanceAmount, Field(description="Posted at its end.")]
    line_count: Annotated[int, Field(description="How many lines it has.", examples=[12])]
    account_version: Annotated[
        int, Field(description="The version of the account when it was issued: nothing later is on it.", examples=[40])
    ]
    head: Annotated[Hash, Field(description="Of the account's hash chain at that version.")]
    issued_at: Annotated[Time, Field(description="When it was issued.")]
    hash: Annotated[Hash, Field(description="Over all of this and the account's statement before it.")]


class WholeStatementResponse(NumberedStatementResponse):
    """A statement that was issued, with its lines."""

    lines: Annotated[list[StatementLineResponse], Field(description="By `effective_at`.")]


def numbered_body(numbered: NumberedStatement) -> dict[str, Any]:
    issued = numbered.issued
    content = issued.content
    return {
        "id": render_id(Prefix.STATEMENT, issued.id),
        "number": issued.number,
        "account_id": numbered.account.wire_id,
        "code": numbered.account.code,
        "currency": content.currency,
        "from": render_time(content.start),
        "to": render_time(content.end),
        "opening": render_amount(content.opening),
        "closing": render_amount(content.closing),
        "line_count": content.lines,
        "account_version": content.account_version,
        "head": content.head.hex(),
        "issued_at": render_time(issued.issued_at),
        "hash": issued.hash.hex(),
    }


async def whole_body(numbered: NumberedStatement, statement: Statement) -> dict[str, Any]:
    return {**numbered_body(numbered), "lines": (await statement_body(statement))["lines"]}


async def numbered_csv(numbered: NumberedStatement, statement: Statement) -> str:
    """With its number and what it is checked by, in the rows of the opening and the closing."""
    body = numbered_body(numbered)
    return await statement_csv(statement, {column: body[name] for name, column in SEAL_COLUMNS.items()})


SEAL_COLUMNS = {
    "id": "statement_id",
    "number": "statement_number",
    "account_id": "account_id",
    "code": "account_code",
    "line_count": "line_count",
    "account_version": "statement_account_version",
    "head": "head",
    "issued_at": "issued_at",
    "hash": "statement_hash",
}
"""The column of each member that a line has no place for."""
