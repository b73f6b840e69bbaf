"""Readers of the feed: each event once, and those again that were not done."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.python_client.conftest import Place, blocking
from zerosum.client import AsyncClient, Client, PositionFile


async def opened(client: AsyncClient, *codes: str) -> None:
    for code in codes:
        await client.accounts.open(code, currency="USD", type="liability")


async def seen(client: AsyncClient, count: int) -> list[str]:
    """The feed ends below the oldest transaction that runs anywhere on the server, so this may take a moment."""
    while True:
        found = [event.data["code"] async for event in client.events.read(type="account.opened")]
        if len(found) >= count:
            return found


async def test_a_reader_goes_on_behind_what_it_has_done(place: Place, client: AsyncClient, tmp_path: Path) -> None:
    await opened(client, "a", "b", "c")
    assert await seen(client, 3) == ["a", "b", "c"]
    position = PositionFile(tmp_path / "position")
    async for event in client.events.read(position=position, type=["account.opened", "account.frozen"]):
        if event.data["code"] == "b":
            break  # as if it had crashed in the middle of it
    kept = position.read()
    assert kept is not None

    def rest(other: Client) -> list[str]:
        return [event.data["code"] for event in other.events.read(position=position, type="account.*")]

    assert await blocking(place, rest) == ["b", "c"]
    assert await blocking(place, rest) == []
    assert [event.data["code"] async for event in client.events.read(after=kept)] == ["b", "c"]


async def test_a_follower_hears_of_what_comes(client: AsyncClient) -> None:
    follower = aiter(client.events.follow(after="latest", type="account.opened"))
    first = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    for number in range(50):  # it may have begun to follow behind the first of them
        await opened(client, f"new:{number}")
        done, _ = await asyncio.wait([first], timeout=0.1)
        if done:
            break
    assert (await asyncio.wait_for(first, 30)).data["code"].startswith("new:")
