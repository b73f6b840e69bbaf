"""What a page about an account tells besides its balance and its postings: how it stood day by day, and its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Standing:
    """What lay in an account at an instant of the world."""

    at: datetime
    posted: Decimal
    held: Decimal


# Each beside a checkpoint, so the length of the account's history makes no difference.
_STANDINGS = text("""
select wanted.at, totals.posted, totals.held
from unnest(cast(:instants as timestamptz[])) wanted (at)
cross join lateral zerosum_totals_at(:ledger_id, :account_id, wanted.at, null, false) totals
order by wanted.at
""")

_LINKS = text("""
select posting.account_id, posting.account_version, posting.hash
from unnest(cast(:ids as uuid[]), cast(:versions as bigint[])) wanted (account_id, version)
join postings posting on posting.ledger_id = :ledger_id and posting.account_id = wanted.account_id
    and posting.account_version = wanted.version
""")


async def standings(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, instants: Sequence[datetime]
) -> list[Standing]:
    given = {"ledger_id": ledger_id, "account_id": account_id, "instants": list(instants)}
    return [Standing(row.at, row.posted, row.held) for row in await connection.execute(_STANDINGS, given)]


async def links_of(
    connection: AsyncConnection, ledger_id: UUID, wanted: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], bytes]:
    """The hashes of postings, by account and version: of those that there are."""
    ids, versions = ([one[place] for one in wanted] for place in range(2))
    given = {"ledger_id": ledger_id, "ids": ids, "versions": versions}
    rows = await connection.execute(_LINKS, given)
    return {(row.account_id, row.account_version): row.hash for row in rows}
