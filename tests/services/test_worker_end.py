"""The worker ends when it is told to, however long its turn over all ledgers would take."""

from __future__ import annotations

import asyncio

from zerosum.worker import end_within


async def test_what_goes_on_for_too_long_is_cut_off_and_the_rest_ends_by_itself() -> None:
    ended: list[str] = []

    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(name)

    tasks = [asyncio.create_task(work("short", 0.01)), asyncio.create_task(work("long", 3600))]
    async with asyncio.timeout(30):
        await end_within(tasks, 0.5)
    assert ended == ["short"]
    assert tasks[1].cancelled()
