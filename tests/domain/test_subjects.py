"""Subjects in the Book: what is said about one goes beside the entry, and nothing is said about one that was erased."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.domain.builders import LEDGER, NOON, payment, refused, shown, uuid_of, wallet
from zerosum.domain.audit import AuditRecord
from zerosum.domain.errors import SubjectNotFound
from zerosum.domain.events import EventType
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Outcome, Posted, Refused
from zerosum.domain.ledger.records import ChangedRecords
from zerosum.domain.ledger.subject_commands import EraseSubject
from zerosum.domain.ledger.subjects import KeptMembers, SealedMembers, Subject, subject_key
from zerosum.domain.payments.payment import PaymentType

ADA = Subject(ledger_id=LEDGER, reference="ada", created_at=NOON, sealed_key="sealed")
SAID = SealedMembers("ada", "v1|x|y")


def book_with(subject: Subject | None) -> Book:
    found: dict[Any, Any] = {} if subject is None else {subject.key: subject}
    return Book([wallet("alice", "100.00"), wallet("bob")], ChangedRecords(found))


def carried_out(outcome: Outcome) -> Posted:
    assert isinstance(outcome, Posted)
    return outcome


def saying(text: str = "30.00") -> Any:
    return replace(payment(PaymentType.TRANSFER, text, "alice", "bob"), personal=SAID)


def erasure(name: str = "erasure") -> EraseSubject:
    return EraseSubject(
        id=uuid_of(name),
        ledger_id=LEDGER,
        idempotency_key=name,
        fingerprint=bytes(32),
        actor="key_officer",
        reference="ada",
        reason="asked for",
    )


def test_what_is_said_goes_beside_the_entry_and_not_straight() -> None:
    book, command = book_with(ADA), saying()
    assert book.apply_straight(command, NOON) is None
    assert [need.key for need in command.needs() if need.is_locked] == [ADA.key]
    carried_out(book.apply(command, NOON))
    [kept] = [record for record in book.records.values() if isinstance(record, KeptMembers)]
    assert kept == KeptMembers(command.id, SAID)


@pytest.mark.parametrize(
    ("amount", "is_erased", "code"),
    [
        ("30.00", True, "subject_erased"),
        ("1000.00", False, "insufficient_funds"),
    ],
)
def test_of_what_is_refused_nothing_is_kept(amount: str, is_erased: bool, code: str) -> None:
    book = book_with(ADA)
    if is_erased:
        carried_out(book.apply(erasure(), NOON))
    before = shown(book)
    assert refused(book.apply(saying(amount), NOON)).code == code
    assert shown(book) == before
    assert not [record for record in book.records.values() if isinstance(record, KeptMembers)]


def test_an_erasure_takes_the_key_and_tells_who_and_why_once() -> None:
    book = book_with(ADA)
    first = carried_out(book.apply(erasure(), NOON))
    after = book.records[subject_key(LEDGER, "ada")]
    assert (after.sealed_key, after.erasure.actor, after.erasure.reason) == (None, "key_officer", "asked for")
    assert [event.type for event in first.events] == [EventType.SUBJECT_ERASED]
    [audit] = [record for record in book.records.values() if isinstance(record, AuditRecord)]
    assert (audit.resource, audit.reason, audit.recorded_at) == ("ada", "asked for", NOON)
    second = carried_out(book.apply(erasure("second"), NOON))
    assert (second.events, second.told) == ((), ())
    assert second.remembered is not None
    assert first.remembered is not None
    assert second.remembered.content == first.remembered.content
    assert book.records[subject_key(LEDGER, "ada")] == after


def test_nobody_is_erased_of_whom_nothing_was_said() -> None:
    outcome = book_with(None).apply(erasure(), NOON)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.refusal, SubjectNotFound)
