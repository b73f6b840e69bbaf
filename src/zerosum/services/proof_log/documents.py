"""What is handed out to be checked elsewhere, as JSON: its form is a promise, and `verifier/standalone.py` reads it.

Every field is there that a hash covers, and in a form that gives the same bytes: amounts as they are hashed, times in
microseconds, hashes in hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.queries.signed_checkpoints import SignedRoot
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.proof_log.note import origin, signed_note, verifier_key
from zerosum.services.credentials.checkpoint_keys import CheckpointKeyRecord

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def entry_document(entry: Any, postings: Sequence[Any]) -> dict[str, Any]:
    """A journal entry and its postings, as `proof_log_entries` gives them."""
    found: dict[str, Any] = {
        "id": render_id(Prefix.JOURNAL_ENTRY, entry.id),
        "effective_at": _time(entry.effective_at),
        "posted_at": _time(entry.posted_at),
        "reverses": _named(Prefix.JOURNAL_ENTRY, entry.reverses),
        "fingerprint": entry.fingerprint.hex(),
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "idempotency_key": entry.idempotency_key,
        "actor": entry.actor,
        "reason": entry.reason,
        "metadata": dict(entry.metadata or {}),
        "late": None,
        "postings": [_posting(posting) for posting in postings],
    }
    if entry.late_way is not None:
        found["late"] = {
            "closing": entry.late_closing,
            "way": entry.late_way,
            "requested_at": _time(entry.late_requested_at),
            "reason": entry.late_reason,
        }
    return found


SAID = (
    *("origin", "transaction", "changed_at", "actor", "code", "name", "type", "currency", "status", "min_available"),
    *("max_available", "metadata", "velocity_limits"),
)
"""What a revision of an account is the hash of, beside its number: as texts, in this order."""


def revision_document(row: Any) -> dict[str, Any]:
    """What was said about an account, as `revisions_of` gives it."""
    return {
        "account": render_id(Prefix.ACCOUNT, row.account_id),
        "revision": row.revision,
        "said": {name: getattr(row, name) for name in SAID},
        "previous_hash": None if row.previous_hash is None else row.previous_hash.hex(),
        "hash": row.hash.hex(),
    }


def note_of(checkpoint: SignedRoot, key: CheckpointKeyRecord) -> str:
    return signed_note(checkpoint.statement, key.algorithm, key.public_key, checkpoint.signature)


def key_of(ledger_id: UUID, key: CheckpointKeyRecord) -> str:
    """As a verifier takes it."""
    return verifier_key(origin(ledger_id), key.algorithm, key.public_key)


def _posting(row: Any) -> dict[str, Any]:
    return {
        "account": render_id(Prefix.ACCOUNT, row.account_id),
        "account_version": row.account_version,
        "side": {"d": "debit", "c": "credit"}[row.side],
        "layer": {"p": "posted", "h": "pending"}[row.layer],
        "releases": row.releases,
        "amount": row.amount,
        "currency": row.currency,
        "hold": _named(Prefix.HOLD, row.hold_id),
        "balance_after": row.balance_after,
        "held_after": row.held_after,
        "previous_hash": None if row.previous_hash is None else row.previous_hash.hex(),
        "hash": row.hash.hex(),
    }


def _named(prefix: Prefix, id_: UUID | None) -> str | None:
    return None if id_ is None else render_id(prefix, id_)


def _time(micros: str) -> str:
    return f"{_FIRST + timedelta(microseconds=int(micros)):%Y-%m-%dT%H:%M:%S.%fZ}"
