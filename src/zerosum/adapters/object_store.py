"""An object store that speaks S3's protocol: nothing is put over unseen, and what is there can be kept from removal.

Requests name the bucket in the path, which every such store understands. Nothing is read from the environment, no
redirect is followed.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from zerosum.adapters.aws_signature import StoreCredentials, encoded_path, encoded_query, signed_headers
from zerosum.adapters.safe_xml import FileWrong, named, parsed_xml, text_at

SECONDS_MAX = 10.0
"""Of one call, from the connection to the last byte."""

BYTES_MAX = 4 * 1024 * 1024
"""Of what is read: a page of names, or an object that we have put."""

NAMES_AT_ONCE = 1_000
PAGES_MAX = 1_000
"""Of one list of names."""

RETAINED_DAYS_MAX = 36_500
MODES = {"governance": "GOVERNANCE", "compliance": "COMPLIANCE"}

_PARAMETERS = {"region", "retained_days", "retention"}


@dataclass(frozen=True, slots=True)
class Form:
    """What an object is, as who reads it through the store is told."""

    content_type: str
    cache_control: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        cached = {} if self.cache_control is None else {"cache-control": self.cache_control}
        return {"content-type": self.content_type, **cached}


TEXT = Form("text/plain")


class Answer(NamedTuple):
    """`tag` names this state of the object."""

    status: int
    content: bytes
    tag: str

    @property
    def is_replaceable(self) -> bool:
        """If-Match compares strong tags alone (RFC 9110 section 13.1.1): some proxies make weak ones of them."""
        return self.tag.startswith('"')


class StoreFailed(OSError):
    """The store is away, refuses, or answers something else than a store does."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """`https://host/bucket/prefix?region=…&retained_days=…&retention=compliance`.

    Without `retained_days` a lock is left to the bucket's own rule.
    """

    scheme: str
    host: str
    bucket: str
    prefix: str
    region: str
    retained_days: int | None
    retention: str

    @classmethod
    def parse(cls, text: str) -> StoreAddress:
        """Raises ValueError, which says nothing of what was given beyond its parts."""
        parts = urlsplit(text)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment:
            raise ValueError("an object store is https://host/bucket/prefix")
        if parts.username or parts.password:
            raise ValueError("the credentials of an object store are settings of their own")
        bucket, _, prefix = parts.path.strip("/").partition("/")
        if not bucket:
            raise ValueError("the address of an object store names a bucket: https://host/bucket/prefix")
        given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if unknown := given.keys() - _PARAMETERS:
            raise ValueError(f"an object store has no parameter {', '.join(sorted(unknown))}")
        days = given.get("retained_days")
        if days is not None and not (days.isascii() and days.isdigit() and 1 <= int(days) <= RETAINED_DAYS_MAX):
            raise ValueError(f"retained_days is from 1 to {RETAINED_DAYS_MAX}")
        mode = MODES.get(given.get("retention", "compliance"))
        if mode is None:
            raise ValueError("retention is compliance or governance")
        return cls(
            parts.scheme,
            parts.netloc.rpartition("@")[2],
            bucket,
            f"{prefix}/" if prefix else "",
            given.get("region", "us-east-1"),
            None if days is None else int(days),
            mode,
        )


class ObjectStore:
    """Names are below the prefix of the address."""

    def __init__(
        self,
        address: StoreAddress,
        key_id: str,
        secret: SecretStr,
        now: Callable[[], datetime],
    ) -> None:
        self._address = address
        self._credentials = StoreCredentials(key_id, secret, address.region)
        self._now = now
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS_MAX)

    async def put(self, name: str, content: bytes, *, form: Form = TEXT, over: str | None = None) -> bool:
        """Whether it was put; False where there is one of this name, which stays as it is. Raises StoreFailed.

        `over` is the tag of one that it takes the place of; False where there is another one by now.
        """
        # MD5 as the protocol wants it where a lock is asked for: against faults on the way, and nobody's proof.
        digest = md5(content, usedforsecurity=False).digest()
        headers = {"content-md5": b64encode(digest).decode(), **form.headers}
        headers |= {"if-none-match": "*"} if over is None else {"if-match": over}
        if self._address.retained_days is not None:
            until = self._now().astimezone(UTC) + timedelta(days=self._address.retained_days)
            headers["x-amz-object-lock-mode"] = self._address.retention
            headers["x-amz-object-lock-retain-until-date"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
        status = (await self._call("PUT", self._address.prefix + name, headers=headers, body=content)).status
        if status not in (200, 201, 204, 412):
            raise StoreFailed(f"the object store answers {status} to a new object")
        return status != 412

    async def get(self, name: str) -> bytes:
        """Raises StoreFailed."""
        found = await self.find(name)
        if found is None:
            raise StoreFailed("the object store answers 404 for an object that it has listed")
        return found.content

    async def find(self, name: str) -> Answer | None:
        """None where there is none of this name. Raises StoreFailed."""
        answer = await self._call("GET", self._address.prefix + name)
        if answer.status not in (200, 404):
            raise StoreFailed(f"the object store answers {answer.status} for an object")
        return answer if answer.status == 200 else None

    async def last_below(self, folder: str) -> str | None:
        """The last name of those directly below a folder, by their order; a folder's ends with a slash."""
        last, after = "", ""
        for _ in range(PAGES_MAX):
            names, after = await self._page(folder, after)
            last = max([last, *names])
            if not after:
                return last or None
        raise StoreFailed("the object store has too many names in one folder")

    async def close(self) -> None:
        await self._client.aclose()

    async def _page(self, folder: str, after: str) -> tuple[list[str], str]:
        """Names below the prefix, and how to go on."""
        query = {
            "list-type": "2",
            "prefix": self._address.prefix + folder,
            "delimiter": "/",
            "max-keys": str(NAMES_AT_ONCE),
            **({"continuation-token": after} if after else {}),
        }
        answer = await self._call("GET", "", query=query)
        if answer.status != 200:
            raise StoreFailed(f"the object store answers {answer.status} to a list")
        try:
            found = parsed_xml("the list of the object store", [answer.content])
        except FileWrong as error:
            raise StoreFailed(str(error)) from None
        own = len(self._address.prefix)
        listed = [*named(found, "Contents", "Key"), *named(found, "CommonPrefixes", "Prefix")]
        return [(one.text or "")[own:] for one in listed], text_at(found, "NextContinuationToken") or ""

    async def _call(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        address, asked = self._address, query or {}
        path = f"/{address.bucket}/{name}" if name else f"/{address.bucket}"
        signed = signed_headers(self._credentials, method, address.host, path, asked, headers or {}, body, self._now())
        url = f"{address.scheme}://{address.host}{encoded_path(path)}"
        if asked:
            url = f"{url}?{encoded_query(asked)}"
        try:
            async with (
                asyncio.timeout(SECONDS_MAX),
                self._client.stream(method, url, headers=signed, content=body) as answer,
            ):
                content = bytearray()
                async for chunk in answer.aiter_raw():
                    content += chunk
                    if len(content) > BYTES_MAX:
                        raise StoreFailed("the object store answers more than was put there")
                return Answer(answer.status_code, bytes(content), answer.headers.get("etag", ""))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise StoreFailed(f"the object store is not reached ({type(error).__name__})") from error
