"""Long results leave the event loop to others now and then."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from zerosum.db.gently import PIECE, gently


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE + 3])
async def test_everything_is_made_in_order_and_others_run_in_between(length: int) -> None:
    seen: list[int] = []
    made_so_far: list[int] = []

    async def watch() -> None:
        while True:
            made_so_far.append(len(seen))
            await asyncio.sleep(0)

    def make(number: int) -> str:
        seen.append(number)
        return str(number)

    watching = asyncio.create_task(watch())
    try:
        assert await gently(make, iter(range(length))) == [str(number) for number in range(length)]
    finally:
        watching.cancel()
    steps = [after - before for before, after in pairwise(made_so_far)]
    assert max(steps, default=0) <= PIECE
    assert len(made_so_far) >= length // PIECE
