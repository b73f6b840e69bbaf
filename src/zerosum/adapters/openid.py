"""Speaks to an issuer of OpenID Connect: finds its endpoints and keys, and redeems a code for an id token.

What comes back is only as good as the way it came: https with a checked certificate (plain http on this machine alone),
no redirects, no proxies from the environment, and bounds on time and size.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from zerosum.adapters.jwks import parse_keys
from zerosum.domain.errors import SignInRefused, Unavailable

SECONDS_MAX = 5.0
BYTES_MAX = 256 * 1024
ASKED_AT_ONCE_MAX = 20
"""Each question is a stranger's who wants to sign in: so many may wait for an issuer that is slow."""

CONFIGURATION_SECONDS = 3_600.0
"""So long its endpoints are believed to be where they were."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Endpoints(NamedTuple):
    authorization: str
    token: str
    keys: str


class OpenIdProvider:
    """One issuer, as one client of it. Without a secret it is a public client, which PKCE alone protects."""

    def __init__(self, issuer: str, client_id: str, client_secret: str | None) -> None:
        _checked(issuer)
        self.issuer = issuer
        self.client_id = client_id
        self._secret = client_secret
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=SECONDS_MAX,
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )
        self._endpoints: tuple[float, Endpoints] | None = None
        self._asking = 0

    async def endpoints(self) -> Endpoints:
        """Raises Unavailable."""
        if self._endpoints is None or time.monotonic() - self._endpoints[0] > CONFIGURATION_SECONDS:
            address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            _, told = await self._ask("GET", address)
            try:
                if told["issuer"] != self.issuer:
                    raise ValueError("it is another issuer's")
                names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                found = Endpoints(*(_checked(told[name]) for name in names))
            except (KeyError, TypeError, ValueError) as error:
                raise _away("its configuration cannot be used") from error
            self._endpoints = (time.monotonic(), found)
        return self._endpoints[1]

    async def read_keys(self) -> dict[str, Any]:
        """Raises Unavailable, JwksUnreadable."""
        status, told = await self._ask("GET", (await self.endpoints()).keys)
        if status != 200:
            raise _away("its keys cannot be read")
        return parse_keys(told)

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The id token. Raises SignInRefused where the code is no good, Unavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
            "client_id": self.client_id,
        }
        # RFC 6749 section 2.3.1: both are encoded as in a form before they become a password.
        auth = None if self._secret is None else (quote(self.client_id, safe=""), quote(self._secret, safe=""))
        status, told = await self._ask("POST", (await self.endpoints()).token, data=form, auth=auth)
        token = told.get("id_token") if isinstance(told, dict) else None
        if status == 200 and isinstance(token, str):
            return token
        if 400 <= status < 500:
            raise SignInRefused("The issuer does not know this code: sign in again.")
        raise _away("it gave no id token")

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, address: str, **options: Any) -> tuple[int, Any]:
        if self._asking >= ASKED_AT_ONCE_MAX:
            raise _away("too many ask")
        self._asking += 1
        try:
            async with asyncio.timeout(SECONDS_MAX), self._client.stream(method, address, **options) as response:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > BYTES_MAX:
                        raise _away("its answer is too long")
                return response.status_code, json.loads(bytes(body).decode("utf-8"))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise _away(type(error).__name__) from error
        finally:
            self._asking -= 1


def _checked(address: str) -> str:
    """Raises ValueError unless what is asked there stays between the issuer and us."""
    url = httpx.URL(address)
    is_safe = url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK)
    if not is_safe or not url.host or url.userinfo or url.fragment:
        raise ValueError("an issuer has an https address without a user or fragment")
    return address


def _away(why: str) -> Unavailable:
    return Unavailable(f"The issuer cannot be asked ({why}); try again.", retry_after=5)
