"""The worker's chores: again and again, whatever happens to one of them, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging

import pytest

from zerosum.worker import Chore, _repeat


async def test_a_chore_is_done_again_and_again_until_the_stop() -> None:
    stop, turns = asyncio.Event(), 0

    async def run_once() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            stop.set()

    await asyncio.wait_for(_repeat(Chore("count", 0.001, run_once), stop), 5)
    assert turns == 3


async def test_a_chore_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stop, turns = asyncio.Event(), 0

    async def run_once() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            stop.set()
        raise ValueError("away")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(_repeat(Chore("count", 0.001, run_once), stop), 5)
    assert turns == 2
    assert [record.getMessage() for record in caplog.records] == ["background work failed: count"] * 2


async def test_the_stop_does_not_wait_for_the_next_turn() -> None:
    stop, is_done = asyncio.Event(), asyncio.Event()

    async def run_once() -> None:
        is_done.set()

    task = asyncio.create_task(_repeat(Chore("rare", 3600.0, run_once), stop))
    await is_done.wait()
    stop.set()
    await asyncio.wait_for(task, 5)
