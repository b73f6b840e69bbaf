"""Statements with a number: issue, list, and read in every form."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response

from zerosum.api.csv_text import Accept, csv_response
from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    PAGE_PARAMETERS,
    Cursor,
    InDigits,
    Limit,
    SortOrder,
    check_span,
    page_request,
)
from zerosum.api.routes.accounts import OF_REFERENCE, Reference
from zerosum.api.schemas.issued_statements import (
    IssueStatementRequest,
    NumberedStatementResponse,
    WholeStatementResponse,
    numbered_body,
    numbered_csv,
    whole_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.statement_forms import Form, StatementFormat, form_of
from zerosum.api.statement_forms.camt053 import MEDIA_TYPE, camt053
from zerosum.api.statement_forms.page import statement_page
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.errors import InvalidParameter, ValidationFailed
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

_STATEMENTS = "/v1/accounts/{account:path}/statements"

Number = Annotated[int, InDigits, Path(description="The statement's number.", ge=1, le=2**63 - 1, examples=[1])]

EXAMPLES = {"month": {"summary": "A month", "value": {"from": "2026-10-01", "to": "2026-11-01"}}}


def statement_routes(services: Services) -> Routes:
    routes = Routes("Statements")
    statements = services.issued_statements

    async def issue(call: TheCall, account: Reference) -> Response:
        body = validated(IssueStatementRequest, call.content)
        try:
            check_span(body.from_, body.to)
        except InvalidParameter as refusal:
            raise ValidationFailed(refusal.detail, pointer=f"/{refusal.pointer}") from None
        key = call.idempotency_key or ""
        done = await statements.issue(call.caller, account, start=body.from_, end=body.to, key=key)
        return as_response(json_answer(201, numbered_body(done.view), is_replay=done.is_replay))

    async def list_statements(
        call: TheCall,
        account: Reference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
    ) -> dict[str, Any]:
        request = page_request(call, f"statements of {account}", limit, cursor, order)
        return await list_body(await statements.list(call.caller, account, request), numbered_body)

    async def get(
        call: TheCall,
        account: Reference,
        number: Number,
        format: StatementFormat = None,  # noqa: A002 - the parameter's name
        accept: Accept = "",
    ) -> Response:
        numbered, statement = await statements.get(call.caller, account, number)
        form = form_of(format, accept)
        if form is Form.CSV:
            return csv_response(await numbered_csv(numbered, statement))
        if form is Form.CAMT:
            return Response(await camt053(numbered, statement), media_type=MEDIA_TYPE)
        if form is Form.PAGE:
            return await statement_page(numbered, statement)
        return as_response(json_answer(200, await whole_body(numbered, statement)))

    routes.add(
        "POST",
        _STATEMENTS,
        issue,
        operation_id="issueStatement",
        scope=Scope.ACCOUNTS_WRITE,
        status=201,
        body=BodyKind.JSON,
        reads=IssueStatementRequest,
        needs_key=True,
        effort=10,
        examples=EXAMPLES,
        refusals=(*OF_REFERENCE, errors.TooManyItems, errors.StatementOvertaken),
        summary="Issue a statement",
        answer=NumberedStatementResponse,
        description="It gets the account's next number, without a gap, and is the same for ever: what is written later "
        "is not on it, whatever `effective_at` it has. At most 366 days, all of them past.",
    )
    routes.add(
        "GET",
        f"{_STATEMENTS}/{{number}}",
        get,
        operation_id="getIssuedStatement",
        scope=Scope.ACCOUNTS_READ,
        refusals=(*OF_REFERENCE, errors.StatementNotFound, errors.StatementNotInForm),
        query=("format",),
        effort=10,
        summary="Read a statement that was issued",
        answer=WholeStatementResponse,
        also_as=("text/csv", MEDIA_TYPE, "text/html"),
        description="As JSON, CSV, ISO 20022 camt.053.001.08 or a page to print, by `format` or `Accept`. `head` is "
        "the hash of the account's posting of that `account_version`.",
    )
    routes.add(
        "GET",
        _STATEMENTS,
        list_statements,
        operation_id="listStatements",
        scope=Scope.ACCOUNTS_READ,
        refusals=(*OF_REFERENCE, errors.InvalidCursor),
        query=PAGE_PARAMETERS,
        summary="List the statements that were issued",
        answer=ListOf[NumberedStatementResponse],
        description="Of the account, the newest first.",
    )
    return routes
