"""What a report answers when what is stored cannot be read: one refusal, whatever is wrong with the record.

The service writes only what it can show. But the database accepts more than that (an amount finer than its currency, a
NaN, a time without end, a word nobody knows), and whoever may write to it directly may put it there. A report that
meets such a record is refused as a whole, and the fault is logged with its trace: guessing at a sum would be worse.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import ResponseValidationError

from zerosum.api import problems
from zerosum.api.endpoints import as_response
from zerosum.domain.errors import (
    AmountTooLarge,
    AmountTooPrecise,
    DomainError,
    InvalidAmount,
    InvalidCurrency,
    RecordUnreadable,
)
from zerosum.gateway.routing import Call
from zerosum.gateway.trace_context import request_names

_log = logging.getLogger(__name__)

_OF_READING = (ArithmeticError, AttributeError, LookupError, ResponseValidationError, TypeError, ValueError)
"""What turning rows into answers can raise, and nothing that the database or the network raises."""

_OF_MONEY = (AmountTooLarge, AmountTooPrecise, InvalidAmount, InvalidCurrency)
"""A report is never given an amount or a currency: where it raises one of these, a record holds it."""


def add_unreadable_handlers(app: FastAPI) -> None:
    async def unreadable(request: Request, error: Exception) -> Response:
        if not _is_about_a_record(request, error):
            raise error
        return _refusal(request, error)

    for kind in _OF_READING:
        app.add_exception_handler(kind, unreadable)


def as_unreadable(request: Request, error: DomainError) -> DomainError:
    """The refusal of a report; what a report raises about stored money is about a record and not about the request."""
    if isinstance(error, _OF_MONEY) and _is_report(request):
        _tell(request, error)
        return RecordUnreadable(f"A stored record cannot be read. {error.detail}", **error.facts)
    return error


def _is_report(request: Request) -> bool:
    return request.method in ("GET", "HEAD") and request.url.path.startswith("/v1/")


def _is_about_a_record(request: Request, error: Exception) -> bool:
    """Amounts of a request never raise in arithmetic: they have been judged before."""
    return _is_report(request) or isinstance(error, ArithmeticError)


def _refusal(request: Request, error: Exception) -> Response:
    _tell(request, error)
    call: Call = request.state.call
    refusal = RecordUnreadable("A stored record that belongs to this answer cannot be read.")
    return as_response(problems.render(refusal, call.request_id, call.path))


def _tell(request: Request, error: Exception) -> None:
    call: Call = request.state.call
    names = request_names(call.request_id, request.scope["headers"])
    _log.error("a stored record cannot be read", exc_info=error, extra=names)
