"""What the manual says of each route beyond its signature: its refusals by code, its headers, who may call it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from zerosum.api.problems import NAMED_IN_BODY_STATUS, STATUSES
from zerosum.api.schemas.problems import PROBLEM_CONTENT
from zerosum.domain import errors
from zerosum.domain.errors import DomainError
from zerosum.gateway.guards.request_guard import KEY_PATTERN_TEXT
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

Refusal = type[DomainError]

BEARER = "bearer"
OAUTH = "oauth2"
METRICS_TOKEN = "metrics"  # noqa: S105 - a name, not a secret

# What any call can meet, and what more a kind of call can meet. `Routes.add` names the rest.
_ANY_CALL: tuple[Refusal, ...] = (
    errors.InvalidRequest,
    errors.MethodNotAllowed,
    errors.UnknownParameter,
    errors.InvalidParameter,
    errors.InvalidString,
    errors.RateLimited,
    errors.Overloaded,
    errors.Unavailable,
)
_WITH_SCOPE: tuple[Refusal, ...] = (errors.Unauthenticated, errors.Forbidden, errors.OriginNotAllowed)
_WITH_BODY: tuple[Refusal, ...] = (errors.BodyTooLarge, errors.UnsupportedMediaType)
_WITH_JSON: tuple[Refusal, ...] = (
    errors.MalformedJson,
    errors.DuplicateKey,
    errors.TooDeep,
    errors.InvalidEncoding,
    errors.ValidationFailed,
    errors.UnknownField,
    errors.TooManyItems,
    errors.PanNotAllowed,
)
_OF_RECORDS: tuple[Refusal, ...] = (errors.RecordUnreadable,)
_WITH_KEY: tuple[Refusal, ...] = (errors.IdempotencyKeyMissing, errors.IdempotencyKeyInvalid)
OF_KEYS: tuple[Refusal, ...] = (errors.IdempotencyKeyReused, errors.IdempotencyInProgress, errors.OutcomeUnknown)
"""What becomes of a key that cannot be used now: of single calls and of bulk items alike."""

KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Your name for this one operation: 1 to 255 visible ASCII characters, bare or in double quotes. The "
    "same key with the same request gives the first answer again; with another request it is refused.",
    "schema": {"type": "string", "pattern": KEY_PATTERN_TEXT},
    "example": "order-1001",
}
OPTIONAL_KEY_HEADER = {**KEY_HEADER, "required": False}
METADATA_PARAMETER = {
    "name": "metadata",
    "in": "query",
    "required": False,
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[order]=A-1001`: only what has this member; several must all be equal.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "example": {},  # what the manual sends unless the reader writes something
}


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


_REQUEST_ID_HEADER = {
    "X-Request-Id": _header("Your own `X-Request-Id`, or the one made for this request.", "b7ad6b7169203331")
}
_RATE_HEADERS = {
    "RateLimit": _header("What remains of the budget, and in how many seconds it is whole.", '"principal";r=950;t=1'),
    "RateLimit-Policy": _header("The budgets: so many requests in so many seconds.", '"principal";q=1000;w=1'),
}
_REPLAY_HEADER = {"Idempotency-Replayed": _header("`true` where this is the first answer again.", "true")}
CACHE_HEADERS = {"Cache-Status": _header("Whether the balance came out of the cache.", "zerosum; hit")}
_RETRY_HEADER = {"Retry-After": _header("Seconds to wait.", "1")}
_RETRY_STATUSES = (429, 503)


def problem_responses(
    scope: Scope | None,
    body: BodyKind,
    refusals: Iterable[Refusal],
    named_in_body: Iterable[Refusal],
    *,
    needs_key: bool,
    takes_key: bool,
) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route by status, each code with its meaning."""
    met: list[Refusal] = [*_ANY_CALL, *((*_WITH_SCOPE, *_OF_RECORDS) if scope is not None else ())]
    if body is not BodyKind.NONE:
        met += _WITH_BODY
    if body in (BodyKind.JSON, BodyKind.OPTIONAL_JSON):
        met += _WITH_JSON
    if needs_key:
        met += (*_WITH_KEY, *OF_KEYS)
    if takes_key:
        met += (errors.IdempotencyKeyInvalid, *OF_KEYS)
    by_status: dict[int, list[Refusal]] = {}
    for refusal in dict.fromkeys((*met, *refusals)):
        by_status.setdefault(STATUSES[refusal], []).append(refusal)
    by_status.setdefault(NAMED_IN_BODY_STATUS, []).extend(named_in_body)
    return {status: _problem_response(status, by_status[status]) for status in sorted(by_status)}


def _problem_response(status: int, refusals: Collection[Refusal]) -> dict[str, Any]:
    return {
        "description": "\n".join(f"* `{refusal.code}`: {refusal.title}." for refusal in refusals),
        "content": PROBLEM_CONTENT,
        "headers": {**_REQUEST_ID_HEADER, **(_RETRY_HEADER if status in _RETRY_STATUSES else {})},
    }


def success_headers(scope: Scope | None, extra: Mapping[str, Any], *, takes_key: bool) -> dict[str, Any]:
    """The headers of an answer that is no refusal."""
    return {
        **_REQUEST_ID_HEADER,
        **(_RATE_HEADERS if scope is not None else {}),
        **(_REPLAY_HEADER if takes_key else {}),
        **extra,
    }


def security_of(scope: Scope | None, other_scope: Scope | None) -> list[dict[str, list[str]]]:
    """The ways in, each enough by itself. None means that everybody may call."""
    scopes = [one.value for one in (scope, other_scope) if one is not None]
    return [{BEARER: []}, *({OAUTH: [one]} for one in scopes)] if scopes else []


def openapi_extra(
    security: list[dict[str, list[str]]],
    reads: type[BaseModel] | None,
    examples: Mapping[str, Any] | None,
    form: Mapping[str, Any] | None,
    *,
    is_optional: bool,
    needs_key: bool,
    takes_key: bool,
    has_metadata_filter: bool,
) -> dict[str, Any]:
    """What the signature of an endpoint does not show: who may call it, its key, its body."""
    content: dict[str, Any] = {"security": security}
    keys = [KEY_HEADER] if needs_key else [OPTIONAL_KEY_HEADER] if takes_key else []
    parameters = [*keys, *([METADATA_PARAMETER] if has_metadata_filter else ())]
    if parameters:
        content["parameters"] = parameters
    if reads is not None:
        media: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{component_name(reads)}"}}
        if examples:
            media["examples"] = examples
        content["requestBody"] = {"required": not is_optional, "content": {"application/json": media}}
    if form is not None:
        content["requestBody"] = form
    return content


def component_name(model: type[BaseModel]) -> str:
    """Under which name a model stands in the manual: as the framework itself would call it."""
    return model.__name__.replace("[", "_").replace("]", "_")
