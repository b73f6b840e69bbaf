"""Id tokens of the console's issuer (OpenID Connect Core, 3.1.3.7): who has signed in there, and that it was for us."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any

from zerosum.domain.errors import DomainError, SignInRefused
from zerosum.gateway.identity.key_sets import KeySet
from zerosum.gateway.identity.token_text import TokenRefused, TokenText, read_token
from zerosum.gateway.identity.tokens import check_signature
from zerosum.gateway.identity.trusted_issuers import PUBLIC_KEY_ALGORITHMS, TOKEN_SECONDS_MAX, checked_expiry

SUBJECT_CHARACTERS_MAX = 150

_TYPES = frozenset({None, "jwt"})

# A code is redeemed over TLS, so no access token stands beside it to compare.
_OPTIONS = {"verify_at_hash": False}


class IdTokens:
    """Of one issuer, for one client of it."""

    def __init__(self, issuer: str, client_id: str, keys: KeySet, now: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._keys = keys
        self._now = now

    async def verify(self, text: str, nonce: str, now_monotonic: float) -> dict[str, Any]:
        """What it claims, all of it believed. Raises SignInRefused, and Unavailable where keys cannot be read."""
        try:
            token = read_token(text)
            self._judge(token, nonce)
            await check_signature(token, self._keys, self._issuer, self._client_id, now_monotonic, _OPTIONS)
        except DomainError:
            raise
        except Exception as error:
            # The library promises no complete list of what it raises. Nothing of the token is told.
            raise SignInRefused("The issuer's token cannot be believed: sign in again.") from error
        return token.claims

    async def close(self) -> None:
        await self._keys.close()

    def _judge(self, token: TokenText, nonce: str) -> None:
        claims, now = token.claims, self._now().timestamp()
        audience = claims.get("aud")
        if token.algorithm not in PUBLIC_KEY_ALGORITHMS or token.type not in _TYPES:
            raise TokenRefused("another kind of token")
        if claims.get("iss") != self._issuer:
            raise TokenRefused("another issuer")
        if (
            audience not in (self._client_id, [self._client_id])
            or claims.get("azp", self._client_id) != self._client_id
        ):
            raise TokenRefused("another audience, or more than ours")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise TokenRefused("an answer to another question")
        checked_expiry(claims, now, TOKEN_SECONDS_MAX)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or not subject.isprintable():
            raise TokenRefused("no usable subject")
