"""How routes are made: each with its policy for the gateway layer and its page in the manual, in one call.

A route that is not made here has no policy, and the gateway layer answers 404 for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from zerosum.api import route_manual
from zerosum.api.route_manual import Refusal
from zerosum.domain.errors import IdempotencyKeyInvalid, InvalidParameter, UnknownParameter
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.guards.json_guard import checked_text
from zerosum.gateway.guards.request_guard import parse_key
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BODY_BYTES_MAX, BodyKind, Call, Express, HttpAnswer, Lean, Policy

PARAMETERS_MAX = 60
LIST_EFFORT = 1
"""Of the ledger's budget for costly reads."""

JSON_TYPE = (b"content-type", b"application/json")
REPLAYED = (b"idempotency-replayed", b"true")


async def call_of(request: Request) -> Call:
    """The request as the gateway layer has judged it. (Async only because a plain one would go through a thread.)"""
    call: Call = request.state.call
    return call


TheCall = Annotated[Call, Depends(call_of)]


async def optional_key_of(request: Request) -> str | None:
    """The key of a call that may go without one. Raises IdempotencyKeyInvalid."""
    values = request.headers.getlist("idempotency-key")
    if len(values) > 1:
        raise IdempotencyKeyInvalid("There is more than one Idempotency-Key header.")
    return parse_key(values[0].encode("latin-1")) if values else None


OptionalKey = Annotated[str | None, Depends(optional_key_of)]


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
        operation_id: str | None = None,
        other_scope: Scope | None = None,
        security: list[dict[str, list[str]]] | None = None,
        summary: str,
        answer: Any,
        answer_class: type[Response] | None = None,
        status: int = 200,
        body: BodyKind = BodyKind.NONE,
        body_bytes_max: int = BODY_BYTES_MAX,
        needs_key: bool = False,
        takes_key: bool = False,
        lean: Lean | None = None,
        express: Express | None = None,
        query: Collection[str] = (),
        families: Collection[str] = (),
        refusals: Collection[Refusal] = (),
        named_in_body: Collection[Refusal] = (),
        description: str | None = None,
        reads: type[BaseModel] | None = None,
        examples: dict[str, Any] | None = None,
        form: dict[str, Any] | None = None,
        also_answers: dict[int, tuple[str, Any]] | None = None,
        headers: dict[str, Any] | None = None,
        also_as: Collection[str] = (),
        units: int = 1,
        effort: int | None = None,
        costly_query: bytes = b"",
        is_streamed: bool = False,
        followed_as: str = "",
    ) -> None:
        """`operation_id` is what generated clients call it: a verb and a noun, like `createPayment`.

        `query` names the parameters the call knows; `families` those of the form name[key].

        `reads` or `form` documents the body, which endpoints read by themselves from the call: the gateway layer has
        judged and normalised it. `refusals` are those the route adds to what every call can meet, `named_in_body`
        those for what a member of the body names and is not there. `also_answers` are further statuses with their
        description and model, `headers` further headers of the answer, `also_as` further media types of text.
        `units`, `effort` and `costly_query` are what a call is charged (`Policy`); a list has an effort of its own.
        What `is_streamed` takes its turns by itself (`Call.turn`); `followed_as` is the media type of one that goes
        on as long as something happens (`Call.is_followed`).
        `needs_key` refuses a call without an idempotency key; `takes_key` is of a call that may have one.
        `other_scope` opens the route as well as `scope` does. `security` is what the manual says where the endpoint
        itself asks for something.
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
                express=express,
                other_scope=other_scope,
                units=units,
                effort=(LIST_EFFORT if "cursor" in query else 0) if effort is None else effort,
                costly_query=costly_query,
                is_streamed=is_streamed,
                followed_as=followed_as.encode("ascii"),
            )
        )
        answered = {"headers": route_manual.success_headers(scope, headers or {}, takes_key=needs_key or takes_key)}
        also = {"content": {media: {"schema": {"type": "string"}} for media in also_as}} if also_as else {}
        responses = route_manual.problem_responses(
            scope, body, refusals, named_in_body, needs_key=needs_key, takes_key=takes_key
        )
        for code, (text, model) in (also_answers or {}).items():
            problem = responses.get(code, {"description": ""})
            joined = f"{text}\n{problem['description']}".rstrip()
            responses[code] = {**problem, **answered, "description": joined, "model": model}
        options: dict[str, Any] = {} if answer_class is None else {"response_class": answer_class}
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            operation_id=operation_id,
            summary=summary,
            description=description,
            response_model=answer,
            **options,
            status_code=status,
            response_model_exclude_unset=True,
            dependencies=[Depends(parameter_check(frozenset(query), tuple(families)))],
            responses={**responses, status: {**answered, **also}},
            openapi_extra=route_manual.openapi_extra(
                security or route_manual.security_of(scope, other_scope),
                reads,
                examples,
                form,
                is_optional=body is BodyKind.OPTIONAL_JSON,
                needs_key=needs_key,
                takes_key=takes_key,
                has_metadata_filter="metadata" in families,
            ),
        )


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


def id_in(call: Call, prefix: Prefix) -> UUID:
    """What the call acts upon, out of a path like /v1/holds/{hold}/capture. Raises InvalidId."""
    return parse_id(prefix, call.path.split("/")[3])


def json_answer(status: int, content: Any, *, is_replay: bool = False) -> HttpAnswer:
    headers = (JSON_TYPE, REPLAYED) if is_replay else (JSON_TYPE,)
    return HttpAnswer(status, orjson.dumps(content), headers)


def as_response(answer: HttpAnswer) -> Response:
    """A ready answer for the web framework, which passes it on as it is."""
    response = Response(answer.body, status_code=answer.status)
    length = () if answer.status == 304 else ((b"content-length", b"%d" % len(answer.body)),)
    response.raw_headers = [*length, *answer.headers]
    return response
