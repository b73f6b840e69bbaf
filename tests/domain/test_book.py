"""The Book: what it posts, what it refuses, in which order, and that a refusal changes nothing at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.domain.builders import (
    EUR,
    LEDGER,
    NOON,
    USD,
    account,
    account_id,
    clearing,
    entry,
    ledger,
    photograph,
    post_entry,
    posted,
    refused,
    shown,
    shown_lines,
    transfer,
    uuid_of,
    wallet,
)
from zerosum.domain.commands import Command
from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import Nature
from zerosum.domain.ledger.outcome import Posted, Refused

CLOSED, FROZEN = AccountStatus.CLOSED, AccountStatus.FROZEN
LARGEST = "99999999999999999999.99"


def apply(book: Book, lines: str) -> None:
    posted(book.apply(post_entry(lines), NOON))


def objections(book: Book, lines: str) -> list[tuple[str, str | None]]:
    """Code and pointer of all that stands against an entry; looking changes nothing."""
    before = photograph(book.accounts.values())
    found = [(objection.code, objection.pointer) for objection in book.objections(entry(lines))]
    assert photograph(book.accounts.values()) == before
    return found


def refusal(book: Book, lines: str) -> DomainError:
    """The refusal of an entry. Nothing changes: no balance, no version, no head."""
    before = photograph(book.accounts.values())
    found = refused(book.apply(post_entry(lines), NOON))
    assert photograph(book.accounts.values()) == before
    assert [found.code] == [code for code, _ in objections(book, lines)][:1]
    return found


def wire(name: str) -> str:
    return render_id(Prefix.ACCOUNT, account_id(name))


# --- Posting ---------------------------------------------------------------------------------------------------------


def test_a_transfer_moves_money_from_one_wallet_to_the_other() -> None:
    book = Book([wallet("alice", "100.00"), wallet("bob")])
    outcome = book.apply(transfer("30.00", "alice", "bob"), NOON)
    assert shown_lines(posted(outcome)) == ledger(
        """
        debit   alice  30.00 USD -> version 1  posted 70.00  held 0.00
        credit  bob    30.00 USD -> version 1  posted 30.00  held 0.00
        """
    )
    assert shown(book) == ledger(
        """
        alice  posted 70.00  held 0.00  version 1
        bob    posted 30.00  held 0.00  version 1
        """
    )


def test_an_entry_is_posted_with_all_that_its_command_says() -> None:
    book = Book([wallet("alice", "100.00"), wallet("bob")])
    last_week = NOON - timedelta(days=7)
    wanted = entry("debit alice 30.00 USD \n credit bob 30.00 USD", reason="rent", effective_at=last_week)
    command = post_entry(wanted, metadata={"flat": "7"})
    outcome = book.apply(command, NOON)
    assert isinstance(outcome, Posted)
    assert outcome.events[0].type is EventType.JOURNAL_ENTRY_POSTED
    written = outcome.entry
    assert (written.id, written.ledger_id, written.entry) == (command.id, LEDGER, wanted)
    assert (written.effective_at, written.posted_at) == (last_week, NOON)
    assert (written.idempotency_key, written.fingerprint) == (command.idempotency_key, command.fingerprint)
    assert (written.actor, written.metadata) == ("tests", {"flat": "7"})
    assert (written.resource_type, written.resource_id) == (ResourceType.JOURNAL_ENTRY, None)
    assert [line.place for line in written.postings] == [0, 1]


def test_an_entry_happened_when_it_is_posted_unless_it_says_otherwise() -> None:
    book = Book([wallet("alice", "100.00"), wallet("bob")])
    assert posted(book.apply(transfer("30.00", "alice", "bob"), NOON)).effective_at == NOON


def test_commands_follow_each_other_on_the_same_accounts() -> None:
    book = Book([clearing(), wallet("alice"), wallet("bob")])
    apply(book, "debit clearing 50.00 USD \n credit alice 50.00 USD")
    apply(book, "debit alice 20.00 USD \n credit bob 20.00 USD")
    apply(book, "debit bob 5.00 USD \n credit clearing 5.00 USD")
    assert shown(book) == ledger(
        """
        alice     posted 30.00  held 0.00  version 2
        bob       posted 15.00  held 0.00  version 2
        clearing  posted 45.00  held 0.00  version 2
        """
    )


def test_one_account_may_stand_on_several_postings_and_gets_a_version_for_each() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    outcome = book.apply(
        post_entry(
            """
            debit   alice  4.00 USD
            credit  bob    6.00 USD
            debit   alice  5.00 USD
            credit  alice  3.00 USD
            """
        ),
        NOON,
    )
    assert shown_lines(posted(outcome)) == ledger(
        """
        debit   alice  4.00 USD -> version 1  posted 6.00  held 0.00
        credit  bob    6.00 USD -> version 1  posted 6.00  held 0.00
        debit   alice  5.00 USD -> version 2  posted 1.00  held 0.00
        credit  alice  3.00 USD -> version 3  posted 4.00  held 0.00
        """
    )
    assert posted(outcome).account_versions == {account_id("alice"): 3, account_id("bob"): 1}


def test_an_entry_may_touch_one_account_only() -> None:
    book = Book([wallet("alice")])
    apply(book, "debit alice 4.00 USD \n credit alice 4.00 USD")
    assert shown(book) == "alice posted 0.00 held 0.00 version 2"


def test_an_entry_may_have_several_currencies() -> None:
    book = Book(
        [wallet("alice", "10.00"), wallet("alice:eur", currency=EUR), clearing("fx"), clearing("fx:eur", currency=EUR)]
    )
    apply(
        book,
        """
        debit   alice      10.00 USD
        credit  fx         10.00 USD
        debit   fx:eur      9.00 EUR
        credit  alice:eur   9.00 EUR
        """,
    )
    assert shown(book) == ledger(
        """
        alice      posted 0.00    held 0.00  version 1
        alice:eur  posted 9.00    held 0.00  version 1
        fx         posted -10.00  held 0.00  version 1
        fx:eur     posted 9.00    held 0.00  version 1
        """
    )


@pytest.mark.parametrize("type_", AccountType)
def test_a_posting_on_the_normal_side_increases_every_type_of_account(type_: AccountType) -> None:
    book = Book([account("any", type_=type_, floor=None), account("other", floor=None)])
    normal, opposite = type_.normal_side.value, type_.normal_side.opposite.value
    apply(book, f"{normal} any 7.00 USD \n {opposite} other 7.00 USD")
    assert book.accounts[account_id("any")].posted == Decimal("7.00")
    apply(book, f"{opposite} any 9.00 USD \n {normal} other 9.00 USD")
    assert book.accounts[account_id("any")].posted == Decimal("-2.00")


# --- The pending layer -----------------------------------------------------------------------------------------------


def test_a_hold_lowers_what_is_available_and_leaves_what_is_posted() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    apply(book, "debit alice 6.00 USD pending \n credit bob 6.00 USD pending")
    assert shown(book) == ledger(
        """
        alice  posted 10.00  held 6.00  version 1
        bob    posted 0.00   held 0.00  version 1
        """
    )
    assert refusal(book, "debit alice 4.01 USD \n credit bob 4.01 USD").code == "insufficient_funds"
    apply(book, "debit alice 4.00 USD \n credit bob 4.00 USD")


def test_a_hold_above_what_is_available_is_refused() -> None:
    book = Book([account("alice", "10.00", held="4.00"), wallet("bob")])
    found = refusal(book, "debit alice 6.01 USD pending \n credit bob 6.01 USD pending")
    assert (found.code, found.facts["available"], found.facts["required"]) == ("insufficient_funds", "6.00", "6.01")


def test_a_capture_releases_and_posts_in_one_entry_without_needing_the_money_twice() -> None:
    book = Book([account("alice", "10.00", held="10.00"), wallet("bob")])
    apply(
        book,
        """
        debit   alice  10.00 USD  pending releases
        credit  bob    10.00 USD  pending releases
        debit   alice   8.00 USD
        credit  bob     8.00 USD
        """,
    )
    assert shown(book) == ledger(
        """
        alice  posted 2.00  held 0.00  version 2
        bob    posted 8.00  held 0.00  version 2
        """
    )


def test_incoming_pending_money_cannot_be_spent() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    apply(book, "debit alice 6.00 USD pending \n credit bob 6.00 USD pending")
    assert refusal(book, "debit bob 0.01 USD \n credit alice 0.01 USD").code == "insufficient_funds"


# --- Objections to accounts ------------------------------------------------------------------------------------------

MOVE = "debit alice 1.00 USD \n credit bob 1.00 USD"


def test_an_unknown_account_is_refused() -> None:
    found = refusal(Book([wallet("alice", "10.00")]), MOVE)
    assert (found.code, found.pointer) == ("account_not_found", "/postings/1/account")
    assert found.facts == {"account": wire("bob")}


@pytest.mark.parametrize(
    ("status", "code"), [(AccountStatus.FROZEN, "account_frozen"), (AccountStatus.CLOSED, "account_closed")]
)
@pytest.mark.parametrize(("name", "place"), [("alice", 0), ("bob", 1)])
def test_an_account_that_is_not_open_takes_no_posting_on_either_side(
    name: str, place: int, status: AccountStatus, code: str
) -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    book.accounts[account_id(name)].status = status
    found = refusal(book, MOVE)
    assert (found.code, found.pointer) == (code, f"/postings/{place}/account")
    assert found.facts == {"account": wire(name)}


@pytest.mark.parametrize("words", ["pending", "pending releases"])
@pytest.mark.parametrize("status", [FROZEN, CLOSED])
def test_an_account_that_is_not_open_takes_no_pending_posting_either(words: str, status: AccountStatus) -> None:
    book = Book([account("alice", "10.00", held="5.00"), account("bob", status=status)])
    found = refusal(book, f"debit alice 1.00 USD {words} \n credit bob 1.00 USD {words}")
    assert found.code in ("account_frozen", "account_closed")


def test_an_account_takes_its_own_currency_only() -> None:
    found = refusal(Book([wallet("alice", "10.00"), wallet("bob", currency=EUR)]), MOVE)
    assert (found.code, found.pointer) == ("currency_mismatch", "/postings/1/account")
    assert found.facts == {"account": wire("bob"), "currency": "EUR"}


@pytest.mark.parametrize(
    ("bob", "codes"),
    [
        (None, ["account_not_found"]),
        (account("bob", currency=EUR, status=CLOSED), ["account_closed", "currency_mismatch"]),
        (account("bob", currency=EUR, status=FROZEN), ["account_frozen", "currency_mismatch"]),
        (account("bob", currency=EUR), ["currency_mismatch"]),
    ],
)
def test_of_one_account_all_is_told_in_the_fixed_order(bob: AccountState | None, codes: list[str]) -> None:
    book = Book([wallet("alice", "10.00")] + ([bob.copy()] if bob is not None else []))
    assert objections(book, MOVE) == [(code, "/postings/1/account") for code in codes]


def test_of_several_accounts_all_are_told_in_the_order_of_the_postings() -> None:
    book = Book(
        [
            account("frozen", status=FROZEN),
            wallet("euro", currency=EUR),
            account("closed", status=CLOSED),
            wallet("poor"),
        ]
    )
    lines = """
        debit   poor     5.00 USD
        debit   frozen   1.00 USD
        credit  euro     1.00 USD
        credit  unknown  1.00 USD
        credit  closed   1.00 USD
        credit  frozen   3.00 USD
        """
    assert objections(book, lines) == [
        ("account_frozen", "/postings/1/account"),
        ("currency_mismatch", "/postings/2/account"),
        ("account_not_found", "/postings/3/account"),
        ("account_closed", "/postings/4/account"),
        ("account_frozen", "/postings/5/account"),
        ("insufficient_funds", "/postings/0/account"),
    ]


@pytest.mark.parametrize(
    "other", [account("bob", status=FROZEN), account("bob", status=CLOSED), wallet("bob", currency=EUR)]
)
def test_what_an_account_lacks_is_told_though_another_takes_nothing(other: AccountState) -> None:
    code = "currency_mismatch" if other.currency == "EUR" else f"account_{other.status.value}"
    found = objections(Book([wallet("alice"), other]), MOVE)
    assert found == [(code, "/postings/1/account"), ("insufficient_funds", "/postings/0/account")]


def test_a_frozen_account_is_judged_with_all_the_others() -> None:
    book = Book([account("alice", status=FROZEN), account("bob", ceiling="0.50")])
    assert objections(book, MOVE) == [
        ("account_frozen", "/postings/0/account"),
        ("insufficient_funds", "/postings/0/account"),
        ("limit_exceeded", "/postings/1/account"),
    ]


# --- The floor -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", ["0.00", "-25.00", "3.00"])
def test_the_floor_can_be_reached_but_not_passed(floor: str) -> None:
    def book() -> Book:
        return Book([account("alice", "10.00", floor=floor), account("bob")])

    spendable = Decimal("10.00") - Decimal(floor)
    apply(book(), f"debit alice {spendable} USD \n credit bob {spendable} USD")
    too_much = spendable + Decimal("0.01")
    found = refusal(book(), f"debit alice {too_much} USD \n credit bob {too_much} USD")
    assert (found.code, found.pointer) == ("insufficient_funds", "/postings/0/account")
    assert found.facts == {
        "account": wire("alice"),
        "currency": "USD",
        "available": "10.00",
        "required": str(too_much),
        "min_available": floor,
    }


@pytest.mark.parametrize("type_", AccountType)
def test_the_floor_binds_every_type_of_account(type_: AccountType) -> None:
    book = Book([account("any", "10.00", type_=type_), clearing()])
    outward, inward = type_.normal_side.opposite.value, type_.normal_side.value
    found = refusal(book, f"{outward} any 10.01 USD \n {inward} clearing 10.01 USD")
    assert found.code == "insufficient_funds"
    apply(book, f"{outward} any 10.00 USD \n {inward} clearing 10.00 USD")


def test_an_account_without_a_floor_may_owe() -> None:
    book = Book([clearing(), wallet("alice")])
    apply(book, "credit clearing 1000000.00 USD \n debit clearing 0.01 USD \n debit clearing 999999.99 USD")
    apply(book, "credit clearing 1000000.00 USD \n debit clearing 0.01 USD \n debit clearing 999999.99 USD")
    book = Book([clearing(), account("alice", "5.00")])
    apply(book, "debit alice 5.00 USD \n credit clearing 5.00 USD")
    assert book.accounts[account_id("clearing")].posted == Decimal("-5.00")


def test_what_counts_is_the_balance_after_the_whole_entry() -> None:
    book = Book([wallet("alice", "1.00"), wallet("bob")])
    outcome = book.apply(
        post_entry(
            """
            debit   alice  50.00 USD
            credit  bob    50.00 USD
            debit   bob    49.00 USD
            credit  alice  49.00 USD
            """
        ),
        NOON,
    )
    assert shown_lines(posted(outcome)) == ledger(
        """
        debit   alice  50.00 USD -> version 1  posted -49.00  held 0.00
        credit  bob    50.00 USD -> version 1  posted 50.00   held 0.00
        debit   bob    49.00 USD -> version 2  posted 1.00    held 0.00
        credit  alice  49.00 USD -> version 2  posted 0.00    held 0.00
        """
    )


def test_an_entry_is_refused_for_the_sum_of_its_postings_though_each_alone_would_pass() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    lines = """
        debit   alice  6.00 USD
        debit   alice  6.00 USD
        credit  bob   12.00 USD
        """
    found = refusal(book, lines)
    assert (found.code, found.pointer) == ("insufficient_funds", "/postings/0/account")
    assert (found.facts["available"], found.facts["required"]) == ("10.00", "12.00")


def test_posted_and_pending_count_together_against_the_floor() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    lines = """
        debit   alice  6.00 USD
        credit  bob    6.00 USD
        debit   alice  {0} USD  pending
        credit  bob    {0} USD  pending
        """
    assert refusal(book, lines.format("4.01")).facts["required"] == "10.01"
    apply(book, lines.format("4.00"))


def test_every_account_is_judged_in_the_order_in_which_the_entry_first_names_it() -> None:
    book = Book([wallet("alice"), wallet("bob"), clearing()])
    lines = """
        credit  clearing  3.00 USD
        debit   bob       1.00 USD
        debit   alice     1.00 USD
        debit   bob       1.00 USD
        """
    assert objections(book, lines) == [
        ("insufficient_funds", "/postings/1/account"),
        ("insufficient_funds", "/postings/2/account"),
    ]


# --- The ceiling -----------------------------------------------------------------------------------------------------


def test_the_ceiling_can_be_reached_but_not_passed() -> None:
    def book() -> Book:
        return Book([clearing(), account("alice", "90.00", ceiling="100.00")])

    apply(book(), "debit clearing 10.00 USD \n credit alice 10.00 USD")
    found = refusal(book(), "debit clearing 10.01 USD \n credit alice 10.01 USD")
    assert (found.code, found.pointer) == ("limit_exceeded", "/postings/1/account")
    assert found.facts == {
        "account": wire("alice"),
        "currency": "USD",
        "available": "90.00",
        "incoming": "10.01",
        "max_available": "100.00",
    }


def test_the_ceiling_binds_what_is_available_and_not_what_is_held() -> None:
    book = Book([clearing(), account("alice", "100.00", held="30.00", ceiling="100.00")])
    apply(book, "debit clearing 30.00 USD \n credit alice 30.00 USD")
    assert refusal(book, "debit clearing 0.01 USD \n credit alice 0.01 USD").code == "limit_exceeded"


def test_an_account_at_its_ceiling_may_pay() -> None:
    book = Book([clearing(), account("alice", "100.00", ceiling="100.00")])
    apply(book, "debit alice 1.00 USD \n credit clearing 1.00 USD")


def test_an_account_above_its_ceiling_may_still_pay_and_shift() -> None:
    """No rule brings it there; but what lies there already, from wherever, must be able to leave."""
    book = Book([clearing(), account("alice", "150.00", ceiling="100.00")])
    apply(book, "debit alice 1.00 USD \n credit clearing 1.00 USD")
    apply(book, "debit alice 1.00 USD \n credit alice 1.00 USD")
    assert refusal(book, "debit clearing 0.01 USD \n credit alice 0.01 USD").code == "limit_exceeded"


def test_a_ceiling_may_lie_below_zero() -> None:
    book = Book([clearing(), account("alice", "-50.00", floor=None, ceiling="-10.00")])
    apply(book, "debit clearing 40.00 USD \n credit alice 40.00 USD")
    assert refusal(book, "debit clearing 0.01 USD \n credit alice 0.01 USD").code == "limit_exceeded"


# --- What a balance can hold -----------------------------------------------------------------------------------------


def test_a_balance_stops_one_minor_unit_below_ten_to_the_twentieth() -> None:
    def book() -> Book:
        return Book([clearing(), account("alice", "99999999999999999999.98")])

    apply(book(), "debit clearing 0.01 USD \n credit alice 0.01 USD")
    found = refusal(book(), "debit clearing 0.02 USD \n credit alice 0.02 USD")
    assert (found.code, found.pointer) == ("balance_overflow", "/postings/1/account")
    assert found.facts == {"account": wire("alice"), "currency": "USD"}


def test_what_is_posted_stops_there_though_less_is_available() -> None:
    book = Book([clearing(), account("alice", "99999999999999999999.98", held="1.00")])
    lines = "debit clearing {0} USD \n credit alice {0} USD"
    assert refusal(book, lines.format("0.02")).code == "balance_overflow"
    apply(book, lines.format("0.01"))


def test_a_debt_stops_there_too() -> None:
    def book() -> Book:
        return Book([account("alice", "-99999999999999999999.98", floor=None), clearing()])

    apply(book(), "debit alice 0.01 USD \n credit clearing 0.01 USD")
    found = refusal(book(), "debit alice 0.02 USD \n credit clearing 0.02 USD")
    assert (found.code, found.pointer) == ("balance_overflow", "/postings/0/account")


def test_what_is_available_stops_there_too() -> None:
    book = Book([account("alice", "-90000000000000000000.00", floor=None), clearing()])
    lines = "debit alice {0} USD pending \n credit clearing {0} USD pending"
    assert refusal(book, lines.format("10000000000000000000.00")).code == "balance_overflow"
    apply(book, lines.format("9999999999999999999.99"))


def test_what_is_held_stops_there_too() -> None:
    book = Book([account("alice", "50000000000000000000.00", held="99999999999999999999.98", floor=None), clearing()])
    lines = "debit alice {0} USD pending \n credit clearing {0} USD pending"
    assert refusal(book, lines.format("0.02")).code == "balance_overflow"
    apply(book, lines.format("0.01"))


def test_one_account_may_meet_several_objections_floor_or_ceiling_first() -> None:
    book = Book([account("alice", "-1.00", floor="-1.00"), account("bob", "1.00", ceiling="1.00")])
    lines = f"""
        debit   alice  {LARGEST} USD
        credit  bob    {LARGEST} USD
        """
    assert objections(book, lines) == [
        ("insufficient_funds", "/postings/0/account"),
        ("balance_overflow", "/postings/0/account"),
        ("limit_exceeded", "/postings/1/account"),
        ("balance_overflow", "/postings/1/account"),
    ]


def test_totals_of_debits_and_credits_may_grow_beyond_what_a_balance_can_hold() -> None:
    book = Book([clearing(), clearing("other")])
    for _ in range(3):
        apply(book, f"debit clearing {LARGEST} USD \n credit other {LARGEST} USD")
        apply(book, f"debit other {LARGEST} USD \n credit clearing {LARGEST} USD")
    assert book.accounts[account_id("clearing")].posted_debits == 3 * Decimal(LARGEST)
    assert shown(book) == ledger(
        """
        clearing  posted 0.00  held 0.00  version 6
        other     posted 0.00  held 0.00  version 6
        """
    )


# --- Overdrawing -----------------------------------------------------------------------------------------------------

DISPUTE = """
    debit   alice     {0} USD  pending outside
    credit  clearing  {0} USD  pending
    """


def test_a_dispute_may_take_what_is_available_below_the_floor() -> None:
    book = Book([wallet("alice", "10.00"), clearing()])
    apply(book, DISPUTE.format("25.00"))
    assert shown(book) == ledger(
        """
        alice     posted 10.00  held 25.00  version 1  overdrawn
        clearing  posted 0.00   held 25.00  version 1
        """
    )


def test_a_dispute_that_stays_above_the_floor_overdraws_nothing() -> None:
    book = Book([wallet("alice", "10.00"), clearing()])
    apply(book, DISPUTE.format("10.00"))
    assert not book.accounts[account_id("alice")].overdrawn


def test_an_account_without_a_floor_cannot_be_overdrawn() -> None:
    book = Book([account("alice", "10.00", floor=None), clearing()])
    apply(book, DISPUTE.format("25.00"))
    assert not book.accounts[account_id("alice")].overdrawn


@pytest.mark.parametrize("status", ["frozen", "closed"])
def test_a_fact_from_outside_is_recorded_on_an_account_that_takes_nothing_else(status: str) -> None:
    book = Book([account("alice", "10.00", status=AccountStatus(status)), clearing()])
    assert refusal(book, "debit alice 0.01 USD \n credit clearing 0.01 USD").code == f"account_{status}"
    apply(book, DISPUTE.format("25.00"))
    assert book.accounts[account_id("alice")].overdrawn
    assert book.accounts[account_id("alice")].status.value == status


def test_what_is_released_may_pass_the_ceiling_and_reach_a_frozen_account() -> None:
    alice = account("alice", "10.00", held="5.00", ceiling="5.00", status=AccountStatus.FROZEN)
    book = Book([alice, account("clearing", type_=AccountType.ASSET, held="5.00", floor=None)])
    lines = entry("debit alice 5.00 USD pending releases \n credit clearing 5.00 USD pending releases")
    assert isinstance(book.apply(post_entry(lines), NOON), Refused)
    posted(book.apply(post_entry(replace(lines, nature=Nature.RELEASE)), NOON))
    assert book.accounts[account_id("alice")].available == Decimal("10.00")


def test_an_overdrawn_account_may_receive_but_not_pay() -> None:
    book = Book([account("alice", "10.00", held="25.00", overdrawn=True), clearing()])
    assert refusal(book, "debit alice 0.01 USD \n credit clearing 0.01 USD").code == "insufficient_funds"
    apply(book, "debit clearing 14.99 USD \n credit alice 14.99 USD")
    assert book.accounts[account_id("alice")].overdrawn
    apply(book, "debit clearing 0.01 USD \n credit alice 0.01 USD")
    assert not book.accounts[account_id("alice")].overdrawn


def test_an_overdrawn_account_may_be_overdrawn_further_by_another_dispute() -> None:
    book = Book([account("alice", "10.00", held="25.00", overdrawn=True), clearing()])
    apply(book, DISPUTE.format("1.00"))
    assert shown(book).startswith("alice posted 10.00 held 26.00 version 1 overdrawn")


@pytest.mark.parametrize(
    "lines",
    [
        """
        credit  alice     20.00 USD
        debit   alice     20.00 USD
        """,
        """
        debit   alice     20.00 USD
        credit  alice     20.00 USD
        """,
        """
        credit  alice     20.00 USD
        debit   alice     19.99 USD
        debit   clearing   0.01 USD
        """,
    ],
)
def test_an_account_stays_overdrawn_when_only_the_middle_of_an_entry_lifts_it_above_its_floor(lines: str) -> None:
    book = Book([account("alice", "10.00", held="15.00", overdrawn=True), clearing()])
    apply(book, lines)
    assert book.accounts[account_id("alice")].overdrawn


def test_an_account_is_overdrawn_wherever_in_the_entry_the_dispute_stands() -> None:
    for dispute_first in (True, False):
        dispute = ["debit alice 25.00 USD pending outside", "credit clearing 25.00 USD pending"]
        others = ["credit alice 30.00 USD", "debit alice 30.00 USD"]
        book = Book([wallet("alice", "10.00"), clearing()])
        apply(book, "\n".join(dispute + others if dispute_first else others + dispute))
        assert book.accounts[account_id("alice")].overdrawn
    apply(book := Book([wallet("alice", "10.00"), clearing()]), "\n".join([*others, *dispute, *others]))
    assert book.accounts[account_id("alice")].overdrawn


def test_a_fact_from_outside_is_judged_by_no_limit_on_any_of_its_accounts() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob", "10.00")])
    lines = """
        debit   alice  25.00 USD  pending outside
        debit   bob    25.00 USD  pending
        credit  alice  50.00 USD  pending
        """
    assert objections(book, lines) == []
    assert objections(book, lines.replace("outside", "")) == [
        ("insufficient_funds", "/postings/0/account"),
        ("insufficient_funds", "/postings/1/account"),
    ]


# --- The same again --------------------------------------------------------------------------------------------------


def test_the_same_commands_on_the_same_states_give_the_same_books_hashes_and_all() -> None:
    def run() -> list[str]:
        book = Book([clearing(), wallet("alice"), wallet("bob")])
        outcomes = [
            book.apply(command, NOON)
            for command in (
                post_entry("debit clearing 50.00 USD \n credit alice 50.00 USD", key="1"),
                transfer("20.00", "alice", "bob", key="2"),
                transfer("30.01", "alice", "bob", key="3"),
                transfer("5.00", "bob", "alice", key="4"),
            )
        ]
        assert [isinstance(outcome, Posted) for outcome in outcomes] == [True, True, False, True]
        return [repr(outcome) for outcome in outcomes if isinstance(outcome, Posted)] + photograph(
            book.accounts.values()
        )

    assert run() == run()


def test_the_moment_of_posting_is_part_of_the_hash() -> None:
    def head(moment_later: int) -> bytes:
        book = Book([wallet("alice", "10.00"), wallet("bob")])
        posted(book.apply(transfer("1.00", "alice", "bob"), NOON + timedelta(microseconds=moment_later)))
        return book.accounts[account_id("alice")].head

    assert head(0) != head(1)


def test_each_posting_of_an_account_moves_its_head() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    heads = [book.accounts[account_id("alice")].head]
    for number in range(3):
        written = posted(book.apply(transfer("1.00", "alice", "bob", key=str(number)), NOON))
        assert written.postings[0].hash == book.accounts[account_id("alice")].head
        heads.append(written.postings[0].hash)
    assert len(set(heads)) == 4


def test_a_command_carries_no_metadata_of_another_one() -> None:
    one, other = (
        Command(id=uuid_of(text), ledger_id=LEDGER, idempotency_key=text, fingerprint=b"", actor="") for text in "ab"
    )
    assert one.metadata == other.metadata == {}
    with pytest.raises(TypeError):
        one.metadata["a"] = "b"  # type: ignore[index]


def test_money_of_a_command_is_in_its_accounts_currency_or_refused() -> None:
    book = Book([wallet("alice", "10.00"), wallet("bob")])
    found = refused(book.apply(transfer("1.00", "alice", "bob", currency=EUR), NOON))
    assert (found.code, found.pointer) == ("currency_mismatch", "/from")
    assert USD.code == found.facts["currency"]
