"""What stands at `/`: a page for people, JSON for programs, and the sign both show."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Annotated, Any

import orjson
from fastapi import Response
from pydantic import Field

from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters
from zerosum.api.manual import PAGE_TYPE, own_file, page_headers
from zerosum.api.openapi_document import TOKEN_PATH
from zerosum.api.schemas.fields import Response as ResponseModel
from zerosum.api.static_content import StaticContent, header, weights_of
from zerosum.gateway.routing import Call, HttpAnswer

_BLOCK = re.compile("<!-- if (?P<what>[a-z]+) -->\n(?P<text>.*?)<!-- end -->\n", re.DOTALL)
_STYLE = re.compile("<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What the first page tells. `url` is how clients reach the service."""

    url: str
    version: str
    has_manual: bool = True
    has_metrics: bool = True

    def links(self) -> dict[str, str]:
        """Each address of this service that somebody may look for, by what is there."""
        paths = {
            "manual": "/docs" if self.has_manual else None,
            "reference": "/redoc" if self.has_manual else None,
            "openapi": "/openapi.json" if self.has_manual else None,
            "token": TOKEN_PATH,
            "public_keys": "/.well-known/jwks.json",
            "health": "/healthz",
            "readiness": "/readyz",
            "metrics": "/metrics" if self.has_metrics else None,
        }
        return {name: f"{self.url}{path}" for name, path in paths.items() if path is not None}


class ServiceResponse(ResponseModel):
    """What runs here, and where everything is."""

    service: Annotated[str, Field(description="Always this.", examples=["zerosum"])]
    version: Annotated[str, Field(description="Of the software.", examples=["0.1.0"])]
    links: Annotated[
        dict[str, str],
        Field(description="Addresses by what is there.", examples=[{"health": "https://pay.example.com/healthz"}]),
    ]


def front_routes(front: Front) -> Routes:
    """The first page: the same for everybody, and without a word of who has an account here."""
    routes = Routes("Service")
    told = {"service": "zerosum", "version": front.version, "links": front.links()}
    page = first_page(front)
    for_people = StaticContent(page.encode, PAGE_TYPE, page_headers(_policy(page)), vary="Accept")
    for_programs = StaticContent(lambda: orjson.dumps(told), "application/json", vary="Accept")

    async def lean(call: Call) -> HttpAnswer:
        check_parameters(call.query_string, frozenset())
        content = for_people if prefers_html(header(call, b"accept")) else for_programs
        return await content.answer(call)

    async def service(call: TheCall) -> Response:
        return as_response(await lean(call))

    routes.add(
        "GET",
        "/",
        service,
        operation_id="getService",
        scope=None,
        lean=lean,
        summary="See what runs here",
        answer=ServiceResponse,
        also_as=("text/html",),
        description="Where the manual, health and tokens are: a page for browsers, JSON for everybody else.",
    )
    return routes


def icons() -> dict[str, StaticContent]:
    """The sign of the service, by its path."""
    return {
        "/favicon.svg": StaticContent(lambda: own_file("favicon.svg"), "image/svg+xml"),
        "/favicon.ico": StaticContent(lambda: own_file("favicon.ico"), "image/x-icon"),
    }


def prefers_html(accept: str) -> bool:
    """Browsers ask for it by name; programs ask for JSON, for anything, or for nothing."""
    weights = weights_of(accept)
    return weights.get("text/html", 0.0) > 0 and weights.get("text/html", 0.0) >= weights.get("application/json", 0.0)


def first_page(front: Front) -> str:
    """The template with what is so here. Its links are relative, so that they are right behind any prefix."""
    shown: dict[str, Any] = {"manual": front.has_manual, "metrics": front.has_metrics}

    def kept(block: re.Match[str]) -> str:
        return block["text"] if shown[block["what"]] else ""

    page = _BLOCK.sub(kept, own_file("first.html").decode())
    return page.replace("{url}", escape(front.url)).replace("{version}", escape(front.version))


def _policy(page: str) -> str:
    """Its one style, by its hash, and its sign. No script at all."""
    (style,) = _STYLE.findall(page)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return f"style-src 'sha256-{digest}'; img-src 'self'"
