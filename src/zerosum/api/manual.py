"""The manual: the OpenAPI document, Swagger UI at /docs and ReDoc at /redoc, with nothing loaded from elsewhere.

All addresses in the pages are relative: they are right behind a proxy that puts a prefix before them, too.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import orjson

from zerosum.api.static_content import Headers, StaticContent
from zerosum.domain.errors import NotFound
from zerosum.gateway.routing import Call, HttpAnswer

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "manual.js": "text/javascript",
    "reference.js": "text/javascript",
    "manual.css": "text/css",
}
OWN_ASSETS = ("manual.js", "reference.js", "manual.css")

REMOTE_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""The one picture that ReDoc would load from elsewhere; it does without where there is none."""

PAGE_TYPE = "text/html; charset=utf-8"
_ASSET = re.compile(rb'docs/assets/([^"?]+)')


def page_headers(policy: str) -> Headers:
    """What a page may do, and that no other page may hold it in a frame or learn where a link on it led from."""
    always = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return (
        (b"content-security-policy", f"default-src 'none'; {policy}; {always}".encode()),
        (b"referrer-policy", b"no-referrer"),
    )


# They run scripts of this service only, and speak to it only. Both draw with styles they make up as they go.
_SWAGGER_MAY = (
    "script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)
_REDOC_MAY = f"{_SWAGGER_MAY}; worker-src blob:"


def own_file(name: str) -> bytes:
    """Of those that lie beside this module."""
    return (files("zerosum.api") / "pages" / name).read_bytes()


class Manual:
    """The pages by their path, and the files they load by name."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._assets = {name: StaticContent(_maker(name), kind) for name, kind in ASSETS.items()}
        self._pages = {
            "/openapi.json": StaticContent(lambda: orjson.dumps(document()), "application/json"),
            "/docs": self._page("docs.html", _SWAGGER_MAY),
            "/redoc": self._page("redoc.html", _REDOC_MAY),
        }

    def endpoints(self) -> dict[str, Callable[[Call], Awaitable[HttpAnswer]]]:
        """By the template of their path."""
        return {**{path: page.answer for path, page in self._pages.items()}, "/docs/assets/{name}": self._asset}

    async def _asset(self, call: Call) -> HttpAnswer:
        asset = self._assets.get(call.path.rpartition("/")[2])
        if asset is None:
            raise NotFound("There is nothing at this address.")
        return await asset.answer(call)

    def _page(self, name: str, policy: str) -> StaticContent:
        """With the version of each file it loads in its address, so that the file can be kept for ever."""

        def versioned(found: re.Match[bytes]) -> bytes:
            return b"%b?v=%b" % (found[0], self._assets[found[1].decode()].version().encode())

        return StaticContent(lambda: _ASSET.sub(versioned, own_file(name)), PAGE_TYPE, page_headers(policy))


def _maker(name: str) -> Callable[[], bytes]:
    if name in OWN_ASSETS:
        return lambda: own_file(name)
    return lambda: (files("fastapi_offline") / "static" / name).read_bytes().replace(REMOTE_LOGO, b"data:,")
