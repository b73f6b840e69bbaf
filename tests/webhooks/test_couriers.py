"""A fault of ours with one delivery keeps no other one from being sent."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.conftest import Client
from tests.webhooks.conftest import Dispatching, endpoint_of
from tests.webhooks.receiver import receiving
from zerosum.db.queries.webhook_dispatch import AttemptResult
from zerosum.services.webhooks.couriers import PER_ENDPOINT_MAX
from zerosum.services.webhooks.sending import Parcel

EVENTS = PER_ENDPOINT_MAX + 20
TURNS = 40


async def test_a_fault_of_all_couriers_keeps_what_waits_behind_them_for_nobody(
    client: Client, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(is_running=False) as dispatcher:
        await endpoint_of(client, receiver.url, event_types=["payment.*"])
        for _ in range(EVENTS):
            await client.deposit("alice", "1.00")
        attempt, tried = dispatcher._sender.attempt, 0

        async def faulty(parcel: Parcel) -> AttemptResult:
            nonlocal tried
            tried += 1
            if tried <= PER_ENDPOINT_MAX:
                await asyncio.sleep(0.01)
                raise RuntimeError("a fault")
            return await attempt(parcel)

        monkeypatch.setattr(dispatcher._sender, "attempt", faulty)
        for _ in range(TURNS):
            await dispatcher.run_turn()
            await asyncio.sleep(0.05)
        assert tried >= PER_ENDPOINT_MAX
        # None is kept from whoever claims next: they were sent, have failed, or were given back.
        assert (dispatcher._couriers._waiting, dispatcher._couriers._at_work.total()) == ({}, 0)
        assert dispatcher._busy.total() == 0
