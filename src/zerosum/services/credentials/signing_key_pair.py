"""One key pair for signing tokens: P-256, written as a JSON Web Key by hand. No I/O."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from zerosum.services.credentials import base64url

SIGNING_ALGORITHM = "ES256"

_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKeyPair:
    kid: str
    public_jwk: dict[str, str]
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    def private_der(self) -> bytes:
        """PKCS #8, not encrypted: for sealing only."""
        return self.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def generate() -> SigningKeyPair:
    return key_pair(ec.generate_private_key(ec.SECP256R1()))


def load(private_der: bytes) -> SigningKeyPair:
    private_key = load_der_private_key(private_der, password=None)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(private_key.curve, ec.SECP256R1):
        raise TypeError("a signing key is a key on the curve P-256")
    return key_pair(private_key)


def key_pair(private_key: ec.EllipticCurvePrivateKey) -> SigningKeyPair:
    numbers = private_key.public_key().public_numbers()
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": base64url.encode(numbers.x.to_bytes(_COORDINATE_BYTES, "big")),
        "y": base64url.encode(numbers.y.to_bytes(_COORDINATE_BYTES, "big")),
    }
    kid = thumbprint(members)
    return SigningKeyPair(kid, {**members, "kid": kid, "use": "sig", "alg": SIGNING_ALGORITHM}, private_key)


def thumbprint(members: dict[str, str]) -> str:
    """RFC 7638: the hash of the required members alone, in the order of their names and without spaces."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")
    return base64url.encode(hashlib.sha256(canonical).digest())
