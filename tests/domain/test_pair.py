"""The straight way does what the Book does: the same states, hashes, entries and records, or it does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.domain.builders import (
    EUR,
    JPY,
    LEDGER,
    NOON,
    USD,
    account,
    account_id,
    photograph,
    posted,
    transfer,
    uuid_of,
    wallet,
)
from tests.domain.builders import post_entry as entry_command
from tests.domain.hold_scenarios import placing
from tests.domain.scenarios import PROPERTY
from zerosum.domain.identifiers import HoldId
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import EFFECTIVE_AHEAD_MAX, EFFECTIVE_FIRST, JournalEntry, Nature, credit, debit
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.ledger.post_entry import PostEntry
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Currency, Money
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.hold_commands import PlaceHold
from zerosum.domain.payments.holds import LASTS_MAX, LASTS_MIN, Hold
from zerosum.domain.payments.house_rules import HouseRules, newest_key
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.posting_rules import PAYMENT_RULES, straight_reason

TICK = timedelta(microseconds=1)
NAMES = ("alice", "bob", "carol", "dora")
AMOUNTS = ("0.01", "1.00", "1.00", "10.00", "99999999999999999999.99", "100.00")
TEXTS = st.one_of(st.sampled_from(["", "key-1", "x" * 200, "ä", "🙂", "a|b", "3:abc,"]), st.text(max_size=12))
MOMENTS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            NOON,
            NOON - timedelta(microseconds=1),
            NOON + EFFECTIVE_AHEAD_MAX,
            NOON + EFFECTIVE_AHEAD_MAX + timedelta(microseconds=1),
            EFFECTIVE_FIRST,
            EFFECTIVE_FIRST - timedelta(microseconds=1),
        ]
    ),
)


@st.composite
def states(draw: st.DrawFn, name: str) -> AccountState:
    """Every other one is usual, or hardly any command would go straight."""
    if draw(st.booleans()):
        return account(
            name, draw(st.sampled_from(["100.00", "20.00", "5.00"])), floor=draw(st.sampled_from(["0", None]))
        )
    return account(
        name,
        draw(st.sampled_from(["0", "10.00", "100.00", "99999999999999999999.99", "-3.00"])),
        type_=draw(st.sampled_from(AccountType)),
        currency=draw(st.sampled_from([USD, USD, USD, EUR])),
        held=draw(st.sampled_from(["0", "0", "0.01", "50.00"])),
        floor=draw(st.sampled_from(["0", None, "-10.00", "5.00"])),
        ceiling=draw(st.sampled_from([None, None, None, "1000.00"])),
        status=draw(st.sampled_from([AccountStatus.OPEN, AccountStatus.OPEN, *AccountStatus])),
        overdrawn=draw(st.sampled_from([False, False, False, True])),
    )


EXPIRIES = st.sampled_from(
    [None, None, *(NOON + ahead + by for ahead in (LASTS_MIN, LASTS_MAX) for by in (timedelta(0), -TICK, TICK))]
)
HOUSE_RULES = st.sampled_from(
    [
        None,
        HouseRules(ledger_id=LEDGER, version=1),
        HouseRules(ledger_id=LEDGER, version=2, over_percent=Decimal(15), over_amounts={"USD": Decimal("3.00")}),
    ]
)


@st.composite
def holds(draw: st.DrawFn, number: int, payer: str, payee: str) -> PlaceHold:
    capture_max = draw(st.none() | st.just(Decimal("200.00")))
    return placing(
        draw(st.sampled_from(AMOUNTS)),
        payer,
        payee,
        key=f"key-{number}",
        expires_at=draw(EXPIRIES),
        capture_max=capture_max,
        texts=PaymentTexts(draw(st.none() | TEXTS), draw(st.none() | TEXTS)),
        metadata=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
    )


@st.composite
def commands(draw: st.DrawFn, number: int) -> LedgerCommand:
    payer, payee = draw(st.permutations([*NAMES * 2, "nobody"]).filter(lambda names: names[0] != names[1]))[:2]
    if draw(st.integers(0, 2)) == 0:
        return draw(holds(number, payer, payee))
    pay = transfer(draw(st.sampled_from(AMOUNTS)), payer, payee, key=f"key-{number}")
    given_at = draw(st.none() | MOMENTS)
    metadata = draw(st.dictionaries(TEXTS, TEXTS, max_size=3))
    actor = draw(st.sampled_from(["key_1", "ünï"]))
    if draw(st.booleans()):
        return replace(
            pay,
            type=draw(st.sampled_from(PaymentType)),
            texts=PaymentTexts(draw(st.none() | TEXTS), None),
            effective_at=given_at,
            metadata=metadata,
            actor=actor,
        )
    lines = draw(st.permutations([debit(pay.payer_id, pay.money), credit(pay.payee_id, pay.money)]))
    nature = draw(st.sampled_from([Nature.INTENTION, Nature.INTENTION, Nature.OUTSIDE]))
    entry = JournalEntry(draw(TEXTS), tuple(lines), given_at, nature=nature)
    return PostEntry(
        id=pay.id,
        ledger_id=pay.ledger_id,
        idempotency_key=pay.idempotency_key,
        fingerprint=pay.fingerprint,
        actor=actor,
        metadata=metadata,
        entry=entry,
    )


def compare(
    accounts: Sequence[AccountState],
    command: LedgerCommand,
    posted_at: datetime = NOON,
    records: Mapping[RecordKey, Any] | None = None,
) -> PostedPair | None:
    """What comes of it straight, once it is known to be what the Book makes of it."""
    straight, plain = (Book([state.copy() for state in accounts], dict(records or {})) for _ in range(2))
    found = straight.apply_straight(command, posted_at)
    assert straight.records == (records or {})
    if found is None:
        assert photograph(straight.accounts.values()) == photograph(accounts)
        return None
    outcome = plain.apply(command, posted_at)
    assert isinstance(outcome, Posted), outcome
    assert photograph(straight.accounts.values()) == photograph(plain.accounts.values())
    assert straight.accounts == plain.accounts
    for name in [*(member.name for member in fields(Posted)), "first_id", "entry"]:
        assert getattr(found, name) == getattr(outcome, name)
    assert found.first_id == outcome.first_id
    assert plain.records == {**(records or {}), **dict(found.pair.records)}
    assert all(key.id == command.id for key, _ in found.pair.records)
    assert [(line.account_id, line.account_version) for line in found.lines] == [
        (line.account_id, line.account_version) for line in outcome.lines
    ]
    for line, other in zip((found.debit, found.credit), outcome.entry.postings, strict=True):
        assert (line.balance_after, line.held_after) == (other.balance_after, other.held_after)
    return found


@PROPERTY
@given(st.data())
def test_it_does_what_the_book_does_or_nothing(data: st.DataObject) -> None:
    accounts = [data.draw(states(name)) for name in NAMES]
    rules = data.draw(HOUSE_RULES)
    records = {} if rules is None else {newest_key(LEDGER): rules}
    for number in range(data.draw(st.integers(1, 4))):
        command = data.draw(commands(number))
        found = compare(accounts, command, records=records)
        event(f"{type(command).__name__}: {'left to the Book' if found is None else 'straight'}")
        book = Book([state.copy() for state in accounts])
        book.apply(command, NOON)
        accounts = list(book.accounts.values())


@pytest.mark.parametrize("type_", PaymentType)
@pytest.mark.parametrize("currency", [USD, JPY])
def test_payments_of_every_type_go_straight(type_: PaymentType, currency: Currency) -> None:
    command = replace(transfer("5", "alice", "bob", currency=currency), type=type_)
    accounts = [account(name, "7", currency=currency) for name in ("alice", "bob")]
    assert compare(accounts, command) is not None


@pytest.mark.parametrize("moment", [None, NOON, NOON + EFFECTIVE_AHEAD_MAX, EFFECTIVE_FIRST])
def test_with_a_time_and_metadata_too(moment: datetime | None) -> None:
    command = replace(transfer("5", "alice", "bob"), effective_at=moment, metadata={"ä": "ö", "b": "c", "a": "🙂"})
    assert compare([wallet("alice", "7"), wallet("bob")], command) is not None


def test_an_entry_of_two_lines_goes_straight() -> None:
    command = entry_command("debit alice 1.00 USD\ncredit bob 1.00 USD")
    assert compare([wallet("alice", "7"), wallet("bob")], command) is not None


@pytest.mark.parametrize("payer", [wallet("alice", "7"), account("alice", type_=AccountType.ASSET)])
@pytest.mark.parametrize("payee", [wallet("bob"), account("bob", "7", type_=AccountType.ASSET)])
@pytest.mark.parametrize("rules", [{}, {newest_key(LEDGER): HouseRules(ledger_id=LEDGER, over_percent=Decimal(10))}])
def test_holds_go_straight(payer: AccountState, payee: AccountState, rules: Mapping[RecordKey, Any]) -> None:
    found = compare([payer, payee], placing("5", "alice", "bob", metadata={"a": "ä"}), records=rules)
    assert found is not None
    assert found.resource.hold.capture_max == (Decimal("5.50") if rules else None)


@pytest.mark.parametrize(
    ("alice", "bob", "members"),
    [
        (wallet("alice", "4.99"), wallet("bob"), {}),
        (account("alice", "7", held="2.01"), wallet("bob"), {}),
        (wallet("alice", "7"), account("bob", ceiling="100.00"), {}),
        (wallet("alice", "7"), account("bob", ceiling="1.00"), {}),
        (wallet("alice", "7"), wallet("bob"), {"expires_at": NOON}),
        (wallet("alice", "7"), wallet("bob"), {"expires_at": NOON + LASTS_MAX + TICK}),
        (wallet("alice", "7"), wallet("bob"), {"hold_id": HoldId(uuid_of("another"))}),
    ],
    ids=["too little", "held before", "limit", "full", "expired", "too long", "another id"],
)
def test_a_hold_that_is_unusual_is_left_to_the_book(
    alice: AccountState, bob: AccountState, members: dict[str, Any]
) -> None:
    assert compare([alice, bob], replace(placing("5", "alice", "bob"), **members)) is None


def test_many_go_straight_one_after_another_as_through_the_book() -> None:
    straight, plain = (Book([wallet("alice", "1000.00"), wallet("bob"), wallet("carol")]) for _ in range(2))
    for number in range(50):
        payer, payee = ("alice", "bob") if number % 3 else ("bob", "carol") if number > 10 else ("alice", "carol")
        command = transfer(f"{number + 1}.00" if payer == "alice" else "0.01", payer, payee, key=f"key-{number}")
        assert straight.apply_straight(command, NOON + timedelta(seconds=number)) is not None
        posted(plain.apply(command, NOON + timedelta(seconds=number)))
        assert photograph(straight.accounts.values()) == photograph(plain.accounts.values())


@pytest.mark.parametrize(
    "payer",
    [
        wallet("alice", "4.99"),
        account("alice", "7", status=AccountStatus.FROZEN),
        account("alice", "7", status=AccountStatus.CLOSED),
        account("alice", "7", currency=EUR),
        account("alice", "7", ceiling="100.00"),
        account("alice", "7", overdrawn=True),
        account("alice", "7", held="2.01"),
        account("alice", "99999999999999999999.99", type_=AccountType.ASSET),
    ],
)
def test_whatever_is_unusual_is_left_to_the_book(payer: AccountState) -> None:
    command = transfer("5", "alice", "bob")
    assert compare([payer, wallet("bob")], command) is None
    if payer.currency == "USD":
        swapped = transfer("5", "bob", "alice")
        compare([payer, wallet("bob", "9")], swapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundUp(Pay):
    """A verb that stands on payments and posts more, as docs/changing/verb.md has it."""

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        raise AssertionError("not reached here")


@dataclass(frozen=True, slots=True, kw_only=True)
class TellOthers(PlaceHold):
    """One that stands on holds, likewise."""

    def conclude(self, book: Book, hold: Hold, posted: Posted, now: datetime) -> Posted:
        raise AssertionError("not reached here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Pay):
    """Decides as payments do."""


def test_a_verb_that_decides_otherwise_than_the_one_it_stands_on_never_goes_straight() -> None:
    plain = transfer("5", "alice", "bob")
    members = {member.name: getattr(plain, member.name) for member in fields(plain)}
    book = Book([wallet("alice", "7"), wallet("bob")])
    assert book.apply_straight(RoundUp(**members), NOON) is None
    assert book.apply_straight(Renamed(**members), NOON) is not None
    hold = placing("5", "alice", "bob")
    assert book.apply_straight(TellOthers(**{one.name: getattr(hold, one.name) for one in fields(hold)}), NOON) is None


def test_what_posts_several_entries_never_goes_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pay, "posts_several", True)
    assert Book([wallet("alice", "7"), wallet("bob")]).apply_straight(transfer("5", "alice", "bob"), NOON) is None


@PROPERTY
@given(st.sampled_from(PaymentType), st.integers(1, 10**18), st.sampled_from([USD, JPY, EUR]), MOMENTS)
def test_a_rule_that_says_so_posts_pairs_whatever_is_paid(
    type_: PaymentType, units: int, currency: Currency, moment: datetime | None
) -> None:
    money = Money(Decimal(units).scaleb(-currency.exponent), currency)
    payer, payee = account_id("alice"), account_id("bob")
    entry = PAYMENT_RULES[type_](payer, payee, money, moment)
    assert straight_reason(type_) == entry.reason
    assert entry.postings == (debit(payer, money), credit(payee, money))
    assert entry.is_plain_pair
    assert entry.effective_at == moment


def test_a_rule_that_does_not_say_so_goes_the_books_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_rules, "_PAIRS", {PaymentType.DEPOSIT})
    straight_reason.cache_clear()
    assert straight_reason(PaymentType.TRANSFER) is None
    straight_reason.cache_clear()


def test_more_held_than_can_be_written_is_left_to_the_book() -> None:
    payer = replace(wallet("alice", "7"), held=Decimal("100000000000000000000.00"), min_available=None)
    assert compare([payer, wallet("bob")], transfer("5", "alice", "bob")) is None


def test_what_makes_a_ledger_overdrawn_by_right_is_left_to_the_book() -> None:
    payer = replace(wallet("alice", "7"), min_available=Decimal("8.00"), overdrawn=True)
    assert compare([payer, wallet("bob")], transfer("5", "bob", "alice")) is None


def test_all_or_nothing_goes_straight_too_and_is_undone() -> None:
    fit = [transfer("5.00", "alice", "bob", key="a"), transfer("1.00", "bob", "alice", key="b")]
    accounts = [wallet("alice", "7.00"), wallet("bob")]
    straight, plain = (Book([state.copy() for state in accounts]) for _ in range(2))
    done, expected = straight.apply_together(fit, NOON, goes_straight=True), plain.apply_together(fit, NOON)
    assert not isinstance(done, tuple)
    assert not isinstance(expected, tuple)
    assert [one.entries for one in done] == [one.entries for one in expected]
    assert all(isinstance(one, PostedPair) for one in done)
    assert photograph(straight.accounts.values()) == photograph(plain.accounts.values())
    before = photograph(straight.accounts.values())
    refused = straight.apply_together([*fit[:1], transfer("50.00", "bob", "alice", key="c")], NOON, goes_straight=True)
    assert isinstance(refused, tuple)
    assert refused[0] == 0  # alice has no five left
    assert photograph(straight.accounts.values()) == before


def test_a_pair_says_its_money_and_accounts() -> None:
    pair = transfer("5", "alice", "bob").pair(Book(), NOON)
    assert pair is not None
    assert (pair.reason, pair.debit_id, pair.credit_id) == ("transfer", account_id("alice"), account_id("bob"))
    assert pair.money == Money(Decimal("5.00"), USD)
