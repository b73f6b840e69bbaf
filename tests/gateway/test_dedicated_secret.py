"""What may be a secret for HS256, and what is a key that everybody can read."""

from __future__ import annotations

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from zerosum.gateway.identity.hmac_secret import check_dedicated_secret
from zerosum.services.credentials.signing_key_pair import key_pair

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "login.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, RSA.public_key(), 1, start, start + datetime.timedelta(days=1))
    return builder.sign(RSA, hashes.SHA256())


SPKI = PublicFormat.SubjectPublicKeyInfo
KEYS = {
    "RSA public, PEM": RSA.public_key().public_bytes(Encoding.PEM, SPKI),
    "RSA public, DER": RSA.public_key().public_bytes(Encoding.DER, SPKI),
    "RSA public, PKCS 1 PEM": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    "RSA public, PKCS 1 DER": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
    "RSA public, OpenSSH": RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "RSA private, DER": RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "RSA private, PEM": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "certificate, PEM": certificate().public_bytes(Encoding.PEM),
    "certificate, DER": certificate().public_bytes(Encoding.DER),
    "EC public, PEM": EC.public_key().public_bytes(Encoding.PEM, SPKI),
    "EC public, DER": EC.public_key().public_bytes(Encoding.DER, SPKI),
    "EC public, OpenSSH": EC.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "EC public, point": EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    "EC public, short point": EC.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
    "EC public, JWK": json.dumps(key_pair(EC).public_jwk).encode(),
    "EC public, JWK set": json.dumps({"keys": [key_pair(EC).public_jwk]}).encode(),
    "Ed25519 public, DER": ED.public_key().public_bytes(Encoding.DER, SPKI),
    "Ed25519 public, OpenSSH": ED.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
}


def test_a_binary_key_whose_last_byte_looks_like_a_space_is_no_secret_either() -> None:
    key = KEYS["EC public, DER"]
    while not key[-1:].isspace():
        key = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, SPKI)
    for writing in (key, key + b"\n", key + b"\r\n", b"\n " + key + b"\n"):
        with pytest.raises(ValueError, match="not a public or private key"):
            check_dedicated_secret(writing)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_in_any_writing_is_no_secret(name: str) -> None:
    key = KEYS[name]
    for writing in (key, b"\n " + key + b"\n", base64.b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
        with pytest.raises(ValueError, match="not a public or private key"):
            check_dedicated_secret(writing)


def test_a_secret_has_at_least_32_bytes() -> None:
    check_dedicated_secret(b"\xff" * 32)
    with pytest.raises(ValueError, match="at least 32 bytes"):
        check_dedicated_secret(b"\xff" * 31)


@given(st.binary(min_size=32, max_size=32) | st.binary(min_size=64, max_size=64))
def test_random_bytes_are_a_secret(secret: bytes) -> None:
    check_dedicated_secret(secret)
    check_dedicated_secret(base64.b64encode(secret))
