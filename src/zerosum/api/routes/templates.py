"""Templates: make versions of them, read them, post entries by them."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import Path, Query, Response

from zerosum.api.desk_routes import answer_of, body_with, flag
from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, InDigits, Limit, SortOrder, page_request
from zerosum.api.routes.payments import SHOWN, DryRunFlag, Include
from zerosum.api.schemas.journal import JournalEntryRehearsal, JournalEntryResponse, entry_body
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.templates import (
    TemplatePostRequest,
    TemplateRequest,
    TemplateResponse,
    template_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.ledger.templates.template import TEMPLATE_NAME_PATTERN_TEXT, VERSION_MAX
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

TemplateReference = Annotated[
    str,
    Path(
        description="The template's name.",
        examples=["marketplace-sale"],
        json_schema_extra={"pattern": f"^{TEMPLATE_NAME_PATTERN_TEXT}$"},
    ),
]
AskedVersion = Annotated[
    int | None, InDigits, Query(description="By default the newest.", ge=1, le=VERSION_MAX, examples=[1])
]

MARKETPLACE: dict[str, Any] = {
    "name": "marketplace-sale",
    "reason": "Sale {order}",
    "parameters": {
        "price": {"type": "amount", "currency": "USD"},
        "fee": {"type": "percent"},
        "buyer": {"type": "account"},
        "seller": {"type": "account"},
        "order": {"type": "text"},
    },
    "postings": [
        {"side": "debit", "account": "{buyer}", "amount": "price"},
        {"side": "credit", "account": "revenue:fees", "amount": "price * fee% + 0.30", "rounding": "half_up"},
        {"side": "credit", "account": "{seller}", "amount": "remainder"},
    ],
}
EXAMPLES = {"sale": {"summary": "A sale on a marketplace, less its fee", "value": MARKETPLACE}}

SALE = {
    "price": "100.00",
    "fee": "2.9",
    "buyer": "customers:alice",
    "seller": "customers:bob",
    "order": "A-1001",
}
POSTINGS = {"sale": {"summary": "A sale", "value": {"parameters": SALE}}}


def template_routes(services: Services) -> Routes:
    routes = Routes("Templates")
    templates = services.templates

    async def make_template(call: TheCall) -> Response:
        order = validated(TemplateRequest, call.content).order(call.idempotency_key or "")
        done = await templates.make(call.caller, order)
        return as_response(json_answer(201, template_body(done.view), is_replay=done.is_replay))

    async def list_templates(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "templates", limit, cursor, order, ())
        return await list_body(await templates.list(call.caller, request), template_body)

    async def get_template(call: TheCall, template: TemplateReference, version: AskedVersion = None) -> dict[str, Any]:
        return template_body(await templates.get(call.caller, template, version))

    async def post_template(
        call: TheCall,
        template: TemplateReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read as the desks read them
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        parameters = check_parameters(call.query_string, SHOWN | {"dry_run"})
        is_rehearsal, shown = flag(parameters, "dry_run"), body_with(parameters, entry_body, attrgetter("postings"))
        body = validated(TemplatePostRequest, call.content)
        key = call.idempotency_key or ""
        order = body.order(key, template, await templates.meant(call.caller, template, body.version, key))
        return as_response(await answer_of(call, templates.desk, order, shown, is_rehearsal=is_rehearsal))

    read, write = Scope.JOURNAL_READ, Scope.JOURNAL_WRITE
    routes.add(
        "POST",
        "/v1/templates",
        make_template,
        operation_id="createTemplate",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        summary="Make a template, or the next version of one",
        answer=TemplateResponse,
        reads=TemplateRequest,
        examples=EXAMPLES,
        refusals=(errors.TemplateInvalid, errors.Unbalanced, errors.DivisionByZero, errors.QuotaExceeded),
        description="In each currency one posting takes the `remainder`, or the debits are the same amounts as the "
        "credits: it balances whatever its parameters are, or it is refused. Old versions stay.",
    )
    routes.add(
        "GET",
        "/v1/templates",
        list_templates,
        operation_id="listTemplates",
        scope=read,
        query=PAGE_PARAMETERS,
        refusals=(errors.InvalidCursor,),
        summary="List templates",
        answer=ListOf[TemplateResponse],
        description="The newest version of each, by name from Z to A.",
    )
    routes.add(
        "GET",
        "/v1/templates/{template}",
        get_template,
        operation_id="getTemplate",
        scope=read,
        query=("version",),
        refusals=(errors.TemplateNotFound,),
        summary="Read a template",
        answer=TemplateResponse,
    )
    routes.add(
        "POST",
        "/v1/templates/{template}/post",
        post_template,
        operation_id="postTemplate",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run", "include"),
        summary="Post an entry by a template",
        answer=JournalEntryResponse,
        reads=TemplatePostRequest,
        examples=POSTINGS,
        refusals=(*errors.OF_BOOKS, *errors.OF_DATES, errors.TemplateNotFound, errors.DivisionByZero),
        named_in_body=(errors.AccountNotFound,),
        also_answers={200: ("A rehearsal.", JournalEntryRehearsal)},
        description="By its newest version, or the one that is named. The entry tells the template, its version and "
        "its parameters. A posting that comes to zero or less is refused.",
    )
    return routes
