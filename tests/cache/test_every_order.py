"""Every order in which two writers, readers and accidents can meet: no read is older than an acknowledged write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from tests.cache.exploration import (
    CRASHES,
    IS_REFUSED,
    IS_RETRIED,
    IS_UNKNOWN,
    Exploration,
    Reader,
    StaleRead,
    Writer,
)
from zerosum.adapters.balance_cache import BalanceCache, Mark
from zerosum.adapters.balance_scripts import FILL, RAISE_EPOCH, STORE
from zerosum.adapters.redis import RedisLink, Script
from zerosum.domain.ledger.account import AccountState

TWO_WRITERS = (Writer(0), Writer(1))
READER = (Reader(0),)
TWO_READERS = (Reader(0), Reader(1))
ACCIDENTS = (
    "flush",
    "eviction of the account",
    "eviction of the epoch",
    "expiry of the marks",
    "new epoch of somebody else",
)


async def test_two_writers_and_two_readers(link: RedisLink) -> None:
    exploration = Exploration(link)
    await exploration.run(TWO_WRITERS, TWO_READERS, ())
    assert exploration.steps > 2000


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_two_writers_and_a_reader_with_an_accident(link: RedisLink, accident: str) -> None:
    await Exploration(link).run(TWO_WRITERS, READER, [accident])


async def test_two_writers_and_a_link_that_breaks_and_comes_back(link: RedisLink) -> None:
    """What was lost on the way may be carried out at any later moment."""
    await Exploration(link).run(TWO_WRITERS, READER, ["loss"])


async def test_three_writers(link: RedisLink) -> None:
    await Exploration(link).run((Writer(0), Writer(1), Writer(1)), READER, ())


@pytest.mark.parametrize("steps", [IS_REFUSED, IS_RETRIED, IS_UNKNOWN, CRASHES], ids=" ".join)
async def test_a_writer_beside_one_that_fails(link: RedisLink, steps: tuple[str, ...]) -> None:
    await Exploration(link).run((Writer(0), Writer(1, steps)), READER, ["flush"])


@pytest.mark.campaign
@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_three_writers_and_two_readers_with_an_accident(link: RedisLink, accident: str) -> None:
    await Exploration(link).run((Writer(0), Writer(1), Writer(1)), READER, [accident])
    await Exploration(link).run(TWO_WRITERS, TWO_READERS, [accident, accident])


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("accidents", [("loss", "flush"), ("loss", "loss"), ("flush", "flush", "expiry of the marks")])
@pytest.mark.parametrize("second", [Writer(0), Writer(1), Writer(1, IS_REFUSED), Writer(1, IS_UNKNOWN)], ids=str)
async def test_several_accidents(link: RedisLink, second: Writer, accidents: Sequence[str]) -> None:
    await Exploration(link).run((Writer(0), second), READER, accidents)


class StoresNothingWithoutMark(BalanceCache):
    async def store(self, mark: Mark, states: Sequence[AccountState]) -> None:
        if mark.token is not None:
            await super().store(mark, states)


class TrustsALostMark(BalanceCache):
    async def mark(self, accounts: Sequence[tuple[UUID, UUID]]) -> Mark:
        made = await super().mark(accounts)
        lost = self._link.lost  # type: ignore[attr-defined]
        return made if made.token is not None or lost is None else Mark(made.account_ids, lost.arguments[0])


def without(script: Script, part: str, instead: str) -> dict[Script, Script]:
    assert part in script.source
    return {script: Script(script.source.replace(part, instead))}


@pytest.mark.parametrize(
    ("planted", "accidents"),
    [
        pytest.param(without(STORE, "math.max(floor_of(present), version or 0)", "version"), (), id="no floor"),
        pytest.param(
            without(STORE, "version or 0)", "is_mine and version or 0)"), ("flush",), id="floor of marked writers only"
        ),
        pytest.param(without(STORE, "known < version", "true"), ("flush",), id="older over newer"),
        pytest.param(without(STORE, "present and version", "state == 'V'"), ("flush",), id="lease left alone"),
        pytest.param(without(FILL, "== 'R' .. ARGV[3]", "~= ''"), (), id="fill without lease"),
        pytest.param(without(FILL, "== 'R' .. ARGV[3]", "~= false"), ("flush",), id="fill over a mark"),
        pytest.param(without(RAISE_EPOCH, "redis.call('SET', KEYS[1], ARGV[1])", ""), ("loss",), id="same epoch"),
    ],
)
async def test_a_planted_fault_is_found(
    link: RedisLink, planted: dict[Script, Script], accidents: Sequence[str]
) -> None:
    with pytest.raises(StaleRead):
        await Exploration(link, planted=planted).run(TWO_WRITERS, READER, accidents)


async def test_a_planted_fault_that_takes_a_third_writer_is_found(link: RedisLink) -> None:
    """In place of a mark that ended, a value may only be stored by one whose own mark stood beside it."""
    planted = without(STORE, "or not is_mine", "")
    with pytest.raises(StaleRead):
        await Exploration(link, planted=planted).run(
            (*TWO_WRITERS, Writer(1, ("mark",))), (), ["flush", "expiry of the marks"]
        )


@pytest.mark.parametrize("make_cache", [StoresNothingWithoutMark, TrustsALostMark])
async def test_a_planted_fault_of_the_cache_is_found(
    link: RedisLink, make_cache: Callable[[RedisLink], BalanceCache]
) -> None:
    with pytest.raises(StaleRead):
        await Exploration(link, make_cache=make_cache).run(TWO_WRITERS, READER, ["loss"])
