"""Makes tokens of any shape with bare cryptography, so that no library corrects what an attacker would send."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from zerosum.gateway.identity.issuer_keys import configured_keys, secret_key
from zerosum.gateway.identity.tokens import TokenVerifier
from zerosum.gateway.identity.trusted_issuers import TrustedIssuer
from zerosum.services.credentials.signing_key_pair import key_pair

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

OWN = "https://pay.example"
PROVIDER = "https://login.example"
PARTNER = "partner"
AUDIENCE = "https://pay.example/v1"

LEDGER = "led_01890000-0000-7000-8000-000000000001"
API_KEY = "key_01890000-0000-7000-8000-000000000002"
SECRET = bytes(range(100, 148))
RSA_KID = "provider-rsa"
EC_KID = "provider-ec"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def dump(members: Any) -> bytes:
    return members if isinstance(members, bytes) else json.dumps(members).encode()


class Forge:
    """The keys of three trusted issuers, and what can be made with them."""

    def __init__(self) -> None:
        self.own = key_pair(ec.generate_private_key(ec.SECP256R1()))
        self.stranger = key_pair(ec.generate_private_key(ec.SECP256R1()))
        self.provider_ec = key_pair(ec.generate_private_key(ec.SECP256R1()))
        self.provider_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.jwks = {"keys": [{**self.provider_ec.public_jwk, "kid": EC_KID}, self.rsa_jwk()]}

    def rsa_jwk(self) -> dict[str, str]:
        numbers = self.provider_rsa.public_key().public_numbers()
        modulus, exponent = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
        return {"kty": "RSA", "kid": RSA_KID, "use": "sig", "alg": "RS256", "n": b64(modulus), "e": b64(exponent)}

    def verifier(self, now: datetime = NOW) -> TokenVerifier:
        own = TrustedIssuer(
            issuer=OWN, audience=AUDIENCE, keys=configured_keys({"keys": [self.own.public_jwk]}), is_own=True
        )
        provider = TrustedIssuer(issuer=PROVIDER, audience=AUDIENCE, keys=configured_keys(self.jwks))
        partner = TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, keys=secret_key(SECRET))
        return TokenVerifier([own, provider, partner], lambda: now)

    def public_key_as(self, encoding: Encoding, public_format: PublicFormat) -> bytes:
        return self.provider_rsa.public_key().public_bytes(encoding, public_format)

    # --- Headers and claims that are good, but for what is changed in them ---

    def own_header(self, **changes: Any) -> dict[str, Any]:
        return _changed({"alg": "ES256", "typ": "at+jwt", "kid": self.own.kid}, changes)

    def own_claims(self, **changes: Any) -> dict[str, Any]:
        claims = {**_claims(OWN), "sub": API_KEY, "client_id": API_KEY, "jti": "1"}
        return _changed(claims, changes)

    def header(self, **changes: Any) -> dict[str, Any]:
        return _changed({"alg": "RS256", "typ": "JWT", "kid": RSA_KID}, changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        return _changed({**_claims(PROVIDER), "sub": "alice"}, changes)

    # --- Whole tokens ---

    def own_token(self, **changes: Any) -> str:
        return self.es256(self.own_header(), self.own_claims(**changes))

    def provider_token(self, **changes: Any) -> str:
        return self.rs256(self.header(), self.claims(**changes))

    def es256(self, header: Any, claims: Any, key: ec.EllipticCurvePrivateKey | None = None) -> str:
        signed = f"{b64(dump(header))}.{b64(dump(claims))}"
        der = (key or self.own.private_key).sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def rs256(self, header: Any, claims: Any) -> str:
        signed = f"{b64(dump(header))}.{b64(dump(claims))}"
        return f"{signed}.{b64(self.provider_rsa.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def hs256(self, header: Any, claims: Any, secret: bytes = SECRET) -> str:
        signed = f"{b64(dump(header))}.{b64(dump(claims))}"
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def unsigned(self, header: Any, claims: Any) -> str:
        return f"{b64(dump(header))}.{b64(dump(claims))}."


def _claims(issuer: str) -> dict[str, Any]:
    return {
        "iss": issuer,
        "aud": AUDIENCE,
        "ledger": LEDGER,
        "scope": "payments:read payments:write",
        "iat": SECONDS - 10,
        "exp": SECONDS + 600,
    }


def _changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """With the changes; None takes a member out."""
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
