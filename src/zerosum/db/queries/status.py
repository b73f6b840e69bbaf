"""What waits in ledgers and how PostgreSQL is: looked up by indexes, counted up to a bound, however long the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.archiving import SLOT
from zerosum.domain.webhooks import FAILING_LONG

COUNTED_MAX = 1_000
"""Of each kind and ledger. That many means: so many or more."""

ACCOUNTS_MAX = 50_000
"""Of all ledgers that are asked for: with more the trial balance is left to the self-audit."""

FAILING_ENDPOINT = """
    (status = 'enabled' and failing_since <= :failing_before
     or status = 'disabled' and disabled_reason is distinct from 'by_request')
"""
"""Nothing but failures for long, or switched off for them. What somebody has switched off himself is none."""

_OF = "ledger_id = wanted.ledger_id"
_SOURCES = {
    "dead_letters": f"dead_letters where {_OF} and status = 'dead'",
    "messages_waiting": f"dead_letters where {_OF} and status = any('{{retrying,waiting}}')",
    "reviews_waiting": f"reviews where {_OF} and status = 'in_review'",
    "parked_calls": f"processor_calls where {_OF} and state = 'parked'",
    "breaks_open": f"reconciliation_breaks where {_OF} and state = 'open'",
    "webhooks_due": f"webhook_deliveries where {_OF} and status = 'pending' and next_at <= :now",
    "webhooks_not_sent": f"webhook_deliveries where {_OF} and status in ('failed', 'parked')",
    "endpoints_failing": f"webhook_endpoints where {_OF} and {FAILING_ENDPOINT}",
}
WAITING = tuple(_SOURCES)

_EACH = ", ".join(
    f"(select count(*) from (select from {source} limit {COUNTED_MAX}) counted) as {name}"  # noqa: S608 - constants
    for name, source in _SOURCES.items()
)
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in _SOURCES)
_COUNTS = text(f"""
select {_SUMS}, min(message_since) as message_since, min(event_since) as event_since,
       min(failing_since) as failing_since
from (
    select {_EACH},
           (select min(first_at) from (
               select first_at from {_SOURCES["messages_waiting"]} limit {COUNTED_MAX}
           ) tried) as message_since,
           (select created_at from events event where event.ledger_id = wanted.ledger_id
            and event.xid >= zerosum_feed_horizon() order by event.xid, event.id limit 1) as event_since,
           (select min(failing_since) from (
               select failing_since from {_SOURCES["endpoints_failing"]} limit {COUNTED_MAX}
           ) failing) as failing_since
    from unnest(cast(:ledgers as uuid[])) wanted (ledger_id)
) each
""")  # noqa: S608 - made of constants only

_TOTALS = text("""
with looked_at as (
    select currency, posted_debits - posted_credits as difference from accounts
    where ledger_id = any(cast(:ledgers as uuid[])) limit :limit
)
select currency, sum(difference) as difference, count(*) as accounts from looked_at group by currency order by currency
""")

_SERVER = text("""
select current_setting('server_version') as version, pg_is_in_recovery() as is_standby,
       current_setting('max_connections')::integer as connections_max,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()) as oldest_transaction_seconds,
       pg_has_role('pg_read_all_stats', 'USAGE') as sees_all,
       (select case when wal_status = 'lost' then 'lost' when active then 'followed' else 'left' end
        from pg_replication_slots where slot_name = :slot) as log_archive
""")


class Totals(NamedTuple):
    """By currency, what debits are above credits; and of how many accounts. More than ACCOUNTS_MAX: not of all."""

    differences: Mapping[str, Decimal]
    accounts: int


class Waiting(NamedTuple):
    """By the names of WAITING; since when the oldest message waits, the oldest event that cannot be read yet, and the
    webhook endpoint that has failed for longest has failed."""

    counts: Mapping[str, int]
    message_since: datetime | None
    event_since: datetime | None
    failing_since: datetime | None = None


class Server(NamedTuple):
    version: str
    is_standby: bool
    connections: int
    connections_max: int
    oldest_transaction_seconds: float
    sees_all: bool = True
    """Whether our role may see what other roles' sessions do."""
    log_archive: str | None = None
    """Of the slot for backups, if there is one: followed, left (nobody fetches) or lost (it is gone unfetched)."""


async def count_waiting(connection: AsyncConnection, ledger_ids: Sequence[UUID], now: datetime) -> Waiting:
    await look_up_by_key(connection)
    given: dict[str, Any] = {"ledgers": list(ledger_ids), "now": now, "failing_before": now - FAILING_LONG}
    row = (await connection.execute(_COUNTS, given)).one()
    return Waiting(
        {name: getattr(row, name) for name in WAITING}, row.message_since, row.event_since, row.failing_since
    )


async def total_accounts(connection: AsyncConnection, ledger_ids: Sequence[UUID]) -> Totals:
    given = {"ledgers": list(ledger_ids), "limit": ACCOUNTS_MAX + 1}
    rows = (await connection.execute(_TOTALS, given)).all()
    return Totals({row.currency: row.difference for row in rows}, sum(row.accounts for row in rows))


async def look_at_server(connection: AsyncConnection) -> Server:
    row = (await connection.execute(_SERVER, {"slot": SLOT})).one()
    return Server(
        row.version,
        row.is_standby,
        row.connections,
        row.connections_max,
        row.oldest_transaction_seconds,
        row.sees_all,
        row.log_archive,
    )
