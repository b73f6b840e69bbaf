"""Signed tokens (JWT). This is the one file that talks to python-jose, and it trusts it with little.

python-jose by itself accepts tokens without `exp` or `aud`, ignores `crit`, tries every key whatever the `kid` says,
takes a public key in DER for an HMAC secret, and lets errors escape that are not its own. So the text and header are
read by us (`token_text.py`), the key is one prebuilt object looked up by id and algorithm, the claims are judged by us
(`trusted_issuers.py`), and the library is left with the signature and a second look at issuer and audience.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from jose import jwk, jwt
from jose.backends import ECKey, HMACKey, RSAKey
from jose.backends.base import Key
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyHMACKey, CryptographyRSAKey
from jose.exceptions import JOSEError

from zerosum.domain.errors import DomainError, Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, ApiKeyId, LedgerId, Prefix, render_id
from zerosum.gateway.identity.hmac_secret import check_dedicated_secret
from zerosum.gateway.identity.key_sets import KeyName, KeySet
from zerosum.gateway.identity.token_text import HEADER_VALUE, TokenRefused, TokenText, read_token
from zerosum.gateway.identity.trusted_issuers import TrustedIssuer, VerifiedToken
from zerosum.services.credentials import base64url
from zerosum.services.credentials.signing_keys import TOKEN_LIFETIME_MAX, SigningKeys

UNAUTHENTICATED_DETAIL: Final = (
    "The access token or API key is missing, malformed, expired or not known. "
    "Get a new token with POST /v1/oauth/token (or the command `zerosum token`)."
)
"""The same for every reason: an attacker learns nothing from it, and the reason is in the debug log."""

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192
RSA_EXPONENT_MAX = 2**32

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_JOSE_OPTIONS = {
    "require_aud": True,
    "require_iss": True,
    "require_sub": True,
    # Dates are ours: the library reads the wall clock by itself, and requiring `exp` would turn that on again.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}

_log = logging.getLogger(__name__)


def unauthenticated(because: str = "") -> Unauthenticated:
    refusal = Unauthenticated(UNAUTHENTICATED_DETAIL)
    refusal.because = because
    return refusal


async def check_signature(
    token: TokenText,
    keys: KeySet,
    issuer: str,
    audience: str,
    now_monotonic: float,
    options: Mapping[str, bool] = MappingProxyType({}),
) -> None:
    """Of a token whose claims were judged. Raises TokenRefused, Unavailable, and whatever else the library raises."""
    key = await keys.find((token.key_id, token.algorithm), now_monotonic)
    if not isinstance(key, Key):  # a prebuilt one, so that the library has nothing left to guess
        raise TokenRefused("an unknown key")
    jwt.decode(
        token.text,
        key,
        algorithms=[token.algorithm],
        audience=audience,
        issuer=issuer,
        options={**_JOSE_OPTIONS, **options},
    )


class TokenVerifier:
    """Tells good tokens from all others."""

    def __init__(self, issuers: Sequence[TrustedIssuer], now: Callable[[], datetime]) -> None:
        _require_cryptography_backend()
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        if len(self._issuers) != len(issuers):
            raise ValueError("two trusted issuers have the same name")
        self._now = now

    async def verify(self, text: str, now_monotonic: float) -> VerifiedToken:
        """Raises Unauthenticated whatever is wrong, and Unavailable when the issuer's keys cannot be read."""
        try:
            token = read_token(text)
            issuer = self._issuer(token)
            # Before the signature, because it is cheaper: most bad tokens are only old.
            verified = issuer.judge(token.claims, self._now().timestamp())
            await check_signature(token, issuer.keys.key_set, issuer.issuer, issuer.audience, now_monotonic)
        except DomainError:
            raise
        except TokenRefused as refusal:
            because = str(refusal)
        except Exception as error:
            # ValueError, RecursionError, JOSEError: the library promises no complete list, so none is relied upon.
            # Only the type is written down, since messages may quote the token.
            because = type(error).__name__
        else:
            return verified
        _log.debug("a token was refused: %s", because)
        raise unauthenticated(f"A token was refused: {because}.")

    async def close(self) -> None:
        for issuer in self._issuers.values():
            await issuer.keys.key_set.close()

    def _issuer(self, token: TokenText) -> TrustedIssuer:
        name = token.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenRefused("an issuer that is not trusted")
        if token.algorithm not in issuer.keys.algorithms:
            raise TokenRefused("an algorithm this issuer does not use")
        if token.type not in issuer.types:
            raise TokenRefused("another kind of token")
        return issuer


class TokenSigner:
    """Issues our own access tokens (RFC 9068) to API keys."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str, now: Callable[[], datetime]) -> None:
        _require_cryptography_backend()
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._now = now
        self._prepared: tuple[str, Key] | None = None

    async def issue(
        self, *, ledger_id: LedgerId, key_id: ApiKeyId, scopes: Iterable[str], lifetime_seconds: int
    ) -> str:
        """A token that is good for this long, and no longer than its signing key is published."""
        check_lifetime(lifetime_seconds)
        now = self._now()
        issued_at = int(now.timestamp())
        client_id = render_id(Prefix.API_KEY, key_id)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client_id,
            "client_id": client_id,
            **({} if ledger_id == SERVICE_LEDGER else {"ledger": render_id(Prefix.LEDGER, ledger_id)}),
            "scope": " ".join(sorted(scopes)),
            "iat": issued_at,
            "exp": issued_at + lifetime_seconds,
            "jti": secrets.token_hex(16),
        }
        kid, key = await self._signing_key(now)
        return jwt.encode(claims, key, algorithm="ES256", headers={"typ": "at+jwt", "kid": kid})

    async def _signing_key(self, now: datetime) -> tuple[str, Key]:
        kid, private_key = await self._keys.current(now)
        if self._prepared is None or self._prepared[0] != kid:
            self._prepared = (kid, CryptographyECKey(private_key, "ES256"))
        return self._prepared


def check_lifetime(seconds: int) -> None:
    if not 0 < seconds <= TOKEN_LIFETIME_MAX / timedelta(seconds=1):
        raise ValueError("a token lives for a second or more, and not longer than TOKEN_LIFETIME_MAX")


def read_public_keys(jwks: Mapping[str, Any]) -> dict[KeyName, Key]:
    """The keys of a JSON Web Key Set (RFC 7517) that can verify ES256 or RS256; others in it are passed over.

    Raises ValueError when two keys go by one name.
    """
    members = jwks.get("keys")
    if not isinstance(members, list):
        raise ValueError("a JSON Web Key Set has a list of keys")
    found: dict[KeyName, Key] = {}
    for member in members:
        try:
            name, key = _read_public_key(member)
        except (ValueError, TypeError, KeyError, AttributeError, JOSEError) as error:
            _log.warning("a published key is passed over: %s", error if type(error) is ValueError else type(error))
            continue
        if name in found:
            raise ValueError("two keys of a JSON Web Key Set have the same id and algorithm")
        found[name] = key
    return found


def hmac_secret(secret: bytes, kid: str | None) -> dict[KeyName, Key]:
    """A key for HS256, of an issuer that has no public keys. Raises ValueError unless it can be a secret."""
    check_dedicated_secret(secret)
    return {(kid, "HS256"): CryptographyHMACKey(secret, "HS256")}


def _read_public_key(member: Any) -> tuple[KeyName, Key]:
    if not isinstance(member, dict):
        raise ValueError("it is not an object")
    if member.keys() & _PRIVATE_MEMBERS:
        raise ValueError("it holds a secret")
    kid = member.get("kid")
    if not isinstance(kid, str) or not HEADER_VALUE.fullmatch(kid):
        raise ValueError("it has no usable id")
    if member.get("use", "sig") != "sig" or "verify" not in member.get("key_ops", ["verify"]):
        raise ValueError("it is not for signatures")
    algorithm, public = _public_members(member)
    if member.get("alg", algorithm) != algorithm:
        raise ValueError("it is for an algorithm that is not used here")
    return (kid, algorithm), jwk.construct(public, algorithm)


def _public_members(member: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The algorithm that the kind of key fixes, and the members that make the key; nothing else is passed on."""
    if member.get("kty") == "EC" and member.get("crv") == "P-256":
        for name in ("x", "y"):
            if len(base64url.decode(member[name])) != 32:
                raise ValueError("its coordinates are malformed")
        return "ES256", {name: member[name] for name in ("kty", "crv", "x", "y")}
    if member.get("kty") == "RSA":
        modulus = int.from_bytes(base64url.decode(member["n"]), "big")
        if not RSA_BITS_MIN <= modulus.bit_length() <= RSA_BITS_MAX:
            raise ValueError("it is too short or too long")
        if int.from_bytes(base64url.decode(member["e"]), "big") > RSA_EXPONENT_MAX:
            raise ValueError("its exponent would make each signature slow")
        return "RS256", {name: member[name] for name in ("kty", "n", "e")}
    raise ValueError("it is of a kind that is not used here")


def _require_cryptography_backend() -> None:
    """python-jose falls back on slower libraries that leak timing (`ecdsa`) when `cryptography` cannot be imported."""
    if (ECKey, RSAKey, HMACKey) != (CryptographyECKey, CryptographyRSAKey, CryptographyHMACKey):
        raise RuntimeError("python-jose does not use the cryptography backend: install python-jose[cryptography]")
