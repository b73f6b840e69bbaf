"""The envelope around a secret at rest: AES-256-GCM under a data key, which a master key wraps. No I/O.

    sealed value    v1|<data key id>|<nonce>|<ciphertext>
    wrapped key     v1|<nonce>|<ciphertext>

Each ciphertext is bound to its place (as associated data), so a value copied to another row, column or ledger does not
open there. Nonces are 96 random bits. Under one key 2**32 of them keep the chance that two are equal below 2**-32,
and one repetition would give away both values; a data key must be rotated well before `SEALS_PER_DATA_KEY_MAX`.
Secrets are few (some per ledger and year), so this bound is stated and not counted.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zerosum.domain.identifiers import LedgerId
from zerosum.services.credentials import base64url

KEY_BYTES = 32
NONCE_BYTES = 12
SEALS_PER_DATA_KEY_MAX = 2**32

_VERSION = "v1"
_MASTER_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


class SealBroken(Exception):
    """A sealed value does not open: it was moved, altered or cut, or its key is missing. Never the caller's fault."""


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """`current_id` wraps; the others still unwrap, so that one master key can take over from another."""

    current_id: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        for key_id, key in self.keys.items():
            if not _MASTER_KEY_ID.fullmatch(key_id):
                raise ValueError("the id of a master key is 1 to 64 letters, digits, dots, dashes or underscores")
            if len(key) != KEY_BYTES:
                raise ValueError(f"the master key {key_id} needs exactly {KEY_BYTES} bytes")
        if self.current_id not in self.keys:
            raise ValueError("the current master key is not among the master keys")


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as it is in memory, and nowhere else."""

    ledger_id: LedgerId
    id: UUID
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPlace:
    """Where a sealed value belongs."""

    table: str
    column: str
    ledger_id: LedgerId
    row_id: str

    def associated_data(self) -> bytes:
        # Only the row id may hold a bar, and it comes last: two places never write alike.
        if not (_COLUMN_NAME.fullmatch(self.table) and _COLUMN_NAME.fullmatch(self.column)):
            raise ValueError("a sealed value needs the names of its table and column")
        return "|".join((_VERSION, self.table, self.column, str(self.ledger_id), self.row_id)).encode()


def make_data_key(ledger_id: LedgerId, key_id: UUID) -> DataKey:
    return DataKey(ledger_id, key_id, secrets.token_bytes(KEY_BYTES))


def seal(key: DataKey, plaintext: bytes, place: SealedPlace) -> str:
    return f"{_VERSION}|{key.id}|{_encrypt(key.secret, plaintext, place.associated_data())}"


def data_key_id(sealed: str) -> UUID:
    """Under which data key a value was sealed. Raises SealBroken."""
    parts = sealed.split("|")
    try:
        key_id = UUID(parts[1])
    except (IndexError, ValueError):
        raise SealBroken("the sealed value is malformed") from None
    if len(parts) != 4 or parts[0] != _VERSION or str(key_id) != parts[1]:
        raise SealBroken("the sealed value is malformed")
    return key_id


def unseal(key: DataKey, sealed: str, place: SealedPlace) -> bytes:
    """The plaintext. Raises SealBroken unless the value was sealed under this key for this very place."""
    if key.ledger_id != place.ledger_id or data_key_id(sealed) != key.id:
        raise SealBroken("the value was sealed under another data key")
    return _decrypt(key.secret, sealed.split("|", 2)[2], place.associated_data())


def wrap(masters: MasterKeys, key: DataKey) -> str:
    """The data key under the current master key."""
    content = _encrypt(masters.keys[masters.current_id], key.secret, _wrapping_data(masters.current_id, key))
    return f"{_VERSION}|{content}"


def unwrap(masters: MasterKeys, ledger_id: LedgerId, key_id: UUID, master_key_id: str, wrapped: str) -> DataKey:
    """The data key again. Raises SealBroken when its master key is missing or it belongs elsewhere."""
    master = masters.keys.get(master_key_id)
    if master is None:
        raise SealBroken(f"the data key {key_id} is wrapped by the master key {master_key_id}, which is not configured")
    version, _, content = wrapped.partition("|")
    if version != _VERSION:
        raise SealBroken(f"the data key {key_id} is malformed")
    place = DataKey(ledger_id, key_id, b"")
    secret = _decrypt(master, content, _wrapping_data(master_key_id, place))
    if len(secret) != KEY_BYTES:
        raise SealBroken(f"the data key {key_id} has the wrong length")
    return DataKey(ledger_id, key_id, secret)


def _wrapping_data(master_key_id: str, key: DataKey) -> bytes:
    return "|".join((_VERSION, "data key", master_key_id, str(key.ledger_id), str(key.id))).encode()


def _encrypt(secret: bytes, plaintext: bytes, associated_data: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    ciphertext = AESGCM(secret).encrypt(nonce, plaintext, associated_data)
    return f"{base64url.encode(nonce)}|{base64url.encode(ciphertext)}"


def _decrypt(secret: bytes, content: str, associated_data: bytes) -> bytes:
    try:
        nonce_text, ciphertext_text = content.split("|")
        nonce, ciphertext = base64url.decode(nonce_text), base64url.decode(ciphertext_text)
        if len(nonce) != NONCE_BYTES:
            raise ValueError
        return AESGCM(secret).decrypt(nonce, ciphertext, associated_data)
    except (ValueError, InvalidTag):
        raise SealBroken("the sealed value does not open in this place") from None
