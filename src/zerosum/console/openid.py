"""Signing in by an outside issuer: authorization code with PKCE, state and nonce (OpenID Connect Core, 3.1).

What must be known again when the browser comes back lies in a cookie of its own, sealed and for ten minutes.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

import orjson

from zerosum.domain.console_roles import Role
from zerosum.domain.errors import InvalidId, SignInRefused
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import ACTOR_CHARACTERS_MAX
from zerosum.services.credentials import base64url
from zerosum.services.credentials.console_sessions import SessionRecord

GOING_SECONDS = 600
AGAIN_SECONDS = 120
"""So lately somebody must have shown there who they are, to write."""

LEDGERS_MAX = 100
ALL_LEDGERS = "*"


class Provider(Protocol):
    issuer: str
    client_id: str

    async def endpoints(self) -> Any: ...
    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> str: ...


class Tokens(Protocol):
    async def verify(self, text: str, nonce: str, now_monotonic: float) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What of an issuer's claims says what a person may do here.

    `roles` are values of the claim, the first that somebody has counts. `ledger_claim` None: all of `ledgers`.
    """

    name: str
    role_claim: str
    roles: Mapping[str, Role]
    ledger_claim: str | None
    ledgers: tuple[UUID, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """Somebody who has gone to the issuer and has not come back."""

    state: str
    nonce: str
    verifier: str
    to: str
    is_again: bool
    since: float


@dataclass(frozen=True, slots=True)
class Person:
    """Who has come back. `is_fresh`: they have shown just now who they are, and were not merely known there.

    `claimed` is the value of the claim that gave them their role.
    """

    actor: str
    role: Role
    ledgers: tuple[UUID, ...] | None
    is_fresh: bool
    claimed: str


class OpenIdSignIn:
    """`secret` seals the cookie."""

    def __init__(
        self,
        provider: Provider,
        tokens: Tokens,
        mapped: Mapped,
        redirect_uri: str,
        secret: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._tokens = tokens
        self._mapped = mapped
        self._redirect_uri = redirect_uri
        self._secret = hmac.digest(secret, b"zerosum.console.openid.v1", "sha256")
        self._now = now

    @property
    def name(self) -> str:
        return self._mapped.name

    def as_set_now(self, session: SessionRecord) -> SessionRecord | None:
        """What the settings of now make of a session that this issuer has begun, maybe under others; None: nothing."""
        roles, bound = self._mapped.roles, self._mapped.ledgers
        # One of before it was written down stands on its role.
        role = roles.get(session.claimed) if session.claimed else Role(session.role)
        if role is None or role not in roles.values() or not session.subject.startswith(f"{self._provider.issuer}|"):
            return None
        ledgers = session.ledgers
        if bound is not None:
            ledgers = bound if ledgers is None else tuple(one for one in ledgers if one in bound)
        return replace(session, role=Role(role).value, ledgers=ledgers)

    async def begin(self, to: str, *, is_again: bool) -> tuple[str, str]:
        """Where to send the browser, and the cookie it must bring back. Raises Unavailable."""
        going = Going(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            to=to,
            is_again=is_again,
            since=self._now().timestamp(),
        )
        challenge = base64url.encode(sha256(going.verifier.encode("ascii")).digest())
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid profile",
            "state": going.state,
            "nonce": going.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if is_again:
            asked |= {"prompt": "login", "max_age": "0"}
        endpoint = (await self._provider.endpoints()).authorization
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", self._sealed(going)

    async def end(self, cookie: str | None, given: Mapping[str, str]) -> tuple[Person, Going]:
        """Who has come back with this. Raises SignInRefused, Unavailable."""
        going = self._opened(cookie)
        if not hmac.compare_digest(given.get("state", "").encode(), going.state.encode()):
            raise SignInRefused("This answer belongs to another question: sign in again.")
        if given.get("iss", self._provider.issuer) != self._provider.issuer:
            raise SignInRefused("This answer is of another issuer.")
        if "code" not in given:
            raise SignInRefused("The issuer has not signed you in.")
        text = await self._provider.redeem(given["code"], going.verifier, self._redirect_uri)
        claims = await self._tokens.verify(text, going.nonce, time.monotonic())
        person = self._person(claims)
        if going.is_again and not person.is_fresh:
            raise SignInRefused("The issuer does not say that you have just shown who you are.")
        return person, going

    def _person(self, claims: Mapping[str, Any]) -> Person:
        has = texts_of(claims.get(self._mapped.role_claim))
        claimed, role = next(((value, role) for value, role in self._mapped.roles.items() if value in has), ("", None))
        if role is None:
            raise SignInRefused("The issuer knows you, and gives you no role here.")
        actor = f"{self._provider.issuer}|{claims['sub']}"
        if len(actor) > ACTOR_CHARACTERS_MAX:
            raise SignInRefused("The issuer calls you by too long a name.")
        return Person(actor, role, self._ledgers(claims), self._is_fresh(claims.get("auth_time")), claimed)

    def _ledgers(self, claims: Mapping[str, Any]) -> tuple[UUID, ...] | None:
        bound = self._mapped.ledgers
        if self._mapped.ledger_claim is None:
            return bound
        named = texts_of(claims.get(self._mapped.ledger_claim), is_parted=True)
        if ALL_LEDGERS in named:
            return bound
        try:
            own = tuple(parse_id(Prefix.LEDGER, text) for text in named[:LEDGERS_MAX])
        except InvalidId:
            raise SignInRefused("The issuer names a ledger in a way that cannot be read.") from None
        return own if bound is None else tuple(one for one in own if one in bound)

    def _is_fresh(self, moment: object) -> bool:
        is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
        return is_number and self._now().timestamp() - float(moment) < AGAIN_SECONDS  # type: ignore[arg-type]

    def _sealed(self, going: Going) -> str:
        body = orjson.dumps(asdict(going))
        return base64url.encode(hmac.digest(self._secret, body, "sha256") + body)

    def _opened(self, cookie: str | None) -> Going:
        try:
            raw = base64url.decode(cookie or "")
            if hmac.compare_digest(raw[:32], hmac.digest(self._secret, raw[32:], "sha256")):
                going = Going(**orjson.loads(raw[32:]))
                if 0 <= self._now().timestamp() - going.since < GOING_SECONDS:
                    return going
        except (ValueError, TypeError):
            pass
        raise SignInRefused("It has taken too long, or began in another browser: sign in again.")


def texts_of(claim: object, *, is_parted: bool = False) -> list[str]:
    """A claim is a text, or a list of texts. `is_parted`: one text may be several with blanks between them."""
    if isinstance(claim, str):
        return claim.split() if is_parted else [claim, *claim.split()]
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else []
