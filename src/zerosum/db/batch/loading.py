"""What a batch knows before it decides: accounts, used keys, records. Locked for real runs, looked at for dry ones.

Each statement looks up what it wants by ledger and key: row-level security lets a batch see all ledgers in it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch.holding import KEY_IS_USED, KEY_TIMEOUT, KEY_TIMEOUT_APART
from zerosum.db.batch.limited_groups import (
    COUNT_IN_GROUPS,
    FIND_LIMITED_GROUPS,
    GROUPS_OF_CODES,
    LOCK_LIMITED_GROUPS,
    fill_in_groups,
    found_groups,
    group_arguments,
    group_names,
    wanted_of,
)
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.db.batch.velocity import COUNT_VELOCITY, fill_in, velocity_arguments, velocity_limits
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, Side
from zerosum.domain.ledger.group_rules import LimitedGroup
from zerosum.domain.ledger.records import Need, RecordKey, only_read
from zerosum.domain.ledger.velocity import Window

Fetch = Callable[..., Awaitable[Sequence[Any]]]

Key = tuple[UUID, str]
"""A ledger and an idempotency key of its own."""

AccountKey = tuple[UUID, UUID]
"""A ledger and an account of its own."""

FIND_ACCOUNTS = """
select account.ledger_id, account.id, currency, type, status, min_available::text, max_available::text,
       posted_debits::text, posted_credits::text, held::text, version, head, overdrawn, last_posted_at, account.xmin,
       velocity_limits::text, limited_groups::text
from unnest($1::uuid[], $2::uuid[]) as wanted(ledger_id, id)
join accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
order by account.id
"""
LOCK_ACCOUNTS = FIND_ACCOUNTS + "for no key update of account"
LOCK_FREE_ACCOUNTS = LOCK_ACCOUNTS + " skip locked"

FIND_VERSIONS = """
select account.ledger_id, account.id, account.version
from unnest($1::uuid[], $2::uuid[]) as wanted(ledger_id, id)
join accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
"""

FIND_USED_KEYS = f"""
select wanted.place
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
where {KEY_IS_USED}
"""  # noqa: S608 - made of constants only

# With the rows locked, and before keys are waited for. The outer side of a join is always there, and its function run.
FIND_USED_KEYS_BEFORE_WRITING = f"""
select wanted.place
from set_config('lock_timeout', $3, true) as waiting
left join unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
on {KEY_IS_USED}
"""  # noqa: S608 - made of constants only

# Run only for keys that were found, which is rare. What was carried out wins over a refusal that raced it.
DESCRIBE_USED_KEYS = """
select wanted.place, entry.fingerprint, entry.id, entry.resource_type, entry.resource_id, null as problem,
       entry.posted_at, null as content
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
join journal_entries entry using (ledger_id, idempotency_key)
union all
select wanted.place, answer.fingerprint, answer.resource_id, answer.resource_type, null, null,
       answer.created_at, answer.content::text
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
join answers answer using (ledger_id, idempotency_key)
union all
select wanted.place, refusal.fingerprint, null, null, null, refusal.problem::text, refusal.created_at, null
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
join refusals refusal using (ledger_id, idempotency_key)
order by problem nulls last
"""


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What became of a key: what was carried out under it, or the problem with which it was refused.

    `resource_id` is the entry's id where an entry bears the key; else `content` is the answer as it was given.
    `own_id` is that of the resource, where it is another than the entry's.
    """

    fingerprint: bytes
    resource_id: UUID | None
    resource_type: str | None
    own_id: str | None
    problem: dict[str, Any] | None
    created_at: datetime
    content: dict[str, Any] | None = None


class Loader:
    """`is_locking` as for deciding, what is to be locked; otherwise as for a dry run.

    That writes nothing and keeps nobody waiting.
    """

    def __init__(self, fetch: Fetch, *, is_locking: bool) -> None:
        self._fetch = fetch
        self._is_locking = is_locking

    async def accounts(self, wanted: Collection[AccountKey], *, skip_locked: bool = False) -> list[AccountState]:
        """In the order of their ids, so that no two batches can deadlock.

        Unknown accounts are left out, and with `skip_locked` those that another transaction holds.
        """
        statement = FIND_ACCOUNTS if not self._is_locking else LOCK_FREE_ACCOUNTS if skip_locked else LOCK_ACCOUNTS
        rows = await self._fetch(statement, [ledger for ledger, _ in wanted], [account for _, account in wanted])
        return [account_state(row) for row in rows]

    async def versions(self, wanted: Collection[AccountKey]) -> dict[AccountKey, int]:
        """Of those that there are, locked or not."""
        rows = await self._fetch(FIND_VERSIONS, [ledger for ledger, _ in wanted], [account for _, account in wanted])
        return {(row[0], row[1]): row[2] for row in rows}

    async def count_velocity(
        self, accounts: Sequence[AccountState], further: Mapping[UUID, Collection[Window]], posted_at: datetime
    ) -> None:
        """Fill in what counts at this moment in the windows of their limits, and in `further` ones by account."""
        wanted = [
            (account, window)
            for account in accounts
            for window in {*(limit.window for limit in account.velocity), *further.get(account.id, ())}
        ]
        if wanted:
            rows = await self._fetch(COUNT_VELOCITY, *velocity_arguments(wanted, posted_at))
            fill_in(wanted, rows, posted_at)

    async def limited_groups(
        self, accounts: Iterable[AccountState], opened: Sequence[Account], posted_at: datetime
    ) -> list[LimitedGroup]:
        """Those that the accounts are in, with what counts at this moment in the windows of their limits.

        Accounts that are about to be opened are told which they will be in.
        """
        if opened:
            await self._join_groups(opened)
        touched = (*accounts, *(one.state for one in opened))
        names = sorted({(account.ledger_id, name) for account in touched for name in account.groups})
        if not names:
            return []
        statement = LOCK_LIMITED_GROUPS if self._is_locking else FIND_LIMITED_GROUPS
        rows = await self._fetch(statement, [ledger for ledger, _ in names], [name for _, name in names])
        groups = found_groups(rows)
        wanted = wanted_of(groups)
        fill_in_groups(wanted, await self._fetch(COUNT_IN_GROUPS, *group_arguments(wanted, posted_at)), posted_at)
        return groups

    async def _join_groups(self, opened: Sequence[Account]) -> None:
        found: dict[int, list[str]] = {}
        ledgers, codes = [one.state.ledger_id for one in opened], [one.code for one in opened]
        for place, name in await self._fetch(GROUPS_OF_CODES, ledgers, codes):
            found.setdefault(place, []).append(name)
        for place, one in enumerate(opened, start=1):
            one.state.groups = tuple(found.get(place, ()))

    async def used_keys(self, wanted: Sequence[Key], *, is_impatient: bool = False) -> dict[Key, UsedKey]:
        """Which keys were used before, and for what. Asked with the locks held, so that the answer stays true.

        From here on a transaction that decides waits for nothing but keys, and `is_impatient` hardly for them.
        """
        arguments = [ledger for ledger, _ in wanted], [key for _, key in wanted]
        if self._is_locking:
            limit = KEY_TIMEOUT_APART if is_impatient else KEY_TIMEOUT
            found = await self._fetch(FIND_USED_KEYS_BEFORE_WRITING, *arguments, limit)
        else:
            found = await self._fetch(FIND_USED_KEYS, *arguments)
        if all(row[0] is None for row in found):
            return {}
        rows = await self._fetch(DESCRIBE_USED_KEYS, *arguments)
        return {wanted[row[0] - 1]: _used_key(row) for row in reversed(rows)}

    async def records(self, wanted: Collection[Need]) -> dict[RecordKey, Any]:
        """Those that there are. Kind by kind, and in each by key: one order for everybody.

        What one command reads and another has to have locked is locked.
        """
        read = only_read(wanted)
        by_kind: dict[tuple[str, bool], list[RecordKey]] = {}
        for key in {need.key for need in wanted}:
            by_kind.setdefault((key.kind, key not in read), []).append(key)
        found: dict[RecordKey, Any] = {}
        for kind, is_locked in sorted(by_kind):
            keys, record_set = by_kind[kind, is_locked], RECORD_SETS[kind]
            statement = record_set.find_statement(locked=is_locked and self._is_locking)
            rows = await self._fetch(statement, [key.ledger_id for key in keys], [key.id for key in keys])
            found |= {keys[row[0] - 1]: record_set.read(row[1:]) for row in rows}
        return found


def unlocked_loader(connection: AsyncConnection) -> Loader:
    """For looking: what it finds may have changed a moment later."""

    async def fetch(statement: str, *arguments: Any) -> Sequence[Any]:
        return (await connection.exec_driver_sql(statement, arguments)).all()

    return Loader(fetch, is_locking=False)


def _used_key(row: Sequence[Any]) -> UsedKey:
    return UsedKey(
        fingerprint=row[1],
        resource_id=row[2],
        resource_type=row[3],
        own_id=row[4],
        problem=None if row[5] is None else json.loads(row[5]),
        created_at=row[6],
        content=None if row[7] is None else json.loads(row[7]),
    )


_NORMAL_SIDES = {
    "asset": Side.DEBIT,
    "expense": Side.DEBIT,
    "liability": Side.CREDIT,
    "equity": Side.CREDIT,
    "revenue": Side.CREDIT,
}
_STATUSES = {status.value: status for status in AccountStatus}


def account_state(row: Sequence[Any]) -> AccountState:
    floor, ceiling = row[5], row[6]
    return AccountState(
        ledger_id=LedgerId(row[0]),
        id=AccountId(row[1]),
        currency=row[2],
        normal_side=_NORMAL_SIDES[row[3]],
        status=_STATUSES[row[4]],
        min_available=None if floor is None else Decimal(floor),
        max_available=None if ceiling is None else Decimal(ceiling),
        posted_debits=Decimal(row[7]),
        posted_credits=Decimal(row[8]),
        held=Decimal(row[9]),
        version=row[10],
        head=row[11],
        overdrawn=row[12],
        last_posted_at=row[13],
        row_version=row[14],
        velocity=() if row[15] is None else velocity_limits(row[15]),
        groups=group_names(row[16]),
    )
