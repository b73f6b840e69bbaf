"""Which commands share a transaction: those that wait together, and those whose callers are just coming back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from tests.committer.ground import Ground
from zerosum.domain.errors import InsufficientFunds
from zerosum.domain.ledger.outcome import Refused
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.held_up import HeldUp
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.committing.work import Work

ROUNDS = 6
CALLERS = 8


class Notebook:
    """A carrier that only notes how many commands came in each batch, and refuses them all."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def warm_up(self) -> None:
        return

    has_room = False

    async def launch(self, _works: Sequence[Work]) -> None:
        return None

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        self.batches.append(sum(len(work.commands) for work in works))
        await asyncio.sleep(0)
        for work in works:
            work.resolve([Refused(InsufficientFunds("Noted.")) for _ in work.commands])
        return HeldUp()

    def abandon(self) -> None:
        return

    async def close(self) -> None:
        return


async def noted(ground: Ground, callers: int) -> list[int]:
    """The sizes of the batches that so many callers cause, each of whom sends one command after another."""
    notebook = Notebook()
    committer = Committer(lambda: notebook, CommitterOptions(), CommitterStats())
    committer.start()
    command = ground.transfer(UUID(int=1), UUID(int=2), "1.00")

    async def call() -> None:
        for _ in range(ROUNDS):
            await committer.carry_out(command)
            await asyncio.sleep(0)  # the way to the caller and back

    await asyncio.gather(*(call() for _ in range(callers)))
    await committer.stop()
    assert sum(notebook.batches) == callers * ROUNDS
    return notebook.batches


async def test_callers_who_come_back_together_share_one_batch(ground: Ground) -> None:
    assert CALLERS in (await noted(ground, CALLERS))[1:]


async def test_one_caller_has_batches_of_one(ground: Ground) -> None:
    assert await noted(ground, 1) == [1] * ROUNDS
