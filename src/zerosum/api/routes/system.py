"""What is open to everybody: health, the token endpoint and the keys that verify its tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import orjson
from fastapi import Response
from pydantic import Field

from zerosum.api.endpoints import JSON_TYPE, Routes, TheCall, as_response, check_parameters, json_answer
from zerosum.api.openapi_document import TOKEN_PATH
from zerosum.api.routes.metrics import MetricsPage
from zerosum.api.schemas.fields import Response as ResponseModel
from zerosum.domain.errors import Unavailable
from zerosum.gateway.identity.oauth import OAuthError, OAuthErrorCode, TokenEndpoint
from zerosum.gateway.routing import BodyKind, Call, HttpAnswer

FORM_FIELDS_MAX = 20

FORM_SCHEMA = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                    "client_id": {"type": "string", "description": "The API key's id; or both in a Basic header."},
                    "client_secret": {"type": "string", "format": "password", "description": "The API key itself."},
                    "scope": {"type": "string", "description": "Space separated; by default all the key has."},
                },
            }
        }
    },
}


class HealthResponse(ResponseModel):
    """It is well; otherwise the answer is a problem."""

    status: Annotated[Literal["ok"], Field(description="Always this.")]


class TokenResponse(ResponseModel):
    """An access token (RFC 6749 section 5.1)."""

    access_token: Annotated[str, Field(description="For the header Authorization.", examples=["eyJhbGciOiJFUzI1NiIs…"])]
    token_type: Annotated[Literal["Bearer"], Field(description="How it is presented.")]
    expires_in: Annotated[int, Field(description="Seconds.", examples=[900])]
    scope: Annotated[str, Field(description="What it may do.", examples=["accounts:read payments:write"])]


class TokenRefusal(ResponseModel):
    """A refusal (RFC 6749 section 5.2)."""

    error: Annotated[str, Field(description="A word of RFC 6749.", examples=["invalid_client"])]
    error_description: Annotated[str | None, Field(description="The same in a sentence.")] = None


class KeySetResponse(ResponseModel):
    """A JSON Web Key set (RFC 7517)."""

    keys: Annotated[list[dict[str, Any]], Field(description="The public keys, each with its `kid`.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """`is_ready` is False while the service drains or cannot write. Without `metrics` there is no such page."""

    token_endpoint: TokenEndpoint
    public_keys: Callable[[], Awaitable[dict[str, Any]]]
    is_ready: Callable[[], Awaitable[bool]]
    metrics: MetricsPage | None


def system_routes(system: System) -> Routes:
    routes = Routes("Service")

    async def alive(call: Call) -> HttpAnswer:
        check_parameters(call.query_string, frozenset())
        return HttpAnswer(200, b'{"status":"ok"}', (JSON_TYPE,))

    async def health() -> dict[str, str]:
        return {"status": "ok"}

    async def ready() -> Response:
        if not await system.is_ready():
            raise Unavailable("The service is starting, shutting down, or cannot write.", retry_after=1)
        return as_response(json_answer(200, {"status": "ok"}))

    async def issue_token(call: TheCall) -> Response:
        try:
            form = parse_qs(
                call.body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX
            )
        except ValueError:
            answer: Any = OAuthError(OAuthErrorCode.INVALID_REQUEST, "The form cannot be read.")
        else:
            answer = await system.token_endpoint.grant(
                form, call.authorization, address=call.address, certificate_subject=call.certificate_subject
            )
        status = answer.status if isinstance(answer, OAuthError) else 200
        return Response(
            orjson.dumps(answer.members()), status_code=status, media_type="application/json", headers=answer.headers()
        )

    async def public_keys() -> dict[str, Any]:
        return await system.public_keys()

    routes.add(
        "GET",
        "/healthz",
        health,
        operation_id="getHealth",
        scope=None,
        lean=alive,
        summary="Alive",
        answer=HealthResponse,
        description="Touches nothing.",
    )
    routes.add(
        "GET",
        "/readyz",
        ready,
        operation_id="getReadiness",
        scope=None,
        summary="Ready to serve",
        answer=HealthResponse,
        description="A payment could be made: PostgreSQL takes writes, and the service is not shutting down.",
    )
    routes.add(
        "POST",
        TOKEN_PATH,
        issue_token,
        operation_id="issueToken",
        scope=None,
        body=BodyKind.FORM,
        summary="Get an access token",
        answer=TokenResponse,
        form=FORM_SCHEMA,
        also_answers={400: ("The request is wrong.", TokenRefusal), 401: ("The client is unknown.", TokenRefusal)},
        description="OAuth2 client credentials (RFC 6749 section 4.4).",
    )
    routes.add(
        "GET",
        "/.well-known/jwks.json",
        public_keys,
        operation_id="getPublicKeys",
        scope=None,
        summary="The keys that verify access tokens",
        answer=KeySetResponse,
        description="Keys retired lately are among them, so that tokens signed with them can still be verified.",
    )
    return routes
