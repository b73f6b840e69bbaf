"""The write-through copy of balances in Redis: a copy that cannot lie for long.

After the commit, and before anybody is told of it, a writer asks which of its accounts lie in Redis: those that
somebody has read lately. There the new balances take the place of older ones, never of newer ones, and a reader's
lease is taken away. A reader that meets nothing takes a lease, then asks PostgreSQL, and may fill the key only as long
as nobody touched it since. Accounts that nobody reads cost a writer one question for all of them.

So a read that starts after an acknowledgement finds that version, a newer one, or none, whatever else happens in
between: other writers, flushes, evictions, late readers, a Redis that wakes up and carries out old calls. What rests on
nothing but the order of these steps is tried out in tests/cache, step by step. What is between its commit and its
refresh is read from PostgreSQL (`under_way.py`): nobody reads of one account what another has shown him to be over.

Whatever was there before a commit ends a fixed time after it at the latest. A writer whose question or refresh is lost
waits that long before it lets its caller be told, or until Redis is back and a new epoch has made everything in it
unreachable. While it knows Redis to be away it goes on without, and reads from PostgreSQL itself; other processes may
meanwhile meet a value up to its expiry: the one exception. (docs/decisions/0005, 0025)
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from zerosum.adapters.balance_scripts import FILL, FIND, RAISE_EPOCH, READ, STORE
from zerosum.adapters.balance_text import CachedBalance as CachedBalance  # what readers get
from zerosum.adapters.balance_text import parse_balance, render_balance
from zerosum.adapters.redis import RedisAway, RedisLink
from zerosum.adapters.under_way import UnderWay
from zerosum.domain.ledger.account import AccountState

ACCOUNTS_PER_CALL_MAX = 1_000
"""Redis does nothing else meanwhile: this many take it a few milliseconds."""

_KEYS = ("zerosum:balances:2",)
"""The second form of what lies there: processes of the first one must not meet it."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """`value` is also how long a writer waits whose refresh was lost: shorter than callers wait."""

    value_milliseconds: int = 3_000
    lease_milliseconds: int = 2_000


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fill one key, from one reader's miss until somebody else touches it."""

    account_id: UUID
    token: str


class BalanceCache:
    """Never raises. Made before the link is started."""

    def __init__(self, link: RedisLink, expiry: Expiry | None = None, under_way: UnderWay | None = None) -> None:
        """Other processes of the same machine share what is `under_way`."""
        self.hits = 0
        self.misses = 0
        self._link = link
        self._expiry = expiry or Expiry()
        self._under_way = under_way or UnderWay()
        self._is_readable = False
        self._is_opened = asyncio.Event()
        link.on_break(self._close_to_readers)
        link.on_return(self._open_to_readers)

    def begins(self, account_ids: Collection[UUID]) -> None:
        """Before they are changed: until it `ends`, whoever reads them asks PostgreSQL."""
        self._under_way.begins(account_ids)

    def ends(self, account_ids: Collection[UUID]) -> None:
        """They were refreshed, or not changed after all."""
        self._under_way.ends(account_ids)

    async def refresh(self, states: Sequence[AccountState]) -> None:
        """After the commit, before it is told: from here on nobody reads an older balance than these.

        Also of accounts that stayed as they were: what is acknowledged by a replay may not have been refreshed.
        """
        if self._link.is_away:
            return
        was_readable = self._is_readable
        try:
            for first in range(0, len(states), ACCOUNTS_PER_CALL_MAX):
                found = await self.find(states[first : first + ACCOUNTS_PER_CALL_MAX])
                if found:
                    await self.store(found)
        except RedisAway:
            if not was_readable:
                return  # It was away for readers of this process, and has not really come back.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._expiry.value_milliseconds / 1000):
                    await self._is_opened.wait()

    async def find(self, states: Sequence[AccountState]) -> list[AccountState]:
        """The first half of `refresh`: those of which anything lies in Redis. Raises RedisAway."""
        by_name = {state.id.hex.encode(): state for state in states}
        names = await self._link.run(FIND, _KEYS, *by_name)
        if not all(isinstance(name, bytes) and name in by_name for name in names):
            raise RedisAway  # A reply that was forged or damaged tells nothing.
        return [by_name[name] for name in names]

    async def store(self, found: Sequence[AccountState]) -> None:
        """The second half. Raises RedisAway."""
        await self._link.run(STORE, _KEYS, *[word for state in found for word in _words(state)])

    async def read(self, ledger_id: UUID, account_id: UUID) -> CachedBalance | Lease | None:
        """The balances; or a lease where there are none and the caller may fill them; or None."""
        if not self._is_readable:
            return None
        if self._under_way.has(account_id):
            self.misses += 1
            return None
        token = secrets.token_hex(8)
        try:
            (present,) = await self._link.run(READ, _KEYS, account_id.hex, token, self._expiry.lease_milliseconds)
        except (RedisAway, ValueError):
            return None
        found = parse_balance(present, ledger_id, account_id)
        if found is not None:
            self.hits += 1
            return found
        self.misses += 1
        return Lease(account_id, token) if present is None else None

    async def fill(self, lease: Lease, state: AccountState) -> None:
        """What PostgreSQL said after the lease was taken."""
        expiry = self._expiry
        times = (expiry.value_milliseconds, expiry.lease_milliseconds)
        try:
            await self._link.run(FILL, _KEYS, lease.account_id.hex, lease.token, render_balance(state), *times)
        except RedisAway:
            return

    def _close_to_readers(self) -> None:
        self._is_readable = False
        self._is_opened.clear()

    async def _open_to_readers(self) -> None:
        """Writers write again by now. What was not written in the gap lies under the old epoch, if anywhere."""
        await self._link.run(RAISE_EPOCH, _KEYS)
        self._is_readable = True
        self._is_opened.set()


class NoBalanceCache:
    """Stands where there is no Redis: every read goes to PostgreSQL."""

    hits = 0
    misses = 0

    def begins(self, _: Collection[UUID], /) -> None:
        return None

    def ends(self, _: Collection[UUID], /) -> None:
        return None

    async def refresh(self, _: Sequence[AccountState], /) -> None:
        return None

    async def read(self, _: UUID, __: UUID, /) -> None:
        return None

    async def fill(self, _: Lease, __: AccountState, /) -> None:
        return None


def _words(state: AccountState) -> tuple[str, int | str, str]:
    """Somebody may have put a NaN into a row past the service: such a state is none, and readers meet the row."""
    return (state.id.hex, state.version, render_balance(state)) if _is_finite(state) else (state.id.hex, "", "")


def _is_finite(state: AccountState) -> bool:
    return state.posted_debits.is_finite() and state.posted_credits.is_finite() and state.held.is_finite()
