"""Reads the public keys of another issuer of tokens from its https address.

What comes back is only as good as the way it came: https with a checked certificate, no redirects, no proxies from the
environment, and bounds on time and size, since the far end may be slow, broken or hostile.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

JWKS_SECONDS_MAX = 3.0
JWKS_BYTES_MAX = 256 * 1024
JWKS_KEYS_MAX = 100


class JwksUnreadable(Exception):
    """No usable set of keys came back. Whoever has an older one keeps it."""


class JwksDownload:
    """One issuer's address. `gateway/identity/key_sets.py` decides when to read it, and for how long to believe it."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        address = httpx.URL(url)
        if address.scheme != "https" or not address.host or address.userinfo or address.fragment:
            raise ValueError("a JSON Web Key Set is read from an https address without a user or fragment")
        self.url = url
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            timeout=JWKS_SECONDS_MAX,
            # Compressed content could be small on the way and huge in memory.
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def read(self) -> dict[str, Any]:
        """The key set, without any symmetric key. Raises JwksUnreadable."""
        try:
            async with asyncio.timeout(JWKS_SECONDS_MAX):
                body = await self._read_body()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise JwksUnreadable(f"the keys cannot be fetched ({type(error).__name__})") from error
        return _parse(body)

    async def close(self) -> None:
        await self._client.aclose()

    async def _read_body(self) -> bytes:
        async with self._client.stream("GET", self.url) as response:
            if response.status_code != 200:
                raise JwksUnreadable(f"the answer is {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise JwksUnreadable("the answer is compressed, which was not asked for")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > JWKS_BYTES_MAX:
                    raise JwksUnreadable(f"the answer is longer than {JWKS_BYTES_MAX} bytes")
            return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise JwksUnreadable("the answer is not JSON") from error
    return parse_keys(content)


def parse_keys(content: Any) -> dict[str, Any]:
    """The key set, without any symmetric key. Raises JwksUnreadable."""
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list) or len(keys) > JWKS_KEYS_MAX:
        raise JwksUnreadable(f"the answer is not a set of at most {JWKS_KEYS_MAX} keys")
    # A symmetric key that is published is no secret: tokens "signed" with it may come from anybody.
    return {"keys": [key for key in keys if isinstance(key, dict) and key.get("kty") != "oct"]}
