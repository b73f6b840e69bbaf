"""What is said of an entry and of a posting besides accounts and amounts, the same for every program."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.money import render_amount
from zerosum.services.journal import RecordedEntry, RecordedPosting


def said_of(entry: RecordedEntry) -> Iterator[tuple[str, str]]:
    """By name; metadata stand apart."""
    yield "effective_at", render_time(entry.effective_at)
    yield "posted_at", render_time(entry.posted_at)
    yield "actor", entry.actor
    yield "resource_type", entry.resource_type.value
    if entry.resource_id is not None:
        yield "resource_id", entry.resource_id
    if entry.idempotency_key is not None:
        yield "idempotency_key", entry.idempotency_key
    if entry.reverses is not None:
        yield "reverses", render_id(Prefix.JOURNAL_ENTRY, entry.reverses)


def said_of_posting(line: RecordedPosting) -> Iterator[tuple[str, str]]:
    yield "account_version", str(line.account_version)
    yield "hash", line.hash.hex()
    if line.layer is Layer.PENDING:
        yield "releases", "true" if line.releases else "false"


def signed(line: RecordedPosting) -> str:
    """Of a pending posting that releases, what it takes back."""
    is_positive = (line.side is Side.DEBIT) is not line.releases
    return f"{'' if is_positive else '-'}{render_amount(line.amount)}"


class Program(StrEnum):
    """For which the journal is written."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
