"""The web framework's part: everything but the hottest routes, and the manual."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from zerosum import __version__
from zerosum.api import problems
from zerosum.api.endpoints import Routes, TheCall, as_response
from zerosum.api.first_page import Front, front_routes, icons
from zerosum.api.manual import Manual
from zerosum.api.openapi_document import openapi_document
from zerosum.api.routes.account_groups import account_group_routes
from zerosum.api.routes.account_reports import account_report_routes
from zerosum.api.routes.accounts import account_routes
from zerosum.api.routes.api_keys import api_key_routes
from zerosum.api.routes.audit import audit_routes
from zerosum.api.routes.charts import chart_routes
from zerosum.api.routes.checkpoints import checkpoint_routes, receipt_routes
from zerosum.api.routes.clients import client_routes
from zerosum.api.routes.console_sessions import console_session_routes
from zerosum.api.routes.dead_letters import dead_letter_routes
from zerosum.api.routes.disputes import dispute_routes
from zerosum.api.routes.events import event_routes
from zerosum.api.routes.exchanges import exchange_routes
from zerosum.api.routes.holds import hold_routes
from zerosum.api.routes.house_rules import house_rules_routes
from zerosum.api.routes.imports import import_routes
from zerosum.api.routes.journal import journal_routes
from zerosum.api.routes.journal_export import journal_export_routes
from zerosum.api.routes.ledger_routes import ledger_routes_routes
from zerosum.api.routes.ledgers import ledger_routes, report_routes
from zerosum.api.routes.metrics import metrics_routes
from zerosum.api.routes.notifications import notification_routes
from zerosum.api.routes.payments import payment_routes
from zerosum.api.routes.periods import period_routes
from zerosum.api.routes.processor_calls import processor_routes
from zerosum.api.routes.reconciliation import reconciliation_routes
from zerosum.api.routes.refunds import refund_routes
from zerosum.api.routes.reviews import review_routes
from zerosum.api.routes.scheduled_payments import scheduled_payment_routes
from zerosum.api.routes.statements import statement_routes
from zerosum.api.routes.status import status_routes
from zerosum.api.routes.subjects import subject_routes
from zerosum.api.routes.system import System, system_routes
from zerosum.api.routes.templates import template_routes
from zerosum.api.routes.webhooks import webhook_routes
from zerosum.api.services import Services
from zerosum.api.unreadable import add_unreadable_handlers, as_unreadable
from zerosum.api.validation import schema_refusal
from zerosum.domain.errors import DomainError, InternalError, MethodNotAllowed, NotFound
from zerosum.gateway.app import too_late
from zerosum.gateway.routing import SLASH_IN_A_SEGMENT, BodyKind, Call, HttpAnswer, Policy
from zerosum.gateway.trace_context import log_failure

_log = logging.getLogger(__name__)

PAGE_UNITS = 20
"""What a page of the manual costs its caller: it is a hundred times as large as other answers."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Endpoint = Callable[[Call], Awaitable[HttpAnswer]]

NOWHERE = Front(url="http://localhost", version=__version__)


def make_app(
    services: Services, system: System, lifespan: Lifespan, front: Front = NOWHERE
) -> tuple[FastAPI, list[Policy]]:
    """The application, and the policy of each of its routes for the gateway layer."""
    app = FastAPI(
        title="Zerosum",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # The gateway layer sees every request; the framework, which sees some of them, stays silent.
        telemetry={
            "auto_configure": False,
            "tracing": False,
            "logs": False,
            "operation_spans": False,
            "metrics": False,
        },
    )
    register_url_convertor("path", _Segments())
    groups = [
        # Before the payments and entries themselves: of two addresses that match, the first decides.
        receipt_routes(services),
        subject_routes(services),
        payment_routes(services),
        refund_routes(services),
        dispute_routes(services),
        processor_routes(services),
        hold_routes(services),
        exchange_routes(services),
        scheduled_payment_routes(services),
        review_routes(services),
        client_routes(services),
        import_routes(services),
        statement_routes(services),
        account_routes(services),
        journal_routes(services),
        journal_export_routes(services),
        template_routes(services),
        report_routes(services),
        checkpoint_routes(services),
        period_routes(services),
        account_report_routes(services),
        account_group_routes(services),
        ledger_routes(services),
        chart_routes(services),
        house_rules_routes(services),
        ledger_routes_routes(services),
        event_routes(services),
        webhook_routes(services),
        notification_routes(services),
        dead_letter_routes(services),
        reconciliation_routes(services),
        api_key_routes(services),
        console_session_routes(services),
        audit_routes(services),
        status_routes(services.status),
        system_routes(system),
        *([] if system.metrics is None else [metrics_routes(system.metrics)]),
        front_routes(front),
    ]
    for group in groups:
        app.router.routes.extend(group.router.routes)
    document = document_of(app, groups, front.url)
    app.openapi = document  # type: ignore[method-assign]
    endpoints: dict[str, Endpoint] = {path: icon.answer for path, icon in icons().items()}
    if front.has_manual:
        endpoints |= Manual(document).endpoints()
    add_problem_handlers(app)
    return app, [policy for group in groups for policy in group.policies] + add_open_pages(app, endpoints)


def document_of(app: FastAPI, groups: Sequence[Routes], url: str) -> Callable[[], dict[str, Any]]:
    """What makes the OpenAPI document of these routes, once."""
    documented = [model for group in groups for model in group.documented]

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi_document(app, documented, url)
        return app.openapi_schema

    return document


def add_open_pages(app: FastAPI, endpoints: Mapping[str, Endpoint]) -> list[Policy]:
    """Pages open to everybody that stand in no manual, by their path. They are the same either way they are asked."""

    def through_the_framework(endpoint: Endpoint) -> Callable[..., Awaitable[Response]]:
        async def answered(call: TheCall) -> Response:
            return as_response(await endpoint(call))

        return answered

    for path, endpoint in endpoints.items():
        app.add_api_route(path, through_the_framework(endpoint), include_in_schema=False, response_model=None)
    return [
        Policy(method="GET", template=path, scope=None, body=BodyKind.NONE, lean=endpoint, units=PAGE_UNITS)
        for path, endpoint in endpoints.items()
    ]


class _Segments(Convertor[str]):
    """`{name:path}`: one segment or more, in which an encoded slash is a slash again."""

    regex = ".+"

    def convert(self, value: str) -> str:
        return value.replace(SLASH_IN_A_SEGMENT, "/")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


def add_problem_handlers(app: FastAPI) -> None:
    """Every refusal leaves as a problem, none of them echoes a value."""

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, TimeoutError):
            # The framework would answer it as a failure, and nobody would tell of it: the gateway takes it for its own.
            _log.error("a request ran out of time", exc_info=error)
            return _problem(request, too_late(is_read=request.method == "GET"))
        if isinstance(error, InternalError):
            log_failure(error, request.state.call.request_id, request.scope["headers"])
        return _problem(request, as_unreadable(request, error) if isinstance(error, DomainError) else _unexpected())

    async def misfit(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            return _problem(request, _unexpected())
        return _problem(request, schema_refusal(error.errors()))

    async def http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return _problem(request, NotFound("There is nothing at this address."))
        if status == 405:
            return _problem(request, MethodNotAllowed("The method is not allowed here."))
        return _problem(request, _unexpected())

    add_unreadable_handlers(app)
    app.add_exception_handler(DomainError, refused)
    app.add_exception_handler(RequestValidationError, misfit)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, refused)


def _problem(request: Request, error: DomainError) -> Response:
    call: Call = request.state.call
    call.refused_as = error.code
    return as_response(problems.render(error, call.request_id, call.path))


def _unexpected() -> DomainError:
    return InternalError("The request failed on our side.")
