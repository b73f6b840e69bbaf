"""Looking for contradictions in a whole ledger with a fixed number of statements: PostgreSQL adds up, nothing is sent.

The hash chains are walked by `services/proofs/whole_ledger.py`, which takes as long as there are postings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Sums of all postings beside what the account's row says. A posting of no account, or an account of no posting, stays
# in the join with nothing on its other side.
_CONTRADICTIONS = text("""
with lines as (
    select account_id, count(*) as count, max(account_version) as version,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits,
           coalesce(sum(case when releases then -amount else amount end) filter (where layer = 'h' and side = 'd'), 0)
               as pending_debits,
           coalesce(sum(case when releases then -amount else amount end) filter (where layer = 'h' and side = 'c'), 0)
               as pending_credits
    from postings where ledger_id = :ledger_id group by account_id
), ledger_accounts as (
    select * from accounts where ledger_id = :ledger_id
), compared as (
    select coalesce(account.id, lines.account_id) as account_id, coalesce(lines.version, 0) as account_version,
           account.id is null as is_orphaned,
           account.version <> coalesce(lines.version, 0) or coalesce(lines.count, 0) <> coalesce(lines.version, 0)
               as is_gapped,
           account.posted_debits <> coalesce(lines.debits, 0) or account.posted_credits <> coalesce(lines.credits, 0)
               or account.held <> coalesce(
                   case when account.type in ('asset', 'expense') then lines.pending_credits
                        else lines.pending_debits end, 0)
               as is_missummed,
           account.version > 0 and not exists (
               select from postings last where last.ledger_id = :ledger_id and last.account_id = account.id
               and last.account_version = account.version and last.hash = account.head) as is_unchained
    from ledger_accounts account full join lines on lines.account_id = account.id
)
select * from compared where is_orphaned or is_gapped or is_missummed or is_unchained
order by account_id limit :limit
""")

_COUNT_ACCOUNTS = text("select count(*) from accounts where ledger_id = :ledger_id")


async def contradictions(connection: AsyncConnection, ledger_id: UUID, limit: int) -> Sequence[Row[Any]]:
    """The accounts whose row and postings do not agree, and in what."""
    return (await connection.execute(_CONTRADICTIONS, {"ledger_id": ledger_id, "limit": limit})).all()


async def count_accounts(connection: AsyncConnection, ledger_id: UUID) -> int:
    counted: int = (await connection.execute(_COUNT_ACCOUNTS, {"ledger_id": ledger_id})).scalar_one()
    return counted
