"""The write-through copy of balances in Redis: a copy that cannot lie for long.

A writer marks its accounts before its transaction begins, and after the commit stores the new balances: they take the
place of the mark, unless other writers' marks remain, and of an older version, never of a newer one. Only then is its
caller answered. A reader that meets a mark or nothing asks PostgreSQL; where there was nothing it takes a lease first,
and may fill the key only as long as nobody touched it since.

So a read that starts after an acknowledgement finds that version, a newer one, or none, whatever else happens in
between: other writers, flushes, evictions, late readers, marks that expire, a Redis that wakes up and carries out old
calls. What rests on nothing but the order of these steps is tried out in tests/cache, step by step.

A writer that cannot reach Redis goes on without. Until it is back, and a new epoch has made everything in it
unreachable, this process reads from PostgreSQL. Other processes may meanwhile meet a value up to its expiry: the one
exception. (docs/decisions/0005)
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from zerosum.adapters.balance_scripts import FILL, MARK, RAISE_EPOCH, READ, STORE
from zerosum.adapters.balance_text import CachedBalance as CachedBalance  # what readers get
from zerosum.adapters.balance_text import parse_balance, render_balance
from zerosum.adapters.redis import RedisAway, RedisLink
from zerosum.domain.ledger.account import AccountState

ACCOUNTS_PER_CALL_MAX = 1_000
"""Redis does nothing else meanwhile: this many take it a few milliseconds."""

MARK_SECONDS_MORE = 15
"""Than a transaction may last."""

_KEYS = ("zerosum:balances",)


@dataclass(frozen=True, slots=True)
class Expiry:
    """`mark` outlasts every transaction, so that it does not end before what it announces."""

    value_milliseconds: int = 5_000
    mark_milliseconds: int = 20_000
    lease_milliseconds: int = 2_000

    @classmethod
    def outlasting(cls, deadline_seconds: float) -> Expiry:
        return cls(mark_milliseconds=int((deadline_seconds + MARK_SECONDS_MORE) * 1000))


@dataclass(frozen=True, slots=True)
class Mark:
    """One writer's announcement of a write. Without a token it may not have reached Redis."""

    account_ids: Sequence[UUID]
    token: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fill one key, from one reader's miss until somebody else touches it."""

    account_id: UUID
    token: str


class BalanceCache:
    """Never raises and never waits longer than a reply may take. Made before the link is started."""

    def __init__(self, link: RedisLink, expiry: Expiry | None = None) -> None:
        self.hits = 0
        self.misses = 0
        self._link = link
        self._expiry = expiry or Expiry()
        self._is_readable = False
        link.on_break(self._close_to_readers)
        link.on_return(self._open_to_readers)

    async def mark(self, accounts: Sequence[tuple[UUID, UUID]]) -> Mark:
        """Announce a write to these accounts. To be given to `store`, whatever becomes of the write."""
        account_ids = [account_id for _, account_id in accounts]
        token = secrets.token_hex(8)
        try:
            for first in range(0, len(account_ids), ACCOUNTS_PER_CALL_MAX):
                part = [account_id.hex for account_id in account_ids[first : first + ACCOUNTS_PER_CALL_MAX]]
                await self._link.run(MARK, _KEYS, token, self._expiry.mark_milliseconds, *part)
        except RedisAway:
            # It may still be carried out, much later. So the token is not used again: it would pass for a mark that
            # stood before the transaction began.
            return Mark(account_ids, None)
        return Mark(account_ids, token)

    async def store(self, mark: Mark, states: Sequence[AccountState]) -> None:
        """After the commit: these balances in place of the marks. The marks without a state are only lifted.

        Somebody may have put a NaN into a row past the service: such a state is none, and readers meet the row itself.
        """
        if self._link.is_away:
            return
        readable = [state for state in states if _is_readable(state)]
        lines: list[tuple[str, int | str, str]] = [
            (state.id.hex, state.version, render_balance(state)) for state in readable
        ]
        if mark.token is not None and len(readable) < len(mark.account_ids):
            stored = {state.id for state in readable}
            lines += [(account_id.hex, "", "") for account_id in mark.account_ids if account_id not in stored]
        try:
            for first in range(0, len(lines), ACCOUNTS_PER_CALL_MAX):
                part = [word for line in lines[first : first + ACCOUNTS_PER_CALL_MAX] for word in line]
                await self._link.run(STORE, _KEYS, mark.token or "", self._expiry.value_milliseconds, *part)
        except RedisAway:
            return

    async def read(self, ledger_id: UUID, account_id: UUID) -> CachedBalance | Lease | None:
        """The balances; or a lease where there are none and the caller may fill them; or None."""
        if not self._is_readable:
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

    async def _open_to_readers(self) -> None:
        """Writers write again by now. What was not written in the gap lies under the old epoch, if anywhere."""
        await self._link.run(RAISE_EPOCH, _KEYS)
        self._is_readable = True


class NoBalanceCache:
    """Stands where there is no Redis: every read goes to PostgreSQL."""

    hits = 0
    misses = 0

    async def mark(self, _: Sequence[tuple[UUID, UUID]], /) -> None:
        return None

    async def store(self, _: object, __: Sequence[AccountState], /) -> None:
        return None

    async def read(self, _: UUID, __: UUID, /) -> None:
        return None

    async def fill(self, _: Lease, __: AccountState, /) -> None:
        return None


def _is_readable(state: AccountState) -> bool:
    return state.posted_debits.is_finite() and state.posted_credits.is_finite() and state.held.is_finite()
