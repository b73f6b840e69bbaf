"""How what is said about a subject is sealed under the key of that subject. No I/O.

    commitment key  HMAC-SHA256(key, "zerosum.personal.commitment.v1")
    sealing key     HMAC-SHA256(key, "zerosum.personal.sealing.v1")
    place           netstrings of: ledger id, reference of the subject, idempotency key
    tag             HMAC-SHA256(commitment key, place ‖ members as JSON, in one order)
    sealed          v1|<tag>|<AES-256-GCM under the sealing key, place as associated data>; nonce: 12 bytes of the tag
    commitment      SHA-256("zerosum.personal.v1 " ‖ sealed)

One order under one idempotency key is sealed in one way, so a retry has the fingerprint that it had. A nonce is used
twice only for the same text in the same place. The commitment binds the sealed text, without the key too; what was
sealed can be guessed from neither, for it goes into both through the commitment key alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zerosum.domain.members import in_one_order
from zerosum.services.credentials import base64url
from zerosum.services.credentials.envelope import NONCE_BYTES, SealBroken

_VERSION = "v1"


class MembersPlace(NamedTuple):
    """Where sealed members belong: to an order of a ledger, about a subject."""

    ledger_id: UUID
    subject: str
    idempotency_key: str

    @property
    def written(self) -> bytes:
        texts = [part.encode() for part in (str(self.ledger_id), self.subject, self.idempotency_key)]
        return b"".join(b"%d:%b," % (len(text), text) for text in texts)


def seal_members(key: bytes, members: Mapping[str, str], place: MembersPlace) -> str:
    content = orjson.dumps(in_one_order(members))
    tag = _tag(key, content, place)
    ciphertext = _cipher(key).encrypt(tag[:NONCE_BYTES], content, place.written)
    return f"{_VERSION}|{base64url.encode(tag)}|{base64url.encode(ciphertext)}"


def open_members(key: bytes, sealed: str, place: MembersPlace) -> dict[str, str]:
    """Raises SealBroken unless they were sealed under this key for this very place."""
    try:
        version, tag_text, ciphertext_text = sealed.split("|")
        tag, ciphertext = base64url.decode(tag_text), base64url.decode(ciphertext_text)
        content = _cipher(key).decrypt(tag[:NONCE_BYTES], ciphertext, place.written)
    except (ValueError, InvalidTag):
        raise SealBroken("the sealed members do not open in this place") from None
    if version != _VERSION or not hmac.compare_digest(tag, _tag(key, content, place)):
        raise SealBroken("the sealed members are not what their tag says")
    members: dict[str, str] = orjson.loads(content)
    return members


def commitment(sealed: str) -> str:
    """What an entry bears of it, in hexadecimal."""
    return sha256(b"zerosum.personal.v1 " + sealed.encode()).hexdigest()


def _tag(key: bytes, content: bytes, place: MembersPlace) -> bytes:
    return hmac.digest(_derived(key, b"zerosum.personal.commitment.v1"), place.written + content, sha256)


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(_derived(key, b"zerosum.personal.sealing.v1"))


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, sha256)
