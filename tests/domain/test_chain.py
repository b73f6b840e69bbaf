"""The hash chain: its format is fixed here, byte for byte, and nothing in the books escapes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.builders import (
    EUR,
    LEDGER,
    NOON,
    USD,
    account_id,
    clearing,
    entry,
    post_entry,
    posted,
    transfer,
    wallet,
)
from tests.domain.chain_verifier import breaks, digest_of, genesis_of, hash_of
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId, LedgerId
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import entry_digest, genesis, posting_hash
from zerosum.domain.ledger.entry import JournalEntry, PostedEntry, PostedPosting, Posting
from zerosum.domain.ledger.periods import LateEntry, LateWay
from zerosum.domain.money import Money

OTHER = UUID("018f0000-0000-7000-8000-0000000000ff")
ALICE = AccountId(UUID("018f0000-0000-7000-8000-00000000a11c"))
BOB = AccountId(UUID("018f0000-0000-7000-8000-000000000b0b"))


def sample_posting(**changes: Any) -> Posting:
    return Posting(ALICE, Side.DEBIT, Money.parse("30.00", USD))._replace(**changes)


def sample_entry(**changes: Any) -> PostedEntry:
    """An entry with all its members filled."""
    known: dict[str, Any] = {
        "id": JournalEntryId(UUID("018f0000-0000-7000-8000-0000000000e1")),
        "ledger_id": LEDGER,
        "entry": JournalEntry(
            "rent, May 🏠",
            (sample_posting(), sample_posting(account_id=BOB, side=Side.CREDIT)),
            datetime(2025, 5, 1, 9, 30, 0, 1, tzinfo=UTC),
            JournalEntryId(UUID("018f0000-0000-7000-8000-0000000000e0")),
        ),
        "effective_at": datetime(2025, 5, 1, 9, 30, 0, 1, tzinfo=UTC),
        "posted_at": NOON,
        "actor": "key_1",
        "idempotency_key": "order-1001",
        "fingerprint": bytes(range(32)),
        "resource_type": ResourceType.PAYMENT,
        "resource_id": "pay_1",
        "metadata": {"b": "2", "a": "1"},
    }
    return PostedEntry(**{**known, **changes})


LATE = LateEntry(
    ledger_id=LEDGER,
    id=JournalEntryId(UUID("018f0000-0000-7000-8000-0000000000e1")),
    closing=7,
    way=LateWay.OVERRIDDEN,
    requested_at=datetime(2025, 5, 1, 9, 30, 0, 1, tzinfo=UTC),
    reason="found, ä",
)


def hash_with(**changes: Any) -> str:
    """The hash of the sample posting, with changes."""
    given: dict[str, Any] = {
        "previous": genesis(LEDGER, ALICE),
        "digest": entry_digest(sample_entry()),
        "posting": sample_posting(),
        "place": 0,
        "account_version": 1,
        "balance_after": "70.00",
        "held_after": "0.00",
        **changes,
    }
    return posting_hash(given.pop("previous"), given.pop("digest"), given.pop("posting"), **given).hex()


# --- The format ------------------------------------------------------------------------------------------------------
# These literals are what is stored in databases. When one of these tests fails, chains that exist no longer verify: a
# changed format needs a new version tag, beside the old one.


def test_the_genesis_is_what_it_always_was() -> None:
    assert genesis(LEDGER, ALICE).hex() == "37700d88ff1c4158640b0869d46f823d1ee0bf35717906025d1d7dcc67122812"


def test_the_digest_of_an_entry_is_what_it_always_was() -> None:
    assert entry_digest(sample_entry()).hex() == "2d88194f1157bf5b90ff12071e594087815c3c34c0a1b8060b2754110fd382aa"


def test_the_digest_of_a_bare_entry_is_what_it_always_was() -> None:
    bare = sample_entry(
        entry=JournalEntry("transfer", sample_entry().entry.postings),
        effective_at=NOON,
        resource_type=ResourceType.JOURNAL_ENTRY,
        resource_id=None,
        metadata={},
    )
    assert entry_digest(bare).hex() == "19687e9bff4c6a58035ff70aaa410542749af98c73a4ac7ec28a173c205c6214"


def test_the_digest_of_a_late_entry_is_what_it_always_was() -> None:
    assert (
        entry_digest(sample_entry(late=LATE)).hex()
        == "d63f46704f880d658b7aadf2398ab689a52160e13e5052b006ce82e02e8128d5"
    )


def test_the_hash_of_a_posting_is_what_it_always_was() -> None:
    assert hash_with() == "65155d6335729374861d80d0fdb3a20d80279afb18b9a9b5a04e619cc28f87a5"


def test_the_hash_of_a_release_is_what_it_always_was() -> None:
    release = sample_posting(layer=Layer.PENDING, releases=True, side=Side.CREDIT)
    assert hash_with(posting=release, place=7, account_version=12345, balance_after="-1.00", held_after="0.01") == (
        "dae8426ebb3e5bb18b1964efd7ebf6ba7b752194022f9def0ad46583f6d536f8"
    )


def test_the_hash_of_a_posting_that_names_its_hold_is_what_it_always_was() -> None:
    placed = sample_posting(layer=Layer.PENDING, hold=OTHER)
    assert hash_with(posting=placed) == "12116c07ff5005b3fdf98e0344a57faee26ab5274da2a2b0f4684b4aac2d6228"


def test_a_further_entry_of_a_command_has_no_key_in_its_digest() -> None:
    assert entry_digest(sample_entry(idempotency_key=None)) == entry_digest(sample_entry(idempotency_key=""))


def test_the_second_reading_of_the_format_agrees() -> None:
    whole, late = sample_entry(), sample_entry(late=LATE)
    assert genesis_of(LEDGER, ALICE) == genesis(LEDGER, ALICE)
    assert (digest_of(whole), digest_of(late)) == (entry_digest(whole), entry_digest(late))
    for posting in (sample_posting(), sample_posting(layer=Layer.PENDING, hold=OTHER)):
        line = PostedPosting(posting, 0, 1, Decimal("70.00"), Decimal("0.00"), b"")
        assert hash_of(genesis(LEDGER, ALICE), whole, line).hex() == hash_with(posting=posting)


# --- Nothing escapes it ----------------------------------------------------------------------------------------------

ENTRY_CHANGES: dict[str, Any] = {
    "id": JournalEntryId(OTHER),
    "ledger_id": LedgerId(OTHER),
    "effective_at": NOON,
    "posted_at": NOON + timedelta(microseconds=1),
    "actor": "key_2",
    "idempotency_key": "order-1002",
    "fingerprint": bytes(32),
    "resource_type": ResourceType.JOURNAL_ENTRY,
    "resource_id": "pay_2",
    "metadata": {"b": "2", "a": "2"},
    "late": LATE,
}
LATE_CHANGES: dict[str, Any] = {
    "closing": 8,
    "way": LateWay.ROLLED_FORWARD,
    "requested_at": NOON,
    "reason": "found",
}
JOURNAL_ENTRY_CHANGES: dict[str, Any] = {"reason": "rent, June 🏠", "reverses": JournalEntryId(OTHER)}
POSTING_CHANGES: dict[str, Any] = {
    "account_id": BOB,
    "side": Side.CREDIT,
    "money": Money.parse("30.01", USD),
    "layer": Layer.PENDING,
    "releases": True,
    "hold": OTHER,
}
LINE_CHANGES: dict[str, Any] = {
    "previous": genesis(LEDGER, BOB),
    "digest": bytes(32),
    "place": 1,
    "account_version": 2,
    "balance_after": "70.01",
    "held_after": "0.01",
}

ENTERS_OTHERWISE = {"entry": "its members enter one by one", "postings": "each is a link of its own"}
JOURNAL_ENTRY_ENTERS_OTHERWISE = {
    "postings": "each is a link of its own",
    "effective_at": "enters as the posted entry's, where it is never None",
    "gives_back": "an order to the Book, as its nature is",
    "conditions": "no part of what happened; the fingerprint covers them",
    "nature": "an order to the Book, like a command's; what became of it shows in the balance",
}


@pytest.mark.parametrize("name", ENTRY_CHANGES)
def test_every_member_of_an_entry_enters_the_hash(name: str) -> None:
    assert entry_digest(sample_entry(**{name: ENTRY_CHANGES[name]})) != entry_digest(sample_entry())


@pytest.mark.parametrize("name", LATE_CHANGES)
def test_what_a_late_entry_was_dated_to_enters_the_hash(name: str) -> None:
    changed = replace(LATE, **{name: LATE_CHANGES[name]})
    assert entry_digest(sample_entry(late=changed)) != entry_digest(sample_entry(late=LATE))


@pytest.mark.parametrize("name", JOURNAL_ENTRY_CHANGES)
def test_what_the_entry_says_enters_the_hash(name: str) -> None:
    changed = replace(sample_entry().entry, **{name: JOURNAL_ENTRY_CHANGES[name]})
    assert entry_digest(sample_entry(entry=changed)) != entry_digest(sample_entry())


@pytest.mark.parametrize("name", POSTING_CHANGES)
def test_every_member_of_a_posting_enters_the_hash(name: str) -> None:
    assert hash_with(posting=sample_posting(**{name: POSTING_CHANGES[name]})) != hash_with()
    held = sample_posting(hold=UUID(int=1))
    assert hash_with(posting=held._replace(**{name: POSTING_CHANGES[name]})) != hash_with(posting=held)


@pytest.mark.parametrize("name", LINE_CHANGES)
def test_what_a_posting_made_of_its_account_enters_the_hash(name: str) -> None:
    assert hash_with(**{name: LINE_CHANGES[name]}) != hash_with()


def test_the_currency_of_a_posting_enters_the_hash() -> None:
    assert hash_with(posting=sample_posting(money=Money.parse("30.00", EUR))) != hash_with()


def test_no_member_was_forgotten_in_these_tests() -> None:
    assert {field.name for field in fields(PostedEntry)} == {*ENTRY_CHANGES, *ENTERS_OTHERWISE}
    assert {field.name for field in fields(JournalEntry)} == {*JOURNAL_ENTRY_CHANGES, *JOURNAL_ENTRY_ENTERS_OTHERWISE}
    assert set(Posting._fields) == set(POSTING_CHANGES)
    assert {field.name for field in fields(PostedPosting)} == {
        *("posting", "place", "account_version", "balance_after", "held_after", "hash")
    }


@pytest.mark.parametrize(
    "metadata", [{}, {"a": "1"}, {"a": "1", "b": "2", "c": ""}, {"a": "2", "b": "1"}, {"ab": "12"}]
)
def test_metadata_that_differs_in_a_key_a_value_or_a_member_hashes_differently(metadata: dict[str, str]) -> None:
    assert entry_digest(sample_entry(metadata=metadata)) != entry_digest(sample_entry())


def test_the_order_of_metadata_does_not_matter() -> None:
    """PostgreSQL keeps the members of a JSON object in an order of its own."""
    assert entry_digest(sample_entry(metadata={"a": "1", "b": "2"})) == entry_digest(sample_entry())


def test_a_moment_is_hashed_as_itself_in_whatever_zone_it_is_told() -> None:
    eastern = NOON.astimezone(timezone(timedelta(hours=-5)))
    assert entry_digest(sample_entry(posted_at=eastern)) == entry_digest(sample_entry())


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        entry_digest(sample_entry(posted_at=NOON.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "posted_at", [datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)]
)
def test_moments_before_1970_and_far_ahead_are_whole_microseconds_too(posted_at: datetime) -> None:
    whole = sample_entry(posted_at=posted_at)
    assert entry_digest(whole) == digest_of(whole)


def test_composed_and_decomposed_letters_are_different_texts() -> None:
    """The journal keeps what was written; whoever wants them equal brings them to one form before."""
    composed, decomposed = sample_entry(actor="caf\u00e9"), sample_entry(actor="cafe\u0301")
    assert entry_digest(composed) != entry_digest(decomposed)
    assert entry_digest(decomposed) == digest_of(decomposed)


def test_no_two_accounts_or_ledgers_begin_alike() -> None:
    begins = {genesis(LEDGER, ALICE), genesis(LEDGER, BOB), genesis(OTHER, ALICE), genesis(ALICE, LEDGER)}
    assert len(begins) == 4


# --- Free text cannot pretend to be something else -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"actor": "a", "idempotency_key": "bc"}, {"actor": "ab", "idempotency_key": "c"}),
        ({"actor": "a,1:b", "idempotency_key": ""}, {"actor": "a", "idempotency_key": "1:b"}),
        ({"resource_id": "x|y"}, {"resource_id": "x", "idempotency_key": "y|order-1001"}),
        ({"metadata": {"a": "1", "b": "2"}}, {"metadata": {"a": "1,1:b,1:2"}}),
        ({"metadata": {"a": "1", "b": "2"}}, {"metadata": {"a1": "b2"}}),
        ({"actor": "key_1", "metadata": {"x": "y"}}, {"actor": "key_1,1:x,1:y", "metadata": {}}),
    ],
)
def test_text_moved_from_one_member_to_the_next_hashes_differently(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert entry_digest(sample_entry(**one)) != entry_digest(sample_entry(**other))


TEXTS = st.text(alphabet="01:,|aé", max_size=6)
MEMBERS = st.fixed_dictionaries(
    {
        "resource_id": TEXTS.filter(bool) | st.none(),
        "idempotency_key": TEXTS,
        "actor": TEXTS,
        "metadata": st.dictionaries(TEXTS, TEXTS, max_size=3),
    }
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(MEMBERS, MEMBERS, TEXTS, TEXTS)
def test_entries_hash_alike_only_when_they_are_alike(
    one: dict[str, Any], other: dict[str, Any], reason: str, other_reason: str
) -> None:
    lines = sample_entry().entry.postings
    first = sample_entry(entry=JournalEntry(reason, lines), **one)
    second = sample_entry(entry=JournalEntry(other_reason, lines), **other)
    assert (entry_digest(first) == entry_digest(second)) == (first == second)
    assert entry_digest(first) == digest_of(first)


# --- Chains of whole books -------------------------------------------------------------------------------------------


def three_entries() -> tuple[Book, list[PostedEntry]]:
    book = Book([clearing(), wallet("alice", "0"), wallet("bob", "0")])
    entries = [
        posted(book.apply(post_entry("debit clearing 100.00 USD \n credit alice 100.00 USD", key="1"), NOON)),
        posted(book.apply(transfer("30.00", "alice", "bob", key="2"), NOON)),
        posted(book.apply(transfer("10.00", "bob", "alice", key="3"), NOON)),
    ]
    return book, entries


def heads_of(book: Book) -> dict[UUID, bytes]:
    return {state.id: state.head for state in book.accounts.values()}


def test_a_chain_runs_from_the_beginning_to_the_head_of_each_account() -> None:
    book, entries = three_entries()
    assert breaks(entries, heads_of(book)) == []


def _alter_amount(entries: list[PostedEntry]) -> None:
    line = entries[1].postings[0]
    line.posting = line.posting._replace(money=Money.parse("3.00", USD))


def _alter_balance(entries: list[PostedEntry]) -> None:
    entries[1].postings[0].balance_after = Decimal("70.01")


def _alter_writing_of_balance(entries: list[PostedEntry]) -> None:
    entries[1].postings[0].balance_after = Decimal("70.0")


def _alter_reason(entries: list[PostedEntry]) -> None:
    entries[1].entry = replace(entries[1].entry, reason="gift")


def _alter_hash(entries: list[PostedEntry]) -> None:
    entries[1].postings[0].hash = bytes(32)


def _drop_from_the_middle(entries: list[PostedEntry]) -> None:
    del entries[1]


def _drop_the_last(entries: list[PostedEntry]) -> None:
    del entries[2]


def _drop_a_posting(entries: list[PostedEntry]) -> None:
    entries[2].postings = entries[2].postings[:1]


def _swap_versions(entries: list[PostedEntry]) -> None:
    one, other = entries[1].postings[0], entries[2].postings[1]
    one.account_version, other.account_version = other.account_version, one.account_version


def _insert(entries: list[PostedEntry]) -> None:
    entries.append(replace(entries[2], id=JournalEntryId(OTHER)))


def _move_to_another_account(entries: list[PostedEntry]) -> None:
    line = entries[2].postings[0]
    line.posting = line.posting._replace(account_id=account_id("clearing"))


@pytest.mark.parametrize(
    "tamper",
    [
        _alter_amount,
        _alter_balance,
        _alter_writing_of_balance,
        _alter_reason,
        _alter_hash,
        _drop_from_the_middle,
        _drop_the_last,
        _drop_a_posting,
        _swap_versions,
        _insert,
        _move_to_another_account,
    ],
)
def test_tampering_breaks_the_chain(tamper: Callable[[list[PostedEntry]], None]) -> None:
    book, entries = three_entries()
    tamper(entries)
    assert breaks(entries, heads_of(book)) != []


def test_hashes_of_one_account_in_another_ledger_differ() -> None:
    elsewhere = dataclasses.replace(wallet("alice", "5.00"), ledger_id=LedgerId(OTHER), head=genesis(OTHER, ALICE))
    book, other = Book([wallet("alice", "5.00"), wallet("bob")]), Book([elsewhere, wallet("bob")])
    lines = entry("debit alice 1.00 USD \n credit bob 1.00 USD")
    one = posted(book.apply(post_entry(lines), NOON)).postings[0]
    two = posted(other.apply(post_entry(lines), NOON)).postings[0]
    assert one.hash != two.hash
