"""The hash chain: each account's postings form an immutable chain of events.

    entry digest = SHA-256("zerosum.entry.v1"   fixed fields, then free text as netstrings)
                   SHA-256("zerosum.entry.v2"   the same, and what it was dated to) where that was in a closed period
    genesis      = SHA-256("zerosum.genesis.v1" ledger id | account id)
    hash         = SHA-256("zerosum.posting.v1" hash of the account's previous posting, entry digest, own fields)
                   SHA-256("zerosum.posting.v2" the same, and the hold) where a posting names its hold

Whoever changes, drops, swaps or inserts a posting, or edits the reason or metadata of its entry, breaks every later
link of that account. Free text goes in as netstrings (length, colon, bytes, comma), so no two different entries have
the same bytes; the other fields cannot contain the separator. Times go in as whole microseconds since 1970.
The format is fixed by `tests/domain/test_chain.py`: a change needs a new version tag beside the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from zerosum.domain.ledger.entry import PostedEntry, Posting

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def genesis(ledger_id: UUID, account_id: UUID) -> bytes:
    """The head of an account without postings. It names ledger and account, so no two chains begin alike."""
    return sha256(b"zerosum.genesis.v1" + ledger_id.bytes + account_id.bytes).digest()


def netstrings(texts: Sequence[str]) -> bytes:
    plain = "".join([f"{len(text)}:{text}," for text in texts])
    if plain.isascii():
        return plain.encode("ascii")
    return b"".join([b"%d:%b," % (len(raw), raw) for raw in [text.encode() for text in texts]])


def entry_digest(entry: PostedEntry) -> bytes:
    """What the entry says besides its postings: bound into the hash of each of them."""
    posted_at = microseconds(entry.posted_at)
    effective_at = posted_at if entry.effective_at is entry.posted_at else microseconds(entry.effective_at)
    fixed = (
        f"{entry.ledger_id}|{entry.id}|{effective_at}|{posted_at}|{entry.entry.reverses or ''}"
        f"|{entry.fingerprint.hex()}|{entry.resource_type}|"
    )
    texts = [entry.resource_id or "", entry.idempotency_key or "", entry.actor, entry.entry.reason]
    for key in sorted(entry.metadata):
        texts += (key, entry.metadata[key])
    tag, late = b"zerosum.entry.v1", entry.late
    if late is not None:
        tag = b"zerosum.entry.v2"
        fixed += f"{late.closing}|{late.way}|{microseconds(late.requested_at)}|"
        texts.append(late.reason or "")
    return sha256(tag + fixed.encode() + netstrings(texts)).digest()


def posting_hash(
    previous: bytes,
    digest: bytes,
    posting: Posting,
    *,
    place: int,
    account_version: int,
    balance_after: str,
    held_after: str,
) -> bytes:
    """The link after `previous`. Amounts are given in their wire form."""
    own = (
        f"{posting.account_id}|{account_version}|{place}|{posting.side}|{posting.layer}|{int(posting.releases)}"
        f"|{posting.money.amount:f}|{posting.money.currency.code}|{balance_after}|{held_after}"
    )
    if posting.hold is not None:
        return sha256(b"zerosum.posting.v2" + previous + digest + f"{own}|{posting.hold}".encode("ascii")).digest()
    return sha256(b"zerosum.posting.v1" + previous + digest + own.encode("ascii")).digest()


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
