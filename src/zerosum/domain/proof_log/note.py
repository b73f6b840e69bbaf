"""A signed checkpoint as text: a signed note (C2SP `signed-note`, `tlog-checkpoint`) that others can keep and check.

    zerosum/led_…                               the origin: which log this is of
    1042                                        how many leaves it has
    3i2pkL2hJ…=                                 the root over them, in base64
    sealed_at 2026-11-28T12:00:00.000000Z       when it was signed

    — zerosum/led_… sK8bZ…=                     the name of the key; four bytes that name it, and the signature

The signature is over everything up to the empty line. Algorithms are numbers of C2SP: 1 is Ed25519.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id

ED25519 = 1
"""The algorithm that signs now. Another one gets its number here, and keys that name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is signed: the tree of a ledger's proof log at one moment."""

    ledger_id: UUID
    size: int
    root: bytes
    sealed_at: datetime

    @property
    def text(self) -> str:
        return (
            f"{origin(self.ledger_id)}\n{self.size}\n{b64encode(self.root).decode()}\n"
            f"sealed_at {self.sealed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}\n"
        )


def origin(ledger_id: UUID) -> str:
    """The name of a ledger's log, and of the key as it signs there."""
    return f"zerosum/{'service' if ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, ledger_id)}"


def signed_note(statement: Statement, algorithm: int, public_key: bytes, signature: bytes) -> str:
    name = origin(statement.ledger_id)
    sealed = b64encode(key_name_hash(name, algorithm, public_key) + signature).decode()
    return f"{statement.text}\n— {name} {sealed}\n"


def verifier_key(name: str, algorithm: int, public_key: bytes) -> str:
    """The public key in the form in which it is handed to a verifier: name, hash, algorithm and key."""
    own = key_name_hash(name, algorithm, public_key).hex()
    return f"{name}+{own}+{b64encode(bytes([algorithm]) + public_key).decode()}"


def key_name_hash(name: str, algorithm: int, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]
