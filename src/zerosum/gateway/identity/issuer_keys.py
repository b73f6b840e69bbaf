"""The four kinds of keys an issuer can have. Each fixes its one family of algorithms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from zerosum.adapters.jwks import JwksDownload
from zerosum.gateway.identity.key_sets import (
    COOL_DOWN_SECONDS_OF_OURS,
    FRESH_SECONDS_OF_OTHERS,
    FRESH_SECONDS_OF_OURS,
    FixedKeySet,
    RefreshedKeySet,
    VerifyingKeys,
)
from zerosum.gateway.identity.tokens import hmac_secret, read_public_keys
from zerosum.gateway.identity.trusted_issuers import PUBLIC_KEY_ALGORITHMS, SECRET_ALGORITHMS, IssuerKeys
from zerosum.services.credentials.signing_keys import SigningKeys


def own_keys(signing_keys: SigningKeys, now: Callable[[], datetime]) -> IssuerKeys:
    """What this service publishes itself, read from where it is kept."""

    async def read() -> VerifyingKeys:
        return read_public_keys(await signing_keys.public_jwks(now(), is_fresh=True))

    keys = RefreshedKeySet("this service", read, FRESH_SECONDS_OF_OURS, COOL_DOWN_SECONDS_OF_OURS, is_near=True)
    return IssuerKeys(keys, PUBLIC_KEY_ALGORITHMS)


def configured_keys(jwks: Mapping[str, Any]) -> IssuerKeys:
    """A JSON Web Key Set from the settings. Raises ValueError when it has no usable key."""
    return IssuerKeys(FixedKeySet(_some_keys(jwks)), PUBLIC_KEY_ALGORITHMS)


def downloaded_keys(download: JwksDownload) -> IssuerKeys:
    """A JSON Web Key Set read from its issuer's https address."""

    async def read() -> VerifyingKeys:
        return _some_keys(await download.read())

    return IssuerKeys(RefreshedKeySet(download.url, read, FRESH_SECONDS_OF_OTHERS), PUBLIC_KEY_ALGORITHMS)


def secret_key(secret: bytes, kid: str | None = None) -> IssuerKeys:
    """A secret shared with the issuer and used for nothing else. Raises ValueError unless it can be one."""
    return IssuerKeys(FixedKeySet(hmac_secret(secret, kid)), SECRET_ALGORITHMS)


def _some_keys(jwks: Mapping[str, Any]) -> VerifyingKeys:
    keys = read_public_keys(jwks)
    if not keys:
        # An empty set would refuse every token: more likely a mistake of the issuer than its wish.
        raise ValueError("a JSON Web Key Set without a usable key")
    return keys
