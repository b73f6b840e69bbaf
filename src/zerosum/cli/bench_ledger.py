"""Where `zerosum bench` pays: in a ledger named `bench`, made for it where its credential may do so."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from zerosum.adapters.clock import now
from zerosum.cli.load import LoadFailed
from zerosum.cli.talk import USAGE, CommandFailed

NAME = "bench"
SCOPES = ("accounts:read", "accounts:write", "payments:read", "payments:write", "reports:read")
KEY_LIFE = timedelta(hours=1)
"""Of the key that is made for a run. It is revoked at the end; this bounds it where that does not succeed."""

PAGE, PAGES_MAX = 200, 100
"""A service with more ledgers than that gets another one named `bench`."""

Ledger = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A credential to pay with, and where that is, in words."""

    token: str
    name: str


@asynccontextmanager
async def bench_place(client: httpx.AsyncClient, token: str, *, is_sure: bool) -> AsyncIterator[Place]:
    """Raises CommandFailed rather than pay in a ledger that may be somebody's books, unless `is_sure`; LoadFailed."""
    seen = await _ledgers(client)
    ledger = await _bench_ledger(client, seen)
    key = None if ledger is None else await _key(client, ledger)
    if key is not None and ledger is not None:
        try:
            yield Place(key["key"], f"the ledger `{NAME}` ({ledger['id']})")
        finally:
            with contextlib.suppress(httpx.HTTPError):
                await client.delete(f"/v1/api-keys/{key['id']}")
        return
    name = f"the ledger `{seen[0]['name']}` ({seen[0]['id']})" if len(seen) == 1 else "the ledger of this credential"
    is_named_so = len(seen) == 1 and seen[0]["name"] == NAME
    if not is_named_so and not is_sure:
        raise CommandFailed(
            f"bench leaves accounts and money behind, here in {name}: --yes if that may be, or give it a credential "
            f"that may make a ledger of its own, or one of a ledger named `{NAME}`",
            USAGE,
        )
    yield Place(token, name)


async def _ledgers(client: httpx.AsyncClient) -> list[Ledger]:
    """Those the credential may see: none where it administers nothing."""
    found: list[Ledger] = []
    parameters = {"limit": str(PAGE)}
    for _ in range(PAGES_MAX):
        answer = await _ask(client, "GET", "/v1/ledgers", parameters=parameters)
        if answer is None:
            return []
        found += answer["data"]
        if not answer["has_more"]:
            break
        parameters = {"limit": str(PAGE), "cursor": answer["next_cursor"]}
    return found


async def _bench_ledger(client: httpx.AsyncClient, seen: list[Ledger]) -> Ledger | None:
    there: Ledger | None = next((ledger for ledger in seen if ledger["name"] == NAME), None)
    if there is not None or not seen:
        return there
    return await _ask(client, "POST", "/v1/ledgers", {"name": NAME})


async def _key(client: httpx.AsyncClient, ledger: Ledger) -> Ledger | None:
    expires_at = (now() + KEY_LIFE).isoformat().replace("+00:00", "Z")
    wanted = {"ledger": ledger["id"], "name": "zerosum bench", "scopes": SCOPES, "expires_at": expires_at}
    return await _ask(client, "POST", "/v1/api-keys", wanted)


async def _ask(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The answer, or None where the credential may not."""
    try:
        answer = await client.request(method, path, json=body, params=parameters)
    except httpx.HTTPError as error:
        raise LoadFailed(
            f"cannot connect to {client.base_url.netloc.decode()}: {error or type(error).__name__}"
        ) from None
    if answer.status_code in (403, 404):
        return None
    if answer.status_code not in (200, 201):
        raise LoadFailed(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
    content: dict[str, Any] = answer.json()
    return content
