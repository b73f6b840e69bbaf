"""From the Authorization header to a principal.

A good credential is remembered for at most five seconds, so that a busy client costs one look-up in five seconds
instead of one a request, and a revoked key is refused at most five seconds later. Only its hash is kept in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from zerosum.domain.errors import Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, render_id
from zerosum.gateway.identity.principal import Principal, Scope, known_scopes, principal_of_key
from zerosum.gateway.identity.token_text import TOKEN_CHARACTERS_MAX
from zerosum.gateway.identity.tokens import TokenVerifier, unauthenticated
from zerosum.services.credentials import api_key_text
from zerosum.services.credentials.api_key_text import API_KEY_PREFIX
from zerosum.services.credentials.api_keys import ApiKeyRecord, ApiKeys
from zerosum.services.credentials.last_uses import LastUses
from zerosum.services.ledgers import Ledgers

REMEMBERED_SECONDS_MAX: Final = 5.0
REMEMBERED_MAX: Final = 10_000

RENEWED_BEFORE_SECONDS: Final = 1.0
"""A credential that is used is judged anew so long before it is forgotten: then its callers need not all wait."""

_SCHEME = b"bearer "
_HEADER_BYTES_MAX = TOKEN_CHARACTERS_MAX + len(_SCHEME)


class _Remembered(NamedTuple):
    until: float
    renewed_from: float
    principal: Principal


class Authenticator:
    """Times named `now_monotonic` are readings of one monotonic clock, in seconds."""

    def __init__(
        self,
        api_keys: ApiKeys,
        tokens: TokenVerifier,
        ledgers: Ledgers,
        now: Callable[[], datetime],
        last_uses: LastUses | None = None,
    ) -> None:
        self._api_keys = api_keys
        self._tokens = tokens
        self._ledgers = ledgers
        self._now = now
        self._last_uses = last_uses
        self._remembered: dict[bytes, _Remembered] = {}
        self._running: dict[bytes, asyncio.Task[Principal]] = {}

    def find_cached(self, header_value: bytes, now_monotonic: float) -> Principal | None:
        """The principal of a header value seen a moment ago, without awaiting. None: ask `authenticate`."""
        digest = sha256(header_value).digest()
        known = self._remembered.get(digest)
        if known is None or now_monotonic >= known.until:
            return None
        if now_monotonic >= known.renewed_from and digest not in self._running:
            self._renew(digest, header_value, now_monotonic)
        return known.principal

    async def authenticate(self, authorization_header_values: Sequence[bytes], now_monotonic: float) -> Principal:
        """Raises Unauthenticated whatever is wrong with the header or credential, and never tells what."""
        if len(authorization_header_values) != 1:
            raise unauthenticated()
        value = authorization_header_values[0]
        credential = _bearer_credential(value)
        known = self.find_cached(value, now_monotonic)
        if known is not None:
            return known
        # Requests that come at once with one credential share one look-up, which none of them can cancel.
        digest = sha256(value).digest()
        task = self._running.get(digest) or self._begin(digest, credential, now_monotonic)
        return await asyncio.shield(task)

    def _begin(self, digest: bytes, credential: str, now_monotonic: float) -> asyncio.Task[Principal]:
        task = asyncio.create_task(self._judge(digest, credential, now_monotonic), name="authentication")
        self._running[digest] = task
        task.add_done_callback(lambda done: self._forget_running(digest, done))
        return task

    def _renew(self, digest: bytes, header_value: bytes, now_monotonic: float) -> None:
        """Nobody waits for it. Until it is there the credential is good as long as it was to be."""
        self._begin(digest, _bearer_credential(header_value), now_monotonic)

    async def close(self) -> None:
        """End what still runs in the background."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._tokens.close()

    async def _judge(self, digest: bytes, credential: str, now_monotonic: float) -> Principal:
        if credential.startswith(API_KEY_PREFIX):
            principal, expires_at = await self._by_api_key(credential)
        else:
            principal, expires_at = await self._by_token(credential, now_monotonic)
        self._remember(digest, principal, expires_at, now_monotonic)
        return principal

    async def _by_api_key(self, text: str) -> tuple[Principal, float | None]:
        record = await self._api_keys.authenticate(text)
        if record is None:
            raise unauthenticated(_because(text))
        expires_at = None if record.expires_at is None else record.expires_at.timestamp()
        return self._of_key(record, known_scopes(record.scopes)), expires_at

    async def _by_token(self, text: str, now_monotonic: float) -> tuple[Principal, float | None]:
        token = await self._tokens.verify(text, now_monotonic)
        if token.api_key_id is not None:
            # One of our tokens dies with its API key, and is bound to whatever that is bound to.
            record = await self._api_keys.find_active(token.ledger_id, token.api_key_id)
            if record is None:
                raise unauthenticated(f"A token was refused: its key {token.subject} has ended.")
            return self._of_key(record, token.scopes), float(token.expires_at)
        if not await self._is_there(token.ledger_id):
            raise unauthenticated("A token was refused: a ledger that is not there.")
        actor = f"{token.issuer}|{token.subject}"
        rate_key = f"{token.ledger_id}:{actor}"
        return Principal(token.ledger_id, actor, token.scopes, rate_key), float(token.expires_at)

    def _of_key(self, record: ApiKeyRecord, scopes: frozenset[Scope]) -> Principal:
        if self._last_uses is not None:
            self._last_uses.note(record.ledger_id, record.id, self._now())
        return principal_of_key(record, scopes)

    async def _is_there(self, ledger_id: LedgerId) -> bool:
        return ledger_id == SERVICE_LEDGER or await self._ledgers.exists(ledger_id)

    def _remember(self, digest: bytes, principal: Principal, expires_at: float | None, now_monotonic: float) -> None:
        # Counted from before the look-up, so that a slow database does not stretch the promise about revocation.
        seconds = REMEMBERED_SECONDS_MAX
        if expires_at is not None:
            seconds = min(seconds, expires_at - self._now().timestamp())
        self._remembered.pop(digest, None)  # so that the order of insertion stays the order of age
        if seconds <= 0:
            return
        while len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        # One that ends by itself is not renewed: it would be again with each request of its last second.
        is_renewed = seconds == REMEMBERED_SECONDS_MAX
        until = now_monotonic + seconds
        self._remembered[digest] = _Remembered(until, until - RENEWED_BEFORE_SECONDS * is_renewed, principal)

    def _forget_running(self, digest: bytes, task: asyncio.Task[Principal]) -> None:
        del self._running[digest]
        # Looked at here: every caller that waited for it may have gone away.
        if not task.cancelled() and isinstance(task.exception(), Unauthenticated):
            self._remembered.pop(digest, None)


def _because(text: str) -> str:
    """What an API key that was refused claims to be. Whether it was once that key, nobody can say."""
    parsed = api_key_text.parse(text)
    if parsed is None:
        return "A text that is no API key."
    return (
        f"An API key that is not known, revoked or expired: it claims to be {render_id(Prefix.API_KEY, parsed.key_id)}."
    )


def _bearer_credential(value: bytes) -> str:
    """What follows `Bearer` and its blanks, to the last byte (RFC 9110, 11.6.2): keys and tokens are read strictly."""
    if len(value) > _HEADER_BYTES_MAX or value[: len(_SCHEME)].lower() != _SCHEME:
        raise unauthenticated()
    try:
        return value[len(_SCHEME) :].lstrip(b" ").decode("ascii")
    except UnicodeDecodeError:
        raise unauthenticated() from None
