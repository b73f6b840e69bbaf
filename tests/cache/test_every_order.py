"""Every order in which two writers, readers and accidents can meet: no read is older than an acknowledged write."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.cache.exploration import (
    CRASHES,
    CRASHES_LATER,
    IS_REFUSED,
    IS_UNKNOWN,
    Exploration,
    Reader,
    StaleRead,
    World,
    Writer,
)
from zerosum.adapters.balance_cache import BalanceCache
from zerosum.adapters.balance_scripts import FILL, FIND, RAISE_EPOCH, STORE
from zerosum.adapters.redis import RedisLink, Script
from zerosum.domain.ledger.account import AccountState

TWO_WRITERS = (Writer(0), Writer(1))
READER = (Reader(0),)
STEPS_MIN = 500
TWO_READERS = (Reader(0), Reader(1))
ACCIDENTS = (
    "flush",
    "eviction of the account",
    "eviction of the epoch",
    "new epoch of somebody else",
)


async def test_two_writers_and_two_readers(link: RedisLink) -> None:
    exploration = Exploration(link)
    await exploration.run(TWO_WRITERS, TWO_READERS, ())
    assert exploration.steps > STEPS_MIN


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_two_writers_and_a_reader_with_an_accident(link: RedisLink, accident: str) -> None:
    await Exploration(link).run(TWO_WRITERS, READER, [accident])


async def test_two_writers_and_a_link_that_breaks_and_comes_back(link: RedisLink) -> None:
    """What was lost on the way may be carried out at any later moment."""
    await Exploration(link).run(TWO_WRITERS, READER, ["loss"])


async def test_three_writers(link: RedisLink) -> None:
    await Exploration(link).run((Writer(0), Writer(1), Writer(1)), READER, ())


@pytest.mark.parametrize("steps", [IS_REFUSED, IS_UNKNOWN, CRASHES, CRASHES_LATER], ids=" ".join)
async def test_a_writer_beside_one_that_fails(link: RedisLink, steps: tuple[str, ...]) -> None:
    await Exploration(link).run((Writer(0), Writer(1, steps)), READER, ["flush"])


@pytest.mark.campaign
@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_three_writers_and_two_readers_with_an_accident(link: RedisLink, accident: str) -> None:
    await Exploration(link).run((Writer(0), Writer(1), Writer(1)), READER, [accident])
    await Exploration(link).run(TWO_WRITERS, TWO_READERS, [accident, accident])


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("accidents", [("loss", "flush"), ("loss", "loss"), ("flush", "flush")])
@pytest.mark.parametrize("second", [Writer(0), Writer(1), Writer(1, IS_REFUSED), Writer(1, IS_UNKNOWN)], ids=str)
async def test_several_accidents(link: RedisLink, second: Writer, accidents: Sequence[str]) -> None:
    await Exploration(link).run((Writer(0), second), READER, accidents)


class AsksNobody(BalanceCache):
    """Takes it that the account is not in Redis."""

    async def find(self, _: Sequence[AccountState]) -> list[AccountState]:
        return []


class NeverWaits(Exploration):
    """A writer whose refresh was lost tells its caller at once."""

    async def _write(self, world: World, index: int, is_lost: bool = False) -> World:
        world = await super()._write(world, index, is_lost)
        return await self._stop_waiting(world, index) if world.writers[index].steps == ("wait",) else world


def without(script: Script, part: str, instead: str) -> dict[Script, Script]:
    assert part in script.source
    return {script: Script(script.source.replace(part, instead))}


@pytest.mark.parametrize(
    ("planted", "accidents"),
    [
        pytest.param(without(STORE, "known < version", "known > version"), (), id="newer left alone"),
        pytest.param(without(STORE, "known < version", "true"), (), id="older over newer"),
        pytest.param(without(STORE, "redis.call('DEL', key)\n    elseif", "elseif"), (), id="lease left alone"),
        pytest.param(
            without(FIND, "if present then", "if present and string.sub(present, 1, 1) == 'V' then"),
            (),
            id="leases not found",
        ),
        pytest.param(without(FILL, "== 'R' .. ARGV[3]", "~= ''"), (), id="fill without lease"),
        pytest.param(without(RAISE_EPOCH, "redis.call('SET', KEYS[1], ARGV[1])", ""), ("loss",), id="same epoch"),
    ],
)
async def test_a_planted_fault_is_found(
    link: RedisLink, planted: dict[Script, Script], accidents: Sequence[str]
) -> None:
    with pytest.raises(StaleRead):
        await Exploration(link, planted=planted).run(TWO_WRITERS, READER, accidents)


async def test_a_planted_fault_that_takes_a_second_reader_is_found(link: RedisLink) -> None:
    """Who came first lost his lease to the writer, and fills the key under that of another."""
    with pytest.raises(StaleRead):
        await Exploration(link, planted=without(FILL, "== 'R' .. ARGV[3]", "~= false")).run(
            TWO_WRITERS, TWO_READERS, ()
        )


async def test_a_cache_that_does_not_ask_is_found(link: RedisLink) -> None:
    with pytest.raises(StaleRead):
        await Exploration(link, make_cache=AsksNobody).run(TWO_WRITERS, READER, ())


async def test_a_writer_that_does_not_wait_is_found(link: RedisLink) -> None:
    with pytest.raises(StaleRead):
        await NeverWaits(link).run(TWO_WRITERS, READER, ["loss"])
