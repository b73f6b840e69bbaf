"""A lane's second connection comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.services.committing import lane_connections
from zerosum.services.committing.lane_connections import LaneConnections


class Connecting:
    """Opens connections, or has no more to give."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.has_more = True
        self.opened: list[BatchConnection] = []
        self.asked = 0

    async def __call__(self) -> BatchConnection:
        self.asked += 1
        if not self.has_more:
            raise OSError("no more connections")
        self.opened.append(await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX))
        return self.opened[-1]


@pytest.fixture
def connecting(test_database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Connecting:
    monkeypatch.setattr(lane_connections, "REOPENED_AFTER_SECONDS", 0.001)
    return Connecting(test_database.service_dsn)


@pytest.fixture
async def lane(connecting: Connecting) -> AsyncIterator[LaneConnections]:
    made = LaneConnections(connecting)
    yield made
    await made.close()
    assert all(connection.is_closed for connection in connecting.opened)


async def second_of(lane: LaneConnections) -> BatchConnection:
    assert lane.first is not None
    async with asyncio.timeout(10):
        while (second := lane.free([lane.first])) is None:
            await asyncio.sleep(0.001)
    return second


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_a_second_one_that_is_lost_alone_is_opened_again(
    connecting: Connecting, lane: LaneConnections, is_noticed: bool
) -> None:
    first = await lane.open(with_second=True)
    lost = await second_of(lane)
    connecting.has_more = False
    if is_noticed:
        lane.drop(lost)
    else:
        lost.terminate()
    assert lane.free([]) is first, "works go on with the one that is there"
    while connecting.asked < 5:
        assert lane.free([first]) is None
        await asyncio.sleep(0.001)
    connecting.has_more = True
    again = await second_of(lane)
    assert (again is lost, lane.first is first, again.server) == (False, True, first.server)
    assert len(connecting.opened) == 3


async def test_one_that_could_not_be_had_at_first_is_had_later(connecting: Connecting, lane: LaneConnections) -> None:
    async def once() -> BatchConnection:
        found = await connecting()
        connecting.has_more = False
        return found

    lane._connect = once
    await lane.open(with_second=True)
    connecting.has_more = True
    await second_of(lane)


async def test_a_lane_with_one_opens_no_other_and_one_that_ends_opens_none(
    connecting: Connecting, lane: LaneConnections
) -> None:
    first = await lane.open(with_second=False)
    assert lane.free([first]) is None
    assert lane._reopening is None
    await lane.open(with_second=True)
    lane.drop(await second_of(lane))
    lane.free([])
    lane.terminate()
    await asyncio.sleep(0.01)
    assert (lane.free([]), connecting.asked) == (None, 3)
