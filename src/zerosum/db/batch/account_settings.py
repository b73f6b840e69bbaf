"""What changes of accounts besides what follows from postings: their settings, and what is said about them.

The database makes a revision of an account's history of every update (`guards.py`). So what one batch changes of an
account is one update, and nobody reads of a state that never was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.db.batch.account_records import metadata_text
from zerosum.db.batch.loading import Fetch
from zerosum.db.batch.velocity import velocity_text
from zerosum.domain.ledger.account import Account, AccountState, render_limit
from zerosum.domain.ledger.account_commands import ACCOUNT
from zerosum.domain.ledger.records import RecordKey


@dataclass(slots=True)
class AccountChanges:
    """What changes of accounts besides what follows from postings."""

    settings: list[AccountState]
    """Whose status or limits have changed."""
    overdrawn: list[AccountState]
    """Which fall below their floor by right."""

    @classmethod
    def between(cls, before: Mapping[UUID, AccountState], after: Iterable[AccountState]) -> AccountChanges:
        changes = cls([], [])
        for account in after:
            old = before.get(account.id)
            if old is None:
                continue  # opened by this batch, and written as it was opened
            if (account.status, account.min_available, account.max_available, account.velocity) != (
                old.status,
                old.min_available,
                old.max_available,
                old.velocity,
            ):
                changes.settings.append(account)
            if account.overdrawn and not old.overdrawn:
                changes.overdrawn.append(account)
        return changes


# Before the postings: they may take an account below its floor by right only when its row says so already. Whether it
# is so afterwards the guard settles.
LET_OVERDRAW = """
update accounts account set overdrawn = true
from unnest($1::uuid[], $2::uuid[]) as taken(ledger_id, id)
where account.ledger_id = taken.ledger_id and account.id = taken.id
"""

SET_ACCOUNTS = """
update accounts account
set status = changed.status,
    overdrawn = changed.overdrawn or (account.overdrawn and account.version <> changed.version),
    min_available = changed.min_available::numeric, max_available = changed.max_available::numeric,
    velocity_limits = changed.velocity_limits::jsonb,
    name = case when is_described then changed.name else account.name end,
    metadata = case when is_described then changed.metadata::jsonb else account.metadata end
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::text[],
            $9::bool[], $10::text[], $11::text[])
    as changed(ledger_id, id, version, status, overdrawn, min_available, max_available, velocity_limits, is_described,
               name, metadata)
where account.ledger_id = changed.ledger_id and account.id = changed.id
"""


async def set_accounts(fetch: Fetch, changes: AccountChanges, described: MutableMapping[RecordKey, Account]) -> None:
    """Before the postings, which are judged by it.

    `described` are accounts about which something else is said than before. It is left with those that have no other
    settings: they are updated like any record.
    """
    if changes.overdrawn:
        ids = [account.ledger_id for account in changes.overdrawn], [account.id for account in changes.overdrawn]
        await fetch(LET_OVERDRAW, *ids)
    if changes.settings:
        said = [described.pop(RecordKey(one.ledger_id, ACCOUNT, one.id), None) for one in changes.settings]
        await fetch(SET_ACCOUNTS, *_settings(changes.settings), *_said(said))


def _settings(accounts: Sequence[AccountState]) -> list[list[Any]]:
    return [
        [account.ledger_id for account in accounts],
        [account.id for account in accounts],
        [account.version for account in accounts],
        [account.status.value for account in accounts],
        [account.overdrawn for account in accounts],
        [render_limit(account.min_available) for account in accounts],
        [render_limit(account.max_available) for account in accounts],
        [velocity_text(account) for account in accounts],
    ]


def _said(accounts: Sequence[Account | None]) -> list[list[Any]]:
    return [
        [account is not None for account in accounts],
        [None if account is None else account.name for account in accounts],
        [None if account is None else metadata_text(account) for account in accounts],
    ]
