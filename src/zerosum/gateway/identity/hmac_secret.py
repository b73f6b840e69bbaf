"""Secrets for HS256, which must be secrets: a public key in that place lets everybody who reads it sign tokens."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)

DEDICATED_SECRET_BYTES_MIN = 32

_READERS: tuple[Callable[[bytes], object], ...] = (
    load_pem_public_key,
    load_der_public_key,
    load_ssh_public_key,
    x509.load_pem_x509_certificate,
    x509.load_der_x509_certificate,
    lambda raw: load_pem_private_key(raw, password=None),
    lambda raw: load_der_private_key(raw, password=None),
    lambda raw: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw),
)


def check_dedicated_secret(secret: bytes) -> None:
    """Raises ValueError for a secret that is short, or that is a key of another kind in any usual writing."""
    if len(secret) < DEDICATED_SECRET_BYTES_MIN:
        raise ValueError(f"a secret for HS256 needs at least {DEDICATED_SECRET_BYTES_MIN} bytes")
    for candidate in _writings(secret):
        if b"-----BEGIN" in candidate or _is_jwk(candidate) or any(_reads(reader, candidate) for reader in _READERS):
            raise ValueError("a secret for HS256 must be random bytes, not a public or private key")


def _writings(secret: bytes) -> list[bytes]:
    """The secret as it is, without space around it, and as base64 in either alphabet stands for it."""
    found = [secret, secret.strip()]
    # The last byte of a binary key may itself look like a space: the ends of a line are also taken off one by one.
    found += [secret.lstrip().removesuffix(end) for end in (b"\n", b"\r\n")]
    for alphabet in (b"+/", b"-_"):
        compact = b"".join(secret.split()).rstrip(b"=")
        try:
            found.append(base64.b64decode(compact + b"=" * (-len(compact) % 4), altchars=alphabet, validate=True))
        except binascii.Error:
            continue
    return found


def _reads(reader: Callable[[bytes], object], candidate: bytes) -> bool:
    try:
        reader(candidate)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _is_jwk(candidate: bytes) -> bool:
    try:
        found = json.loads(candidate)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and ("kty" in found or "keys" in found)
