"""What is carried in one walk is what the Book would have made of it, to the last bit; or it is left to the Book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import Decimal
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.domain.builders import EUR, NOON, USD, account, account_id, clearing, photograph, uuid_of, wallet
from tests.domain.builders import post_entry as entry_command
from tests.domain.hold_scenarios import capture, place
from tests.domain.scenarios import PROPERTY
from tests.domain.test_pair import NAMES, TEXTS, states
from zerosum.domain.errors import Unbalanced
from zerosum.domain.ledger import book as books
from zerosum.domain.ledger.account import AccountState, AccountStatus, Layer, Side
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry, Nature, Posting
from zerosum.domain.ledger.outcome import Outcome, Posted, Refused
from zerosum.domain.ledger.usual import carry_usual
from zerosum.domain.ledger.velocity import Direction, Used, VelocityLimit, Window, WindowKind
from zerosum.domain.money import Money

AMOUNTS = ("0.01", "1.00", "1.00", "10.00", "99999999999999999999.99")


def at_length(book: Book, command: LedgerCommand) -> Outcome:
    """By the Book alone."""
    with mock.patch.object(books, "carry_usual", return_value=None):
        return book.apply(command, NOON)


@st.composite
def entries(draw: st.DrawFn) -> JournalEntry:
    """Pairs of lines, in both layers; some names twice or thrice, some nobody's."""
    lines: list[Posting] = []
    for _ in range(draw(st.integers(1, 3))):
        money = Money.parse(draw(st.sampled_from(AMOUNTS)), draw(st.sampled_from([USD] * 6 + [EUR])))
        layer = draw(st.sampled_from(Layer))
        releases = layer is Layer.PENDING and draw(st.booleans())
        hold = draw(st.none() | st.just(uuid_of("a hold"))) if layer is Layer.PENDING else None
        first, second = draw(st.permutations([*NAMES * 2, "nobody"]))[:2]
        lines += [
            Posting(account_id(first), Side.DEBIT, money, layer, releases, hold),
            Posting(account_id(second), Side.CREDIT, money, layer, releases, hold),
        ]
    nature = draw(st.sampled_from([Nature.INTENTION] * 4 + [*Nature]))
    return JournalEntry(draw(TEXTS), tuple(draw(st.permutations(lines))), nature=nature)


def told(outcome: Outcome) -> object:
    if isinstance(outcome, Posted):
        return outcome
    refusal = outcome.refusal
    return refusal.code, refusal.detail, refusal.pointer, refusal.facts, [other.identity for other in refusal.others]


@PROPERTY
@given(st.data())
def test_it_does_what_the_book_does_or_nothing(data: st.DataObject) -> None:
    accounts = [data.draw(states(name)) for name in NAMES]
    one, other = (Book([state.copy() for state in accounts]) for _ in range(2))
    for number in range(data.draw(st.integers(1, 4))):
        command = entry_command(data.draw(entries()), key=f"key-{number}")
        expected = at_length(other, command)
        event("refused" if isinstance(expected, Refused) else "usual" if is_usual(one, command) else "unusual")
        assert told(one.apply(command, NOON)) == told(expected)
        assert photograph(one.accounts.values()) == photograph(other.accounts.values())
        assert one.accounts == other.accounts


def is_usual(book: Book, command: LedgerCommand) -> bool:
    copies: dict[UUID, AccountState] = {state.id: state.copy() for state in book.accounts.values()}
    return carry_usual(copies, command.journal_entry(), bytes(32), NOON) is not None


def carried(accounts: Sequence[AccountState], lines: str) -> bool:
    """Whether it goes the short way. If not, nothing was touched."""
    before = photograph(accounts)
    by_id: dict[UUID, AccountState] = {state.id: state for state in accounts}
    found = carry_usual(by_id, entry_command(lines).entry, bytes(32), NOON)
    assert (photograph(accounts) == before) is (found is None)
    return found is not None


DAY = Window(Direction.OUT, WindowKind.DAY)
PLAIN = "debit alice 5.00 USD\ncredit bob 5.00 USD"


def test_what_is_usual_goes_the_short_way() -> None:
    assert carried([wallet("alice", "5.00"), wallet("bob")], PLAIN)
    assert carried([wallet("alice", "5.00"), clearing("bob")], PLAIN)
    assert carried(
        [wallet("alice", "5.00"), wallet("bob")], "debit alice 5.00 USD pending\ncredit bob 5.00 USD pending"
    )


@pytest.mark.parametrize(
    "bob",
    [
        account("bob", ceiling="100.00"),
        account("bob", status=AccountStatus.FROZEN),
        account("bob", status=AccountStatus.CLOSED),
        account("bob", currency=EUR),
        account("bob", "-5.00", overdrawn=True),
        replace(wallet("bob"), velocity=(VelocityLimit(DAY, number=5),)),
        replace(wallet("bob"), used={DAY: Used(NOON, NOON, None, Decimal(0), 0)}),
        replace(wallet("bob"), groups=("shops",)),
        wallet("carol"),
    ],
    ids=["ceiling", "frozen", "closed", "currency", "overdrawn", "velocity", "counted", "group", "unknown"],
)
def test_what_is_unusual_is_left_to_the_book(bob: AccountState) -> None:
    assert not carried([wallet("alice", "5.00"), bob], PLAIN)


def test_nothing_that_an_account_or_an_entry_may_have_is_unknown_to_the_short_ways() -> None:
    """What is new here may stand in the way of an entry: `usual.py` and `pair.py` leave it to the Book, or judge it."""
    assert {member.name for member in fields(AccountState)} == {
        *("ledger_id", "id", "currency", "normal_side", "status", "min_available", "max_available", "posted_debits"),
        *("posted_credits", "held", "version", "head", "overdrawn", "last_posted_at", "velocity", "used", "groups"),
        "row_version",
    }
    assert {member.name for member in fields(JournalEntry)} == {
        *("reason", "postings", "effective_at", "reverses", "nature", "gives_back", "conditions")
    }
    assert Posting._fields == ("account_id", "side", "money", "layer", "releases", "hold")
    assert [*Layer] == [Layer.POSTED, Layer.PENDING]


def test_too_little_is_left_to_the_book() -> None:
    assert not carried([wallet("alice", "4.99"), wallet("bob")], PLAIN)
    assert not carried([account("alice", "5.00", held="0.01"), wallet("bob")], PLAIN)


def test_a_capture_is_usual() -> None:
    book = Book([wallet("alice", "100.00"), wallet("hotel")])
    hold = place(book, "80.00", "alice", "hotel")
    order = capture(hold, "30.00")
    other = Book([state.copy() for state in book.accounts.values()], dict(book.records))
    with mock.patch.object(Book, "_carry", side_effect=AssertionError("it went the long way")):
        done = book.apply(order, NOON)
    assert done == at_length(other, order)
    assert book.accounts == other.accounts


def test_pairs_are_seen_to_balance_and_others_are_added_up() -> None:
    with pytest.raises(Unbalanced):
        entry_command("debit alice 5.00 USD\ncredit bob 5.00 USD\ndebit alice 1.00 USD\ncredit bob 1.01 USD")
    with pytest.raises(Unbalanced):
        entry_command("debit alice 5.00 USD\ncredit bob 5.00 USD pending")
    entry_command("debit alice 5.00 USD\ndebit carol 1.00 USD\ncredit bob 5.00 USD\ncredit bob 1.00 USD")
