"""The text of an API key: what a client sends, and what it alone has.

    zsk_ + base64url of 66 bytes: ledger id (16), key id (16), secret (32), checksum (2)

66 bytes fill 88 characters without a spare bit, so there is exactly one text for each key. The ids inside say which
row to read under row-level security, so no index over all ledgers is needed. The checksum lets a secret scanner be
sure of what it found and refuses slips of the pen before the database is asked; it proves nothing.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from zerosum.domain.identifiers import ApiKeyId, LedgerId
from zerosum.services.credentials import base64url

API_KEY_PREFIX = "zsk_"
API_KEY_CHARACTERS = 92

_SECRET_BYTES = 32
_CONTENT_BYTES = 64


@dataclass(frozen=True, slots=True)
class ParsedApiKey:
    """Whose key a text claims to be. Only its hash tells whether that is true."""

    ledger_id: LedgerId
    key_id: ApiKeyId


def make(ledger_id: LedgerId, key_id: ApiKeyId) -> str:
    """A new key text with a secret of 256 random bits."""
    content = ledger_id.bytes + key_id.bytes + secrets.token_bytes(_SECRET_BYTES)
    return API_KEY_PREFIX + base64url.encode(content + _checksum(content))


def parse(text: str) -> ParsedApiKey | None:
    """None unless `text` is, to the last bit, one that `make` may have written."""
    if len(text) != API_KEY_CHARACTERS or not text.startswith(API_KEY_PREFIX):
        return None
    try:
        raw = base64url.decode(text[len(API_KEY_PREFIX) :])
    except ValueError:
        return None
    content = raw[:_CONTENT_BYTES]
    if raw[_CONTENT_BYTES:] != _checksum(content):
        return None
    return ParsedApiKey(LedgerId(UUID(bytes=content[:16])), ApiKeyId(UUID(bytes=content[16:32])))


def hash_secret(pepper: bytes, text: str) -> bytes:
    """What is stored. A fast hash is enough for a secret of 256 bits; without the pepper a stolen table is useless."""
    return hmac.digest(pepper, text.encode("ascii"), "sha256")


def _checksum(content: bytes) -> bytes:
    # A CRC finds every change within 16 neighbouring bits, hence any single wrong character, with certainty; two
    # bytes of a hash would miss one in 65,536.
    return binascii.crc_hqx(content, 0xFFFF).to_bytes(2, "big")
