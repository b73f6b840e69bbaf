"""The page that Prometheus reads: open, behind a token, or on a port of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from fastapi import Response
from fastapi.responses import PlainTextResponse

from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters
from zerosum.api.route_manual import METRICS_TOKEN
from zerosum.domain import errors
from zerosum.gateway.routing import Call, HttpAnswer

_SCHEME = b"bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """`expose` gives the text and its media type, for a reader who accepts so. No `token`: everybody may read it."""

    expose: Callable[[str], tuple[bytes, str]]
    token: str | None = None

    def check(self, authorization: bytes | None) -> None:
        """Raises Unauthenticated."""
        if self.token is None:
            return
        given = authorization or b""
        # Digests are of one length, so that the comparison takes the same time whatever was given.
        is_right = compare_digest(
            sha256(given[len(_SCHEME) :].lstrip(b" ")).digest(), sha256(self.token.encode()).digest()
        )
        if given[: len(_SCHEME)].lower() != _SCHEME or not is_right:
            raise errors.Unauthenticated("The metrics are behind a token of their own.")


def metrics_routes(page: MetricsPage) -> Routes:
    routes = Routes("Service")

    async def lean(call: Call) -> HttpAnswer:
        page.check(call.authorization)
        check_parameters(call.query_string, frozenset())
        accept = ", ".join(value.decode("latin-1") for name, value in call.headers if name == b"accept")
        text, media_type = page.expose(accept)
        return HttpAnswer(200, text, ((b"content-type", media_type.encode("ascii")),))

    async def metrics(call: TheCall) -> Response:
        return as_response(await lean(call))

    is_open = page.token is None
    routes.add(
        "GET",
        "/metrics",
        metrics,
        operation_id="getMetrics",
        scope=None,
        security=None if is_open else [{METRICS_TOKEN: []}],
        refusals=() if is_open else (errors.Unauthenticated,),
        lean=lean,
        summary="Metrics for Prometheus",
        answer=None,
        answer_class=PlainTextResponse,
        description="In the Prometheus text format, or as OpenMetrics with exemplars where that is accepted; summed"
        " over all processes of this service.",
    )
    return routes
