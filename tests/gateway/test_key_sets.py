"""How often keys are read again, and what happens while they cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from zerosum.domain.errors import Unavailable
from zerosum.gateway.identity.key_sets import (
    COOL_DOWN_SECONDS,
    FRESH_SECONDS,
    KEPT_SECONDS_MAX,
    FixedKeySet,
    KeyName,
    RefreshedKeySet,
)


class Key:
    def verify(self, msg: bytes, sig: bytes) -> bool:
        return True


OLD, NEW = Key(), Key()
OLD_NAME: KeyName = ("old", "ES256")
NEW_NAME: KeyName = ("new", "ES256")


class Issuer:
    """Publishes keys, can be away, and counts how often it is read."""

    def __init__(self) -> None:
        self.keys: Mapping[KeyName, Key] = {OLD_NAME: OLD}
        self.is_away = False
        self.readings = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.key_set = RefreshedKeySet("test", self.read)

    async def read(self) -> Mapping[KeyName, Key]:
        self.readings += 1
        await self.may_answer.wait()
        if self.is_away:
            raise OSError
        return self.keys

    async def settle(self) -> None:
        """Let a reading in the background finish."""
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_fixed_keys_are_found_by_id_and_algorithm() -> None:
    keys = FixedKeySet({OLD_NAME: OLD})
    assert await keys.find(OLD_NAME, 0.0) is OLD
    assert await keys.find(("old", "RS256"), 0.0) is None


async def test_keys_are_read_once_while_they_are_fresh(issuer: Issuer) -> None:
    for second in range(int(FRESH_SECONDS)):
        assert await issuer.key_set.find(OLD_NAME, float(second)) is OLD
    assert issuer.readings == 1


async def test_many_requests_at_once_cause_one_reading(issuer: Issuer) -> None:
    found = await asyncio.gather(*(issuer.key_set.find(OLD_NAME, 0.0) for _ in range(50)))
    assert set(found) == {OLD}
    assert issuer.readings == 1


async def test_keys_that_age_are_used_while_new_ones_are_read(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.keys = {NEW_NAME: NEW}
    issuer.may_answer.clear()
    assert await issuer.key_set.find(OLD_NAME, FRESH_SECONDS) is OLD
    issuer.may_answer.set()
    await issuer.settle()
    assert await issuer.key_set.find(OLD_NAME, FRESH_SECONDS + COOL_DOWN_SECONDS) is None
    assert await issuer.key_set.find(NEW_NAME, FRESH_SECONDS) is NEW


async def test_after_a_long_silence_a_withdrawn_key_is_not_used_once_more(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.keys = {NEW_NAME: NEW}
    assert await issuer.key_set.find(OLD_NAME, 10 * FRESH_SECONDS) is None


async def test_several_unknown_keys_in_a_row_cause_one_reading(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    for number in range(100):
        assert await issuer.key_set.find((f"made up {number}", "ES256"), 1.0 + number / 100) is None
    assert issuer.readings == 2


async def test_unknown_keys_cause_another_reading_after_the_cool_down(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    assert await issuer.key_set.find(("made up", "ES256"), 1.0) is None
    assert await issuer.key_set.find(("made up", "ES256"), 1.0 + COOL_DOWN_SECONDS - 0.01) is None
    assert issuer.readings == 2
    assert await issuer.key_set.find(("made up", "ES256"), 1.0 + COOL_DOWN_SECONDS) is None
    assert issuer.readings == 3


async def test_a_new_key_is_found_although_the_set_is_fresh(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.keys = {OLD_NAME: OLD, NEW_NAME: NEW}
    assert await issuer.key_set.find(NEW_NAME, 0.1) is NEW


async def test_a_token_without_a_key_id_causes_no_reading(issuer: Issuer) -> None:
    assert await issuer.key_set.find((None, "ES256"), 0.0) is None
    assert issuer.readings == 0


async def test_the_old_keys_stay_while_new_ones_cannot_be_read(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.is_away = True
    now = FRESH_SECONDS
    while now < KEPT_SECONDS_MAX:
        assert await issuer.key_set.find(OLD_NAME, now) is OLD
        now += 3600.0
    with pytest.raises(Unavailable):
        await issuer.key_set.find(OLD_NAME, KEPT_SECONDS_MAX)


async def test_an_issuer_that_is_away_is_tried_once_per_cool_down_and_delays_nobody(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.is_away = True
    for tenth in range(1000):
        assert await issuer.key_set.find(OLD_NAME, FRESH_SECONDS + tenth / 10) is OLD
        await issuer.settle()
    assert issuer.readings <= 1 + 1000 / 10 / COOL_DOWN_SECONDS + 1


async def test_an_unknown_key_is_not_refused_while_the_keys_cannot_be_read(issuer: Issuer) -> None:
    issuer.is_away = True
    for now in (0.0, 1.0, COOL_DOWN_SECONDS):
        with pytest.raises(Unavailable):
            await issuer.key_set.find(OLD_NAME, now)
    assert issuer.readings == 2
    issuer.is_away = False
    assert await issuer.key_set.find(OLD_NAME, 2 * COOL_DOWN_SECONDS) is OLD


async def test_an_unknown_key_is_not_refused_after_a_failure_because_it_may_be_new(issuer: Issuer) -> None:
    await issuer.key_set.find(OLD_NAME, 0.0)
    issuer.is_away = True
    for now in (1.0, 2.0):
        with pytest.raises(Unavailable):
            await issuer.key_set.find(NEW_NAME, now)
    assert await issuer.key_set.find(OLD_NAME, 2.0) is OLD
    issuer.is_away = False
    assert await issuer.key_set.find(NEW_NAME, 1.0 + COOL_DOWN_SECONDS) is None


async def test_a_caller_that_goes_away_does_not_stop_the_reading(issuer: Issuer) -> None:
    issuer.may_answer.clear()
    first = asyncio.create_task(issuer.key_set.find(OLD_NAME, 0.0))
    second = asyncio.create_task(issuer.key_set.find(OLD_NAME, 0.0))
    await issuer.settle()
    first.cancel()
    issuer.may_answer.set()
    assert await second is OLD
    assert issuer.readings == 1


async def test_closing_ends_a_reading(issuer: Issuer) -> None:
    issuer.may_answer.clear()
    caller = asyncio.create_task(issuer.key_set.find(OLD_NAME, 0.0))
    await issuer.settle()
    await issuer.key_set.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
