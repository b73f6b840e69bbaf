"""What is between its commit and the cache is read from PostgreSQL, in every process of the machine."""

from __future__ import annotations

from uuid import UUID

import pytest

from zerosum.adapters import under_way as under_way_module
from zerosum.adapters.under_way import PLACES, SharedUnderWay, UnderWay
from zerosum.db.identifiers import new_uuid


def test_it_ends_as_often_as_it_began() -> None:
    own, account = UnderWay(), new_uuid()
    own.begins([account, new_uuid()])
    own.begins([account])
    own.ends([account])
    assert own.has(account)
    own.ends([account])
    assert not own.has(account)


def test_every_process_sees_it_and_only_its_own_ends_it() -> None:
    shared, account = SharedUnderWay(3), new_uuid()
    first, second, third = (shared.of(number) for number in range(3))
    first.begins([account])
    second.begins([account])
    assert all(one.has(account) for one in (first, second, third))
    first.ends([account])
    assert all(one.has(account) for one in (first, second, third))
    second.ends([account])
    assert not any(one.has(account) for one in (first, second, third))


def test_accounts_that_meet_in_one_place_are_under_way_together() -> None:
    own, account = UnderWay(), new_uuid()
    other = UUID(int=(account.int + PLACES) % 2**128)
    own.begins([account])
    assert own.has(other)
    own.begins([other])
    own.ends([account])
    assert own.has(other)
    own.ends([other])
    assert not own.has(account)


def test_what_one_that_died_was_at_stays_under_way_for_as_long_as_anything_old_may_lie_in_redis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 100.0
    monkeypatch.setattr(under_way_module, "monotonic", lambda: clock)
    shared, account, other = SharedUnderWay(2), new_uuid(), new_uuid()
    shared.of(0).begins([account, other])
    neighbour, successor = shared.of(1), shared.of(0)
    successor.begins([account])
    clock += under_way_module.LEFT_SECONDS - 0.1
    assert neighbour.has(other)
    assert successor.has(other)
    successor.ends([account])
    assert neighbour.has(account)
    clock += 0.1
    assert not successor.has(other)
    assert not neighbour.has(account)
    successor.begins([other])
    assert neighbour.has(other)
    successor.ends([other])
    assert not neighbour.has(other)
