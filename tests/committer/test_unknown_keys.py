"""Of a key whose COMMIT was lost nobody says that nothing was done, until somebody knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, connecting
from tests.conftest import TestDatabase
from zerosum.adapters.balance_cache import NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.db.batch import BatchConnection
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.committing.unknown_keys import PLACES, PROBES, UnknownKeys, _Words

LEDGER = UUID(int=5)


class Outage:
    """PostgreSQL, which goes away with the next COMMIT: it is carried out or not, and nobody is told."""

    def __init__(self, dsn: str, *, commits: bool) -> None:
        self._dsn, self._commits = dsn, commits
        self.is_away = False

    async def __call__(self) -> BatchConnection:
        if self.is_away:
            raise ConnectionRefusedError
        connection = await BatchConnection.open(self._dsn, CONNECT_SECONDS_MAX)
        sound = connection.commit

        async def lost(seconds_max: float) -> None:
            if self._commits:
                await sound(seconds_max)
            self.is_away = True
            raise CommitOutcomeUnknown

        connection.commit = lost  # type: ignore[method-assign]
        return connection


@asynccontextmanager
async def committing(connect: object, keys: UnknownKeys) -> AsyncIterator[Committer]:
    stats = CommitterStats()

    def carrier() -> BatchRunner:
        return BatchRunner(connect, now, NoBalanceCache(), stats, remembers=False)  # type: ignore[arg-type]

    committer = Committer(carrier, CommitterOptions(deadline_seconds=2.0), stats, keys)
    committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


@pytest.mark.parametrize("commits", [True, False])
async def test_a_key_that_is_asked_again_while_the_database_is_away_is_unknown_in_every_process(
    ground: Ground, test_database: TestDatabase, *, commits: bool
) -> None:
    source, target = await ground.open(2, floor=None)
    keys, outage = UnknownKeys(), Outage(test_database.service_dsn, commits=commits)
    command, other = ground.transfer(source, target, "1.00"), ground.transfer(source, target, "2.00")
    async with committing(outage, keys) as losing, committing(outage, keys) as another:
        with pytest.raises(OutcomeUnknown):
            await losing.carry_out(command)

        async def must_be_unknown(committer: Committer) -> None:
            with pytest.raises(OutcomeUnknown):
                await committer.carry_out(command)
            with pytest.raises(OutcomeUnknown):
                await committer.carry_out_each([other, command])
            with pytest.raises(OutcomeUnknown):  # It was told so with the one that is not known.
                await committer.carry_out(other)
            with pytest.raises(Unavailable):
                await committer.carry_out(ground.transfer(source, target, "3.00"))

        await asyncio.gather(must_be_unknown(losing), must_be_unknown(another))  # each waits for its deadline
    async with committing(connecting(test_database.service_dsn), keys) as committer:
        assert isinstance(await committer.carry_out(command), Replayed if commits else Posted)
        assert isinstance(await committer.carry_out(other), Posted)
    assert len(keys) == 0, "they are known"
    async with committing(outage, keys) as committer:
        with pytest.raises(Unavailable):
            await committer.carry_out(ground.transfer(source, target, "4.00"))


async def test_a_committer_that_stops_does_not_say_that_nothing_was_done_with_an_unknown_key(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    keys, command = UnknownKeys(), ground.transfer(source, target, "1.00")
    keys.add([(ground.ledger_id, command.idempotency_key)])
    async with committing(connecting(test_database.service_dsn), keys) as committer:
        pass
    with pytest.raises(OutcomeUnknown):
        await committer.carry_out(command)
    with pytest.raises(Unavailable):
        await committer.carry_out(ground.transfer(source, target, "1.00"))


def test_forks_share_the_keys() -> None:
    keys = UnknownKeys()
    keys.add([(LEDGER, "of the parent")])
    pid = os.fork()
    if pid == 0:
        keys.forget([(LEDGER, "of the parent")])
        keys.add([(LEDGER, "of the child")])
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert keys.has_any([(LEDGER, "of the child")])
    assert not keys.has_any([(LEDGER, "of the parent")])
    assert not keys.has_any([(UUID(int=6), "of the child")])
    assert len(keys) == 1


def test_a_text_is_unknown_in_whichever_ledger_until_it_is_known_in_one() -> None:
    keys = UnknownKeys()
    assert not keys.has_text("a")
    keys.add([(LEDGER, "a"), (UUID(int=6), "b")])
    assert keys.has_text("a")
    assert keys.has_text("b")
    assert not keys.has_text("c")
    keys.forget([(LEDGER, "a"), (LEDGER, "c")])
    assert not keys.has_text("a")
    assert keys.has_text("b")


def test_where_there_is_no_room_the_newest_are_kept() -> None:
    keys = UnknownKeys()
    names = [(LEDGER, str(number)) for number in range(PLACES + PROBES)]
    keys.add(names[:1000])
    assert all(keys.has_any([name]) for name in names[:1000])
    keys.add(names[1000:])
    assert keys.has_any([names[-1]])
    assert len(keys) <= PLACES
    keys.forget(names)
    assert len(keys) == 0


def test_those_whose_places_go_round_the_end_are_found_and_forgotten_like_others() -> None:
    words = _Words()
    own = [PLACES * round_ - 1 for round_ in range(1, PROBES + 1)]
    words.add(own)
    assert all(words.has_any([word]) for word in own)
    words.forget(own[1:])
    assert words.has_any(own[:1])
    assert not words.has_any(own[1:])
    assert len(words) == 1
