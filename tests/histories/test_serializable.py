"""All that callers see of a real `zerosum up`, while it is killed as well: one order explains it, or it does not."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from itertools import count
from uuid import UUID

import pytest

from tests.campaigns.installation import Installation, installed
from tests.campaigns.wire import Wire
from tests.committer.ground import assert_books_are_right
from tests.histories.callers import Callers
from tests.histories.history import check

_numbers = count(1)

KILLED_EVERY_SECONDS = 3.0


async def opened(installation: Installation, number: int) -> list[str]:
    """Accounts that may go below zero, so that no order of payments is refused."""
    wire = Wire(installation.base_url, installation.credentials["api_key"])
    codes = [f"history:{next(_numbers)}" for _ in range(number)]
    for code in codes:
        body = {"code": code, "currency": "USD", "type": "liability", "min_available": None}
        assert (await wire.ask("POST", "/v1/accounts", body)).status == 201
    wire.close()
    return codes


async def one_order_explains_it(installation: Installation, *, calls: int, accounts: int, callers: int) -> None:
    codes = await opened(installation, accounts)
    all_of_them = Callers(installation.base_url, installation.credentials["api_key"], codes, f"{codes[0]}-")
    await all_of_them.run(calls, callers)
    await asyncio.to_thread(installation.wait_until_ready)
    superuser = await installation.superuser()
    try:
        ledger_id = UUID(installation.credentials["ledger"].removeprefix("led_"))
        history = await all_of_them.history(superuser, ledger_id)
        await assert_books_are_right(superuser, ledger_id)
    finally:
        await superuser.close()
    shown = len(all_of_them.paid), len(all_of_them.balances), len(all_of_them.snapshots)
    print("\n{} payments, {} balances, {} snapshots of the ledger".format(*shown))
    assert all(shown)
    check(history)


async def _killed(installation: Installation) -> None:
    chance = random.Random(1)
    while True:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * KILLED_EVERY_SECONDS)
        victims = installation.api_pids()
        if victims:
            os.kill(chance.choice(victims), signal.SIGKILL)


async def test_what_callers_see_is_one_order() -> None:
    with installed("--workers", "2", is_warm=True) as installation:
        await one_order_explains_it(installation, calls=2_000, accounts=5, callers=16)


@pytest.mark.campaign
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("is_killed", [False, True])
async def test_100_000_calls_are_one_order(processes: int, *, is_killed: bool) -> None:
    with installed("--workers", str(processes)) as installation:
        killing = asyncio.ensure_future(_killed(installation)) if is_killed else None
        try:
            await one_order_explains_it(installation, calls=100_000, accounts=50, callers=64)
        finally:
            if killing is not None:
                killing.cancel()
