"""The one table that turns refusals into HTTP problems (RFC 9457). No other place knows a status of a refusal."""

from __future__ import annotations

from typing import Any

import orjson

from zerosum.api.render import in_one_order
from zerosum.domain import errors
from zerosum.domain.errors import DomainError, ValidationFailed
from zerosum.gateway.routing import HttpAnswer

_OF_KINDS: dict[type[DomainError], int] = {
    errors.Malformed: 400,
    errors.Absent: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Unprocessable: 422,
}
_OF_NO_KIND: dict[type[DomainError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.OriginNotAllowed: 403,
    errors.SignInRefused: 401,
    errors.WriteRefused: 403,
    errors.StepUpNeeded: 403,
    errors.MethodNotAllowed: 405,
    errors.RequestTimeout: 408,
    errors.BodyTooLarge: 413,
    errors.UriTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.RateLimited: 429,
    errors.HeadersTooLarge: 431,
    errors.InternalError: 500,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
    errors.OutcomeUnknown: 504,
}
"""Of those for which HTTP has a status of their own."""

STATUSES: dict[type[DomainError], int] = {
    refusal: status
    for refusal in errors.refusals()
    for known, status in (_OF_KINDS | _OF_NO_KIND).items()
    if issubclass(refusal, known)
}

NAMED_IN_BODY_STATUS = 422
"""Of what cannot be found, where a member of the body names it and not the path."""

_MEDIA_TYPE = (b"content-type", b"application/problem+json")
_REPLAYED = (b"idempotency-replayed", b"true")
_HEADER_FACTS = ("retry_after", "allow")
"""Facts that are told in a header."""


def status_of(error: DomainError) -> int:
    status = STATUSES[type(error)]
    return NAMED_IN_BODY_STATUS if status == 404 and error.pointer is not None else status


def problem(error: DomainError, request_id: str, instance: str, place: str = "") -> dict[str, Any]:
    """The body: standard members, our code, the facts of the refusal, and where in the request each fault lies.

    `place` is where the part of the request that was refused lies in the whole: an item of a bulk call.
    """
    content: dict[str, Any] = {
        "type": f"urn:zerosum:problem:{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    for name, value in in_one_order(error.facts).items():  # A refusal that is given again comes out of the database.
        if name not in _HEADER_FACTS:
            content.setdefault(name, value)
    faults = _faults(error, place)
    if faults:
        content["errors"] = faults
    return content


def render(error: DomainError, request_id: str, instance: str, place: str = "") -> HttpAnswer:
    headers = [_MEDIA_TYPE]
    if error.is_replay:
        headers.append(_REPLAYED)
    if isinstance(error, errors.Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if "retry_after" in error.facts:
        headers.append((b"retry-after", b"%d" % error.facts["retry_after"]))
    elif isinstance(error, errors.IdempotencyInProgress):
        headers.append((b"retry-after", b"1"))
    if "allow" in error.facts:
        headers.append((b"allow", ", ".join(error.facts["allow"]).encode("ascii")))
    body = orjson.dumps(problem(error, request_id, instance, place))
    return HttpAnswer(status_of(error), body, tuple(headers))


def _faults(error: DomainError, place: str) -> list[dict[str, Any]]:
    """Each with where it lies. Where there are several, each has its own facts beside it."""
    if isinstance(error, ValidationFailed) and error.errors:
        return [{**fault, "pointer": place + fault["pointer"]} for fault in error.errors]
    return [
        {"pointer": place + fault.pointer, "code": fault.code, "detail": fault.detail}
        | (in_one_order(fault.facts) if error.others else {})
        for fault in (error, *error.others)
        if fault.pointer is not None
    ]
