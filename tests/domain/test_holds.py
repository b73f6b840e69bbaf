"""Holds: what each verb posts and leaves, and what is refused in which order. A refusal leaves the book as it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.builders import (
    LEDGER,
    NOON,
    account_id,
    clearing,
    ledger,
    photograph,
    posted,
    refused,
    shown,
    shown_entry,
    transfer,
    wallet,
)
from tests.domain.hold_scenarios import (
    book_with,
    capture,
    expire,
    extend,
    figures,
    found,
    increment,
    place,
    placing,
    void,
)
from zerosum.domain.errors import DomainError, SameAccount
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.account import AccountStatus
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Currency, Money
from zerosum.domain.payments.hold_commands import CaptureHold
from zerosum.domain.payments.holds import CHANGES_MAX, HOLD_CHANGE, LASTS_BY_DEFAULT, LASTS_MAX, Hold, HoldChange
from zerosum.domain.payments.house_rules import HouseRules, house_rules_of

IN_A_WEEK = NOON + timedelta(days=7)


def usual() -> tuple[Book, Hold]:
    """Alice has 100.00 and has promised 80.00 of it to the hotel, for a week."""
    book = book_with("alice 100.00", "hotel")
    return book, place(book, "80.00", "alice", "hotel")


def refusal_of(book: Book, command: LedgerCommand, at: datetime = NOON) -> DomainError:
    """Neither accounts nor records have changed."""
    before, records = photograph(book.accounts.values()), dict(book.records)
    refusal = refused(book.apply(command, at))
    assert (photograph(book.accounts.values()), book.records) == (before, records)
    return refusal


def done(book: Book, command: LedgerCommand, at: datetime = NOON) -> Posted:
    """Of what may post nothing."""
    outcome = book.apply(command, at)
    assert isinstance(outcome, Posted), outcome
    return outcome


def standing(book: Book, name: str) -> str:
    """Posted, held, available."""
    account = book.accounts[account_id(name)]
    return f"{account.posted:f} {account.held:f} {account.available:f}"


# --- What each posts -------------------------------------------------------------------------------------------------


def test_placing_holds_what_the_payer_has_and_pays_nobody() -> None:
    book = book_with("alice 100.00", "hotel")
    command = placing("80.00", "alice", "hotel")
    entry = posted(book.apply(command, NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        hold
        debit   alice  80.00 USD pending
        credit  hotel  80.00 USD pending
        """
    )
    assert {line.posting.hold for line in entry.postings} == {command.id}
    assert shown(book) == ledger(
        """
        alice  posted 100.00  held 80.00  version 1
        hotel  posted 0.00    held 0.00   version 1
        """
    )
    hold = found(book, command)
    assert figures(hold) == "open 80.00: 0.00 captured, 80.00 left"
    assert (hold.expires_at, hold.created_at) == (NOON + LASTS_BY_DEFAULT, NOON)


def test_a_capture_in_part_leaves_the_rest_held() -> None:
    book, hold = usual()
    entry = posted(book.apply(capture(hold, "30.00"), NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        capture
        debit   alice  30.00 USD pending releases
        credit  hotel  30.00 USD pending releases
        debit   alice  30.00 USD
        credit  hotel  30.00 USD
        """
    )
    assert [line.posting.hold for line in entry.postings] == [hold.id, hold.id, None, None]
    assert figures(found(book, hold)) == "open 80.00: 30.00 captured, 50.00 left"
    assert standing(book, "alice") == "70.00 50.00 20.00"


@pytest.mark.parametrize(
    ("amount", "is_final", "after", "alice"),
    [
        (None, False, "captured 80.00: 80.00 captured, 0.00 left", "20.00 0.00 20.00"),
        ("80.00", False, "captured 80.00: 80.00 captured, 0.00 left", "20.00 0.00 20.00"),
        ("79.99", False, "open 80.00: 79.99 captured, 0.01 left", "20.01 0.01 20.00"),
        ("0.01", True, "captured 80.00: 0.01 captured, 0.00 left", "99.99 0.00 99.99"),
    ],
)
def test_a_capture_ends_it_where_nothing_is_left_or_wanted(
    amount: str | None, is_final: bool, after: str, alice: str
) -> None:
    book, hold = usual()
    posted(book.apply(capture(hold, amount, is_final=is_final), NOON))
    assert figures(found(book, hold)) == after
    assert standing(book, "alice") == alice


def test_more_is_captured_than_was_held_within_what_was_agreed() -> None:
    book = book_with("alice 100.00", "hotel")
    hold = place(book, "80.00", "alice", "hotel", capture_max=Decimal("96.00"))
    posted(book.apply(capture(hold, "50.00"), NOON))
    refusal = refusal_of(book, capture(hold, "46.01"))
    assert (refusal.code, refusal.facts["remaining"], refusal.facts["capturable"]) == (
        "amount_exceeds_hold",
        "30.00",
        "46.00",
    )
    entry = posted(book.apply(capture(hold, "46.00"), NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        capture
        debit   alice  30.00 USD pending releases
        credit  hotel  30.00 USD pending releases
        debit   alice  46.00 USD
        credit  hotel  46.00 USD
        """
    )
    assert figures(found(book, hold)) == "captured 80.00: 96.00 captured, 0.00 left"
    assert standing(book, "alice") == "4.00 0.00 4.00"


def test_an_increment_holds_more_and_raises_what_may_be_captured() -> None:
    book = book_with("alice 100.00", "hotel")
    hold = place(book, "80.00", "alice", "hotel", capture_max=Decimal("96.00"))
    entry = posted(book.apply(increment(hold, "15.00"), NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        hold increment
        debit   alice  15.00 USD pending
        credit  hotel  15.00 USD pending
        """
    )
    assert figures(found(book, hold)) == "open 95.00: 0.00 captured, 95.00 left"
    assert found(book, hold).capturable == Decimal("111.00")
    assert refusal_of(book, increment(hold, "5.01")).code == "insufficient_funds"


@pytest.mark.parametrize(("end", "reason", "status"), [(void, "void", "voided"), (expire, "hold expiry", "expired")])
def test_what_ends_it_sets_free_what_was_not_captured(end: Any, reason: str, status: str) -> None:
    book, hold = usual()
    posted(book.apply(capture(hold, "30.00"), NOON))
    moment = IN_A_WEEK if end is expire else NOON
    entry = posted(book.apply(end(hold), moment))
    assert shown_entry(entry.entry) == ledger(
        f"""
        {reason}
        debit   alice  50.00 USD pending releases
        credit  hotel  50.00 USD pending releases
        """
    )
    assert figures(found(book, hold)) == f"{status} 80.00: 30.00 captured, 0.00 left"
    assert standing(book, "alice") == "70.00 0.00 70.00"


def test_an_extension_posts_nothing_and_says_what_its_key_remembers() -> None:
    book, hold = usual()
    before = photograph(book.accounts.values())
    command = extend(hold, IN_A_WEEK + timedelta(days=1))
    outcome = done(book, command)
    assert (outcome.entries, outcome.first_id) == ((), command.id)
    assert photograph(book.accounts.values()) == before
    after = found(book, hold)
    assert (after.expires_at, after.entry_ids, after.changes) == (command.expires_at, hold.entry_ids, 2)


def test_each_step_is_recorded_and_announced_as_it_left_the_hold() -> None:
    book, hold = usual()
    commands = [capture(hold, "30.00"), increment(hold, "5.00"), extend(hold, IN_A_WEEK), void(hold)]
    told = [
        (EventType.HOLD_CAPTURED, "50.00"),
        (EventType.HOLD_INCREMENTED, "55.00"),
        (EventType.HOLD_EXTENDED, "55.00"),
        (EventType.HOLD_VOIDED, "0.00"),
    ]
    for number, (command, (event_type, remaining)) in enumerate(zip(commands, told, strict=True), start=2):
        event, *further = done(book, command).events
        paid = [EventType.PAYMENT_SUCCEEDED] if event_type is EventType.HOLD_CAPTURED else []
        assert [other.type for other in further] == paid
        assert (event.type, event.resource_type, event.resource_id) == (event_type, ResourceType.HOLD, hold.id)
        assert event.data is not None
        assert event.data["remaining"] == remaining
        step = book.records[RecordKey(LEDGER, HOLD_CHANGE, command.id)]
        assert isinstance(step, HoldChange)
        assert (step.verb, step.hold, step.hold.changes) == (command.verb, found(book, hold), number)
    entries = [hold.id, *(command.id for command in commands if command.verb != "extended")]
    assert list(found(book, hold).entry_ids) == entries


# --- What is refused -------------------------------------------------------------------------------------------------


def test_a_hold_of_an_account_for_itself_cannot_be_made() -> None:
    with pytest.raises(SameAccount) as refusal:
        placing("1.00", "alice", "alice")
    assert refusal.value.pointer == "/to"


@pytest.mark.parametrize("end", [capture, void, expire])
def test_what_has_ended_stays_as_it_ended(end: Any) -> None:
    book, hold = usual()
    posted(book.apply(end(hold), IN_A_WEEK if end is expire else NOON))
    status = found(book, hold).status
    for command in (capture(hold), capture(hold, "1.00"), increment(hold, "1.00"), extend(hold, IN_A_WEEK), void(hold)):
        refusal = refusal_of(book, command)
        assert (refusal.code, refusal.facts) == ("invalid_state", {"hold_status": status})
    assert refusal_of(book, expire(hold), IN_A_WEEK).code == "invalid_state"


def test_at_the_moment_of_its_end_it_can_expire_and_nothing_else() -> None:
    book, hold = usual()
    just_before = IN_A_WEEK - timedelta(microseconds=1)
    assert refusal_of(book, expire(hold), just_before).code == "invalid_state"
    posted(book.apply(capture(hold, "1.00"), just_before))
    for command in (capture(hold), increment(hold, "1.00"), extend(hold, IN_A_WEEK + timedelta(days=1)), void(hold)):
        refusal = refusal_of(book, command, IN_A_WEEK)
        assert (refusal.code, refusal.facts) == ("invalid_state", {"hold_status": "expired"})
    posted(book.apply(expire(hold), IN_A_WEEK))


def test_an_extended_hold_does_not_expire_at_its_first_time() -> None:
    book, hold = usual()
    done(book, extend(hold, IN_A_WEEK + timedelta(days=1)))
    assert refusal_of(book, expire(hold), IN_A_WEEK).code == "invalid_state"
    posted(book.apply(capture(hold), IN_A_WEEK))


@pytest.mark.parametrize(
    ("lasts", "code"),
    [
        (timedelta(seconds=1) - timedelta(microseconds=1), "validation_error"),
        (timedelta(seconds=1), None),
        (LASTS_MAX, None),
        (LASTS_MAX + timedelta(microseconds=1), "validation_error"),
    ],
)
def test_how_long_a_hold_may_last(lasts: timedelta, code: str | None) -> None:
    book = book_with("alice 100.00", "hotel")
    command = placing("80.00", "alice", "hotel", expires_at=NOON + lasts)
    if code is None:
        posted(book.apply(command, NOON))
    else:
        refusal = refusal_of(book, command)
        assert (refusal.code, refusal.pointer) == (code, "/expires_at")


def test_an_extension_is_no_shortening() -> None:
    book, hold = usual()
    refusal = refusal_of(book, extend(hold, IN_A_WEEK - timedelta(microseconds=1)))
    assert (refusal.code, refusal.pointer) == ("invalid_state", "/expires_at")
    done(book, extend(hold, IN_A_WEEK))
    refusal = refusal_of(book, extend(hold, NOON + LASTS_MAX + timedelta(microseconds=1)))
    assert (refusal.code, refusal.pointer) == ("validation_error", "/expires_at")


def test_a_hold_that_is_not_there() -> None:
    book, hold = usual()
    book.records.clear()
    for command in (capture(hold), increment(hold, "1.00"), extend(hold, IN_A_WEEK), void(hold), expire(hold)):
        assert refusal_of(book, command).code == "hold_not_found"
        assert [one.code for one in command.objections(book)] == ["hold_not_found"]


@pytest.mark.parametrize("frozen", ["alice", "hotel"])
def test_frozen_accounts_neither_promise_nor_pay_and_are_set_free_all_the_same(frozen: str) -> None:
    book, hold = usual()
    other = place(book, "10.00", "alice", "hotel")
    book.accounts[account_id(frozen)].status = AccountStatus.FROZEN
    assert refusal_of(book, placing("1.00", "alice", "hotel")).code == "account_frozen"
    assert refusal_of(book, capture(hold)).code == "account_frozen"
    assert refusal_of(book, increment(hold, "1.00")).code == "account_frozen"
    posted(book.apply(void(hold), NOON))
    posted(book.apply(expire(other), IN_A_WEEK))
    assert standing(book, "alice") == "100.00 0.00 100.00"


def test_what_is_held_pays_its_hold_even_where_a_dispute_has_taken_the_rest() -> None:
    book, hold = usual()
    book.accounts[account_id("alice")].posted_debits += Decimal("90.00")
    book.accounts[account_id("alice")].overdrawn = True
    assert standing(book, "alice") == "10.00 80.00 -70.00"
    posted(book.apply(capture(hold), NOON))
    assert standing(book, "alice") == "-70.00 0.00 -70.00"


def test_the_floor_stops_a_tip_and_leaves_the_hold_as_it_was() -> None:
    book = book_with("alice 82.00", "hotel")
    hold = place(book, "80.00", "alice", "hotel", capture_max=Decimal("96.00"))
    refusal = refusal_of(book, capture(hold, "82.01"))
    assert (refusal.code, refusal.pointer, refusal.facts["required"]) == ("insufficient_funds", "/amount", "2.01")
    posted(book.apply(capture(hold, "82.00"), NOON))


def test_a_payer_at_its_ceiling_gets_back_what_a_final_capture_leaves() -> None:
    """It was his before: setting it free is no income, and no limit stands against it."""
    book = Book([wallet("alice", "100.00"), wallet("hotel"), clearing()])
    book.accounts[account_id("alice")].max_available = Decimal("100.00")
    hold = place(book, "80.00", "alice", "hotel")
    posted(book.apply(transfer("80.00", "clearing", "alice"), NOON))
    assert standing(book, "alice") == "180.00 80.00 100.00"
    posted(book.apply(capture(hold, "10.00", is_final=True), NOON))
    assert standing(book, "alice") == "170.00 0.00 170.00"


def test_a_payee_at_its_ceiling_is_not_paid() -> None:
    book, hold = usual()
    book.accounts[account_id("hotel")].max_available = Decimal("79.99")
    refusal = refusal_of(book, capture(hold))
    assert (refusal.code, refusal.pointer) == ("limit_exceeded", "")
    posted(book.apply(capture(hold, "79.99"), NOON))


def test_after_so_many_steps_it_can_only_be_ended() -> None:
    book, hold = usual()
    for _ in range(CHANGES_MAX - 1):
        done(book, extend(hold, IN_A_WEEK))
    assert found(book, hold).changes == CHANGES_MAX
    for command in (extend(hold, IN_A_WEEK), increment(hold, "1.00"), capture(hold, "1.00")):
        assert refusal_of(book, command).code == "invalid_state"
        assert [one.code for one in command.objections(book)] == ["invalid_state"]
    posted(Book([one.copy() for one in book.accounts.values()], dict(book.records)).apply(capture(hold), NOON))
    posted(Book([one.copy() for one in book.accounts.values()], dict(book.records)).apply(expire(hold), IN_A_WEEK))
    posted(book.apply(void(hold), NOON))


def test_increments_never_come_to_more_than_an_amount_can_be() -> None:
    """Nor does what may be captured, which grows with them."""
    most = "99999999999999999999.99"
    book = book_with(f"alice {most}", "hotel", "bob")
    hold = place(book, "1.00", "alice", "hotel", capture_max=Decimal(most))
    refusal = refusal_of(book, increment(hold, "0.01"))
    assert (refusal.code, refusal.pointer) == ("amount_too_large", "/amount")
    assert [one.code for one in increment(hold, "0.01").objections(book)] == ["amount_too_large"]


def test_an_increment_is_refused_for_what_its_placing_would_be_refused_for() -> None:
    """Accounts first, then who pays, then who is to be paid: and all of it is told."""
    book = Book([wallet("alice", "20.00"), wallet("hotel")])
    hold = place(book, "10.00", "alice", "hotel")
    book.accounts[account_id("hotel")].max_available = Decimal("20.00")
    refusal = refusal_of(book, increment(hold, "10.01"))
    assert [one.code for one in (refusal, *refusal.others)] == ["insufficient_funds", "limit_exceeded"]
    book.accounts[account_id("hotel")].status = AccountStatus.FROZEN
    refusal = refusal_of(book, increment(hold, "10.01"))
    assert [one.code for one in (refusal, *refusal.others)] == [
        "account_frozen", "insufficient_funds", "limit_exceeded"
    ]  # fmt: skip


# --- Several together, and rehearsals --------------------------------------------------------------------------------


def test_refused_together_they_leave_holds_and_accounts_as_they_were() -> None:
    book, hold = usual()
    other = place(book, "10.00", "alice", "hotel")
    before, records = photograph(book.accounts.values()), dict(book.records)
    result = book.apply_together([capture(hold), void(other), capture(other)], NOON)
    assert isinstance(result, tuple)
    assert (result[0], result[1].refusal.code) == (2, "invalid_state")
    assert (photograph(book.accounts.values()), book.records) == (before, records)
    assert isinstance(book.apply_together([capture(hold), capture(other, "4.00"), void(other)], NOON), list)
    assert standing(book, "alice") == "16.00 0.00 16.00"
    assert standing(book, "hotel") == "84.00 0.00 84.00"


def test_a_rehearsal_is_told_everything_in_the_way() -> None:
    book = Book([wallet("alice", "10.00"), wallet("hotel")])
    hold = place(book, "10.00", "alice", "hotel", capture_max=Decimal("20.00"))
    book.accounts[account_id("hotel")].max_available = Decimal("1.00")
    tip: CaptureHold = capture(hold, "11.00")
    codes = ["insufficient_funds", "limit_exceeded"]
    assert [(one.code, one.pointer) for one in tip.objections(book)] == [(code, "/amount") for code in codes]
    assert refusal_of(book, tip).code == codes[0]
    assert list(void(hold).objections(book)) == []


@given(
    units=st.integers(1, 10**18),
    places=st.integers(0, 8),
    percent=st.none() | st.decimals("0.000001", 100, places=6),
    fixed=st.none() | st.integers(1, 10**6),
)
def test_house_rules_give_a_part_of_what_is_held_and_a_fixed_amount(
    units: int, places: int, percent: Decimal | None, fixed: int | None
) -> None:
    """Both together, in whole units, and never a unit more; to holds in other currencies nothing fixed."""
    currency = Currency("ONE", places)
    held = Money(Decimal((0, tuple(map(int, str(units))), -places)), currency)
    amounts = {} if fixed is None else {"ONE": Decimal((0, tuple(map(int, str(fixed))), -places))}
    rules = HouseRules(ledger_id=LEDGER, over_percent=percent, over_amounts=amounts)
    extra = int(Fraction(units) * Fraction(percent or 0) / 100) + (fixed or 0)
    found = rules.capture_max(held)
    assert found == (Decimal((0, tuple(map(int, str(units + extra))), -places)) if extra else None)
    other = Money(held.amount, Currency("TWO", places))
    assert (rules.capture_max(other) is None) is (extra == (fixed or 0))
    assert house_rules_of(LEDGER, rules.content) == rules
