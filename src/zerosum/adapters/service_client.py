"""The service as its own command line meets it: over HTTP, like every other client."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from zerosum.domain.errors import DomainError, Unavailable

SECONDS_MAX = 5.0
CALL_SECONDS_MAX = 30.0
"""Of a call of a ledger, which may carry a thousand items."""


class ServiceAway(Exception):
    """The service does not answer, or not as it should. The message is one clear line."""


def request_token(
    base_url: str, client_id: str, client_secret: str, *, scope: str | None, certificate: Path | None
) -> str:
    """An access token by client credentials. `certificate` is trusted in place of the system's. Raises ServiceAway."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    if scope is not None:
        form["scope"] = scope
    trust = ssl.create_default_context(cafile=certificate) if certificate is not None else True
    try:
        answer = httpx.post(f"{base_url}/v1/oauth/token", data=form, timeout=SECONDS_MAX, trust_env=False, verify=trust)
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServiceAway(f"the service at {base_url} does not answer: {error}") from None
    if answer.status_code != 200:
        raise ServiceAway(f"no token: {content.get('error_description') or content.get('error')}")
    token: str = content["access_token"]
    return token


def service_address(text: str) -> httpx.URL:
    """Raises ValueError for what is none, in one clear line."""
    try:
        url = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not an http or https URL")
    return url


class LedgerClient:
    """The ledger of a credential. Use it as a context.

    Each call raises Unavailable for what can be tried again, one of `expected` where the service refuses it so, and
    ServiceAway for all the rest.
    """

    expected: ClassVar[tuple[type[DomainError], ...]] = ()

    def __init__(self, base_url: str, token: str) -> None:
        """Raises ValueError for an address that is none and a token that cannot be one, in one clear line."""
        if not (token.isascii() and token.isprintable()):
            raise ValueError("the token holds characters that no token has")
        self._http = httpx.AsyncClient(
            base_url=service_address(base_url),
            headers={"Authorization": f"Bearer {token}"},
            timeout=CALL_SECONDS_MAX,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, json=body)
            content: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"The service does not answer ({type(error).__name__}).", retry_after=1) from None
        if answer.is_success:
            return content
        detail = str(content.get("detail") or answer.reason_phrase)
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable(detail, retry_after=1)
        for kind in self.expected:
            if content.get("code") == kind.code:
                raise kind(detail)
        raise ServiceAway(f"the service answers {answer.status_code}: {detail}")
