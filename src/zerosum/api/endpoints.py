"""How routes are made: each with its policy for the gateway layer and its page in the manual, in one call.

A route that is not made here has no policy, and the gateway layer answers 404 for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from zerosum.api.schemas.problems import PROBLEM_CONTENT
from zerosum.domain.errors import InvalidParameter, UnknownParameter
from zerosum.gateway.json_guard import checked_text
from zerosum.gateway.principal import Scope
from zerosum.gateway.routing import BODY_BYTES_MAX, Answer, BodyKind, Call, Lean, Policy

PARAMETERS_MAX = 60

JSON_TYPE = (b"content-type", b"application/json")

BEARER = "bearer"
OAUTH = "oauth2"

KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Your name for this one operation: 1 to 255 visible ASCII characters. The same key with the same "
    "request gives the first answer again; with another request it is refused.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    "example": "order-1001",
}

_DESCRIPTIONS = {
    400: "The request is malformed.",
    401: "No valid access token or API key.",
    403: "The token lacks the scope.",
    404: "There is no such thing in this ledger.",
    409: "Not possible in the present state.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "The request cannot be carried out as it is.",
    429: "Too many requests.",
    503: "Not now; nothing was done.",
    504: "The outcome is not known: retry with the same key.",
}


async def call_of(request: Request) -> Call:
    """The request as the gateway layer has judged it. (Async only because a plain one would go through a thread.)"""
    call: Call = request.state.call
    return call


TheCall = Annotated[Call, Depends(call_of)]


class Routes:
    """A group of routes under one tag."""

    def __init__(self, tag: str) -> None:
        self.router = APIRouter(tags=[tag])
        self.policies: list[Policy] = []
        self.documented: list[type[BaseModel]] = []
        """Models that no signature shows to the framework; they belong into the manual all the same."""

    def add(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        *,
        scope: Scope | None,
        summary: str,
        answer: Any,
        status: int = 200,
        body: BodyKind = BodyKind.NONE,
        body_bytes_max: int = BODY_BYTES_MAX,
        needs_key: bool = False,
        lean: Lean | None = None,
        query: Collection[str] = (),
        families: Collection[str] = (),
        refusals: Collection[int] = (),
        description: str | None = None,
        reads: type[BaseModel] | None = None,
        examples: dict[str, Any] | None = None,
        form: dict[str, Any] | None = None,
        also_answers: dict[int, tuple[str, Any]] | None = None,
    ) -> None:
        """`query` names the parameters the call knows; `families` those of the form name[key].

        `reads` or `form` documents the body of an endpoint that reads it itself; `also_answers` further statuses with
        their description and model.
        """
        if reads is not None:
            self.documented.append(reads)
        self.policies.append(
            Policy(
                method=method,
                template=path,
                scope=scope,
                body=body,
                body_bytes_max=body_bytes_max,
                needs_key=needs_key,
                lean=lean,
            )
        )
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            description=description,
            response_model=answer,
            status_code=status,
            response_model_exclude_unset=True,
            dependencies=[Depends(parameter_check(frozenset(query), tuple(families)))],
            responses={
                **{code: {"description": text, "model": model} for code, (text, model) in (also_answers or {}).items()},
                **_problem_responses(scope, body, refusals, needs_key=needs_key),
            },
            openapi_extra=_extra(scope, reads, examples, form, needs_key=needs_key),
        )


def _problem_responses(
    scope: Scope | None, body: BodyKind, refusals: Collection[int], *, needs_key: bool
) -> dict[int | str, dict[str, Any]]:
    statuses = {422, 503, *refusals}
    if scope is not None:
        statuses |= {401, 403, 429}
    if body is not BodyKind.NONE:
        statuses |= {400, 413, 415}
    if needs_key:
        statuses |= {400, 409, 504}
    return {status: {"description": _DESCRIPTIONS[status], "content": PROBLEM_CONTENT} for status in sorted(statuses)}


def _extra(
    scope: Scope | None,
    reads: type[BaseModel] | None,
    examples: dict[str, Any] | None,
    form: dict[str, Any] | None,
    *,
    needs_key: bool,
) -> dict[str, Any]:
    extra: dict[str, Any] = {"security": [] if scope is None else [{BEARER: []}, {OAUTH: [scope.value]}]}
    if needs_key:
        extra["parameters"] = [KEY_HEADER]
    if reads is not None:
        content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{component_name(reads)}"}}
        if examples:
            content["examples"] = examples
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    if form is not None:
        extra["requestBody"] = form
    return extra


def component_name(model: type[BaseModel]) -> str:
    """Under which name a model stands in the manual: as the framework itself would call it."""
    return model.__name__.replace("[", "_").replace("]", "_")


def parameter_check(known: frozenset[str], families: tuple[str, ...]) -> Callable[[Request], Awaitable[None]]:
    """Refuses what the call does not know and what is given twice: silence would hide a mistake."""

    async def check(request: Request) -> None:
        check_parameters(request.scope["query_string"], known, families)

    return check


def check_parameters(query_string: bytes, known: frozenset[str], families: tuple[str, ...] = ()) -> dict[str, str]:
    """The parameters by name. Raises UnknownParameter, InvalidParameter, InvalidString."""
    if not query_string:
        return {}
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        raise InvalidParameter("The query cannot be read.", pointer="") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known and not any(name.startswith(f"{family}[") and name.endswith("]") for family in families):
            raise UnknownParameter("This call does not know the parameter.", pointer=_shown(name))
        if name in found:
            raise InvalidParameter("The parameter is given twice.", pointer=_shown(name))
        found[checked_text(name, "")] = checked_text(value, _shown(name))
    return found


def _shown(name: str) -> str:
    return "".join(character for character in name[:64] if character.isprintable())


def json_answer(status: int, content: Any, *, is_replay: bool = False) -> Answer:
    headers = (JSON_TYPE, (b"idempotency-replayed", b"true")) if is_replay else (JSON_TYPE,)
    return Answer(status, orjson.dumps(content), headers)


def as_response(answer: Answer) -> Response:
    """A ready answer for the web framework, which passes it on as it is."""
    response = Response(answer.body, status_code=answer.status)
    response.raw_headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
    return response
