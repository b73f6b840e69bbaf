"""What many look at: read once, held for a while, and shown meanwhile where that is said."""

from __future__ import annotations

import asyncio

import pytest

from zerosum.services.shared_looks import SharedLooks


class Source:
    """Tells one number more each time, when it is let."""

    def __init__(self) -> None:
        self.now = 0.0
        self.read_so_far = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_broken = False
        self.looks = SharedLooks(lambda: self.now, 10)

    async def read(self) -> int:
        self.read_so_far += 1
        number = self.read_so_far
        await self.gate.wait()
        if self.is_broken:
            raise RuntimeError("away")
        return number

    async def look(self, meanwhile: float = 0.0) -> int:
        return await self.looks.look("key", 10.0, self.read, meanwhile_seconds=meanwhile)


async def test_it_is_read_once_and_again_when_it_is_old() -> None:
    source = Source()
    assert await asyncio.gather(*(source.look() for _ in range(20))) == [1] * 20
    source.now = 9.9
    assert await source.look() == 1
    source.now = 10.0
    assert await source.look() == 2


async def test_what_was_read_before_is_shown_while_it_is_read_anew() -> None:
    source = Source()
    assert await source.look(60.0) == 1
    source.gate.clear()
    source.now = 10.0
    assert [await source.look(60.0) for _ in range(3)] == [1, 1, 1]
    waiting = asyncio.create_task(source.look())
    source.gate.set()
    assert await waiting == 2
    assert await source.look(60.0) == 2
    assert source.read_so_far == 2


async def test_what_is_too_old_is_waited_for() -> None:
    source = Source()
    assert await source.look(60.0) == 1
    source.now = 60.0
    assert await source.look(60.0) == 2


async def test_what_has_failed_does_not_hold_and_what_was_before_does() -> None:
    source = Source()
    assert await source.look(60.0) == 1
    source.now, source.is_broken = 10.0, True
    assert await source.look(60.0) == 1
    await asyncio.sleep(0)
    assert await source.look(60.0) == 1
    with pytest.raises(RuntimeError):
        await source.look()
    source.is_broken = False
    assert await source.look() > 1
