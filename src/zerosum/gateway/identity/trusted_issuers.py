"""Whose tokens are believed, and how far: the rules for the claims, once the signature is known to be good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import SERVICE_LEDGER, ApiKeyId, LedgerId, Prefix, parse_id
from zerosum.gateway.identity.key_sets import KeySet
from zerosum.gateway.identity.principal import ACTOR_CHARACTERS_MAX, ALL_SCOPES, Scope, known_scopes
from zerosum.gateway.identity.token_text import TokenRefused

PUBLIC_KEY_ALGORITHMS = frozenset({"ES256", "RS256"})
SECRET_ALGORITHMS = frozenset({"HS256"})

OWN_TOKEN_TYPES: frozenset[str | None] = frozenset({"at+jwt"})
ACCESS_TOKEN_TYPES_OF_OTHERS: frozenset[str | None] = frozenset({None, "jwt", "at+jwt"})

LEEWAY_SECONDS = 30
"""How far the clocks of an issuer and ours may differ."""

TOKEN_SECONDS_MAX = 86_400
"""How long a token of another issuer lives at most, unless the settings say otherwise: it cannot be revoked here."""

NUMERIC_DATE_MIN = 946_684_800
NUMERIC_DATE_MAX = 4_102_444_800
"""The years 2000 to 2100: a date outside is a mistake or an attack (milliseconds, a negative number, 10 ** 400)."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says, all of it believed."""

    issuer: str
    subject: str
    ledger_id: LedgerId
    scopes: frozenset[Scope]
    expires_at: int
    api_key_id: ApiKeyId | None
    """Set for our own tokens: the key they were issued to."""


class IssuerKeys(NamedTuple):
    """The keys of one issuer and the one family of algorithms that goes with their kind (see `issuer_keys.py`)."""

    key_set: KeySet
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer whose tokens are believed. `is_own` is this service itself, whose tokens have one exact form."""

    issuer: str
    audience: str
    keys: IssuerKeys
    ledger_claim: str = "ledger"
    scope_claim: str = "scope"
    scopes: frozenset[Scope] = ALL_SCOPES
    """What its tokens can allow at most."""
    ledgers: frozenset[LedgerId] | None = None
    """The ledgers it may speak for; None: any."""
    is_own: bool = False
    token_seconds_max: int = TOKEN_SECONDS_MAX
    """From `iat` to `exp`. A token that claims more is refused."""

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise ValueError("an issuer needs its name and the audience its tokens are meant for")
        if "|" in self.issuer:
            raise ValueError("an issuer's name holds no bar, which parts it from the subject in the actor")
        if self.keys.algorithms not in (PUBLIC_KEY_ALGORITHMS, SECRET_ALGORITHMS):
            raise ValueError("an issuer signs with private keys or with a secret, never with both")

    @property
    def types(self) -> frozenset[str | None]:
        """What the header's `typ` may be, in lower case."""
        return OWN_TOKEN_TYPES if self.is_own else ACCESS_TOKEN_TYPES_OF_OTHERS

    def judge(self, claims: Mapping[str, Any], now: float) -> VerifiedToken:
        """Raises TokenRefused. `now` is in seconds since 1970."""
        if claims.get("iss") != self.issuer:
            raise TokenRefused("another issuer")
        if claims.get("aud") not in (self.audience, [self.audience]):
            raise TokenRefused("another audience, or more than ours")
        self._check_kind(claims)
        subject = self._subject(claims)
        scopes = known_scopes(_scope_texts(claims.get(self.scope_claim, ""))) & self.scopes
        ledger_id, scopes = self._ledger(claims, scopes)
        return VerifiedToken(
            issuer=self.issuer,
            subject=subject,
            ledger_id=ledger_id,
            scopes=scopes,
            expires_at=checked_expiry(claims, now, self.token_seconds_max),
            api_key_id=_own_key(claims, subject) if self.is_own else None,
        )

    def _check_kind(self, claims: Mapping[str, Any]) -> None:
        """ID and refresh tokens of several providers differ from access tokens only by such a claim."""
        if claims.get("typ", "Bearer") != "Bearer" or claims.get("token_use", "access") != "access":
            raise TokenRefused("not an access token")
        if self.is_own and "jti" not in claims:
            raise TokenRefused("no token id")

    def _subject(self, claims: Mapping[str, Any]) -> str:
        subject = claims.get("sub")
        # It is written into journal entries and logs: printable, and never cut, so that two subjects never look alike.
        if not isinstance(subject, str) or not subject or not subject.isprintable():
            raise TokenRefused("no usable subject")
        if len(self.issuer) + 1 + len(subject) > ACTOR_CHARACTERS_MAX:
            raise TokenRefused("the subject is too long")
        return subject

    def _ledger(self, claims: Mapping[str, Any], scopes: frozenset[Scope]) -> tuple[LedgerId, frozenset[Scope]]:
        """The ledger, and what the token may do there. Who is an operator names no ledger, and is nothing else."""
        text = claims.get(self.ledger_claim)
        if text is None and Scope.OPERATOR in scopes:
            return SERVICE_LEDGER, frozenset({Scope.OPERATOR})
        ledger_id = self._named_ledger(text)
        # Of our own keys only the one that `zerosum up` makes has both.
        return ledger_id, scopes if self.is_own else scopes - {Scope.OPERATOR}

    def _named_ledger(self, text: object) -> LedgerId:
        if not isinstance(text, str):
            raise TokenRefused("no ledger")
        try:
            ledger_id = LedgerId(parse_id(Prefix.LEDGER, text))
        except InvalidId:
            raise TokenRefused("a malformed ledger") from None
        if self.ledgers is not None and ledger_id not in self.ledgers:
            raise TokenRefused("a ledger this issuer may not speak for")
        return ledger_id


def checked_expiry(claims: Mapping[str, Any], now: float, seconds_max: int) -> int:
    """Raises TokenRefused for a token that is not valid now, or longer than it may be."""
    expires_at = _date(claims, "exp")
    issued_at = _date(claims, "iat")
    if expires_at + LEEWAY_SECONDS <= now:
        raise TokenRefused("expired")
    if issued_at - LEEWAY_SECONDS > now:
        raise TokenRefused("issued in the future")
    if expires_at < issued_at:
        raise TokenRefused("expired before it was issued")
    if expires_at - issued_at > seconds_max:
        raise TokenRefused("a longer life than it may have")
    if "nbf" in claims and _date(claims, "nbf") - LEEWAY_SECONDS > now:
        raise TokenRefused("not valid yet")
    return expires_at


def _date(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    # `type` and not `isinstance`: True is an int to Python.
    if type(value) is not int or not NUMERIC_DATE_MIN <= value <= NUMERIC_DATE_MAX:
        raise TokenRefused("a date that is missing or no date")
    return value


def _scope_texts(value: object) -> list[str]:
    """Scopes as RFC 8693 writes them, parted by spaces, or as a list, as some providers do."""
    texts = value.split(" ") if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TokenRefused("malformed scopes")
    return texts


def _own_key(claims: Mapping[str, Any], subject: str) -> ApiKeyId:
    if claims.get("client_id") != subject:
        raise TokenRefused("the client is not the subject")
    try:
        return ApiKeyId(parse_id(Prefix.API_KEY, subject))
    except InvalidId:
        raise TokenRefused("the subject is no API key") from None
