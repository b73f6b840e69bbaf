"""Accounts: which side increases them, what is available, and when their limits and status may change."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from tests.domain.builders import NOON, account, wallet
from zerosum.domain.errors import InvalidState, ValidationFailed
from zerosum.domain.ledger.account import (
    AccountState,
    AccountStatus,
    AccountType,
    Layer,
    Side,
    status_after_close,
    status_after_freeze,
    status_after_unfreeze,
    with_limits,
)

OPEN, FROZEN, CLOSED = AccountStatus.OPEN, AccountStatus.FROZEN, AccountStatus.CLOSED


# --- Sides -----------------------------------------------------------------------------------------------------------


def test_debits_increase_assets_and_expenses_credits_all_others() -> None:
    assert {type_.value: type_.normal_side.value for type_ in AccountType} == {
        "asset": "debit",
        "expense": "debit",
        "liability": "credit",
        "equity": "credit",
        "revenue": "credit",
    }


def test_the_sides_are_each_others_opposite() -> None:
    assert Side.DEBIT.opposite is Side.CREDIT
    assert Side.CREDIT.opposite is Side.DEBIT


# --- Balances --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", AccountType)
def test_posted_is_positive_on_the_normal_side(type_: AccountType) -> None:
    state = account("any", type_=type_)
    state.take(type_.normal_side, Decimal("7.00"), Layer.POSTED, releases=False)
    assert state.posted == Decimal("7.00")
    state.take(type_.normal_side.opposite, Decimal("10.00"), Layer.POSTED, releases=False)
    assert state.posted == Decimal("-3.00")
    assert {state.posted_debits, state.posted_credits} == {Decimal("7.00"), Decimal("10.00")}


@pytest.mark.parametrize("type_", AccountType)
def test_what_is_held_is_what_is_on_its_way_out(type_: AccountType) -> None:
    state = account("any", "10.00", type_=type_)
    state.take(type_.normal_side.opposite, Decimal("4.00"), Layer.PENDING, releases=False)
    assert (state.posted, state.held, state.available) == (Decimal("10.00"), Decimal("4.00"), Decimal("6.00"))
    state.take(type_.normal_side.opposite, Decimal("3.00"), Layer.PENDING, releases=True)
    assert (state.posted, state.held, state.available) == (Decimal("10.00"), Decimal("1.00"), Decimal("9.00"))


@pytest.mark.parametrize("type_", AccountType)
@pytest.mark.parametrize("releases", [False, True])
def test_expected_incoming_money_does_not_count(type_: AccountType, releases: bool) -> None:
    state = account("any", "10.00", type_=type_)
    state.take(type_.normal_side, Decimal("4.00"), Layer.PENDING, releases=releases)
    assert (state.posted, state.held, state.available) == (Decimal("10.00"), Decimal("0.00"), Decimal("10.00"))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("layer", Layer)
@pytest.mark.parametrize("releases", [False, True])
def test_every_posting_counts_as_a_version(side: Side, layer: Layer, releases: bool) -> None:
    state = account("any", "10.00", held="5.00")
    state.take(side, Decimal("1.00"), layer, releases=releases)
    assert state.version == 1


def test_a_copy_lives_its_own_life() -> None:
    state = wallet("alice", "10.00")
    copy = state.copy()
    state.take(Side.DEBIT, Decimal("1.00"), Layer.POSTED, releases=False)
    assert (copy.posted, copy.version) == (Decimal("10.00"), 0)


# --- Limits ----------------------------------------------------------------------------------------------------------


def limit(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(
    ("floor", "ceiling"),
    [
        (None, None),
        ("10.00", None),
        ("-5.00", None),
        (None, "10.00"),
        ("10.00", "10.00"),
        ("0.00", "99999999999999999999.99"),
        (None, "9.99"),
        (None, "-1.00"),
    ],
)
def test_an_account_may_get_limits_and_is_not_below_a_floor_it_has_reached(
    floor: str | None, ceiling: str | None
) -> None:
    limited = with_limits(wallet("alice", "10.00"), limit(floor), limit(ceiling))
    assert (limited.min_available, limited.max_available, limited.overdrawn) == (limit(floor), limit(ceiling), False)


def test_a_floor_may_lie_above_what_is_available_and_the_account_says_so() -> None:
    held = account("alice", "10.00", held="4.00")
    assert with_limits(held, Decimal("6.01"), None).overdrawn
    assert not with_limits(held, Decimal("6.00"), None).overdrawn
    assert not held.overdrawn


def test_a_floor_above_the_ceiling_is_refused() -> None:
    with pytest.raises(ValidationFailed) as caught:
        with_limits(wallet("alice", "10.00"), Decimal("20.00"), Decimal("19.99"))
    assert caught.value.pointer == "/min_available"


def test_an_account_a_dispute_has_overdrawn_stays_so_until_its_floor_is_lowered() -> None:
    overdrawn = account("alice", "-10.00", overdrawn=True)
    assert with_limits(overdrawn, Decimal("0.00"), None).overdrawn
    assert not with_limits(overdrawn, Decimal("-10.00"), None).overdrawn
    assert not with_limits(overdrawn, None, None).overdrawn


# --- Status ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(OPEN, FROZEN), (FROZEN, FROZEN)])
def test_an_account_is_frozen_whatever_lies_in_it(before: AccountStatus, after: AccountStatus) -> None:
    assert status_after_freeze(account("alice", "10.00", held="1.00", status=before)) is after


@pytest.mark.parametrize(("before", "after"), [(OPEN, OPEN), (FROZEN, OPEN)])
def test_an_account_is_unfrozen_whatever_lies_in_it(before: AccountStatus, after: AccountStatus) -> None:
    assert status_after_unfreeze(account("alice", "10.00", held="1.00", status=before)) is after


@pytest.mark.parametrize("rule", [status_after_freeze, status_after_unfreeze])
def test_a_closed_account_stays_closed(rule: object) -> None:
    assert callable(rule)
    with pytest.raises(InvalidState) as caught:
        rule(account("alice", status=CLOSED))
    assert caught.value.facts == {"account_status": "closed"}


@pytest.mark.parametrize("before", AccountStatus)
def test_an_empty_account_can_be_closed_whatever_its_status(before: AccountStatus) -> None:
    assert status_after_close(account("alice", status=before)) is CLOSED


@pytest.mark.parametrize(("posted", "held"), [("0.01", "0.00"), ("-0.01", "0.00"), ("0.00", "0.01"), ("5.00", "5.00")])
def test_an_account_with_anything_posted_or_held_cannot_be_closed(posted: str, held: str) -> None:
    with pytest.raises(InvalidState) as caught:
        status_after_close(account("alice", posted, held=held))
    assert caught.value.facts == {"posted": posted, "held": held}


def test_an_account_that_was_emptied_can_be_closed_although_money_went_through_it() -> None:
    state = wallet("alice", "10.00")
    state.take(Side.DEBIT, Decimal("10.00"), Layer.POSTED, releases=False)
    assert status_after_close(state) is CLOSED


def test_a_copy_says_the_same_in_every_member() -> None:
    state = account("alice", "1.00", held="0.50", floor="0", ceiling="9.00", overdrawn=True)
    state = replace(state, version=7, head=b"h", last_posted_at=NOON, row_version=3)
    assert state.copy() == state
    assert all(getattr(state.copy(), field.name) == getattr(state, field.name) for field in fields(AccountState))
