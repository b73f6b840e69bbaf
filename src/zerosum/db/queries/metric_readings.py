"""What metrics tell of the database: counts over indexes, and what PostgreSQL says of itself. Read slowly, by one.

Each row is a metric's name, the values of its labels, and a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.processor_health import healths
from zerosum.db.queries.signed_checkpoints import first_unsealed
from zerosum.db.schema.tables import metadata
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.moments import render_time
from zerosum.domain.webhooks import FAILING_LONG

Rows = list[tuple[str, tuple[str, ...], float]]

STATEMENT_SECONDS_MAX = 2
WHOLE_TABLE_SECONDS_MAX = 15

_LEDGERS = text("select set_config('zerosum.ledgers', :ledgers, true)")
_TIMEOUT = text("select set_config('statement_timeout', :seconds || 's', true)")

_WAITING = text("""
select 'holds_open', '{}'::text[], count(*)::float8 from holds where status = 'open' and ledger_id = any(:ledgers)
union all
select 'holds_expiring', '{}', count(*) from holds
where status = 'open' and ledger_id = any(:ledgers) and expires_at > :now and expires_at <= :soon
union all
select 'holds_overdue', '{}', count(*) from holds
where status = 'open' and ledger_id = any(:ledgers) and expires_at < :late
union all
select 'scheduled_payments', '{}', count(*) from scheduled_payments
where status = 'scheduled' and ledger_id = any(:ledgers)
union all
select 'scheduled_payments_overdue', '{}', count(*) from scheduled_payments
where status = 'scheduled' and ledger_id = any(:ledgers) and attempt_at < :late
union all
select 'reviews_waiting', '{}', count(*) from reviews where status = 'in_review' and ledger_id = any(:ledgers)
union all
select 'disputes_undecided', array[case when respond_by is null then 'none' when respond_by < :now_text then 'overdue'
    when respond_by < :day_text then 'day' when respond_by < :week_text then 'week' else 'later' end], count(*)
from disputes where status in ('open', 'under_review') and ledger_id = any(:ledgers) group by 2
union all
select 'reconciliation_breaks', array[case when age <= 1 then '1d' when age <= 7 then '7d' when age <= 30 then '30d'
    else 'older' end], count(*)
from (select cast(:now as timestamptz)::date - day as age from reconciliation_breaks
      where state = 'open' and ledger_id = any(:ledgers)) breaks group by 2
union all
select 'webhook_undelivered', array[status], count(*) from webhook_deliveries
where status in ('failed', 'parked') and ledger_id = any(:ledgers) group by 2
union all
select 'webhook_undelivered', '{pending}', count(*) from webhook_deliveries
where status = 'pending' and ledger_id = any(:ledgers)
union all
select 'webhook_endpoints', array[case when status = 'enabled' and failing_since <= :failing_before then 'failing'
    when status = 'disabled' and disabled_reason is distinct from 'by_request' then 'given_up' else status end],
    count(*)
from webhook_endpoints
where status in ('enabled', 'disabled') and ledger_id = any(:ledgers) group by 2
union all
select 'publications', array[case when obstacle is null then 'moving' else 'obstructed' end], count(*)
from publications where ledger_id = any(:ledgers) group by 2
union all
select 'dead_letters', array[status], count(*) from dead_letters
where status in ('dead', 'retrying', 'waiting') and ledger_id = any(:ledgers) group by 2
union all
select 'processor_open_calls', array[processor, state], count(*) from processor_calls
where state in ('proposed', 'sent', 'unknown', 'parked') and ledger_id = any(:ledgers) group by 2
""")
"""Numbers that are added up over ledgers."""

_OLDEST = text(f"""
select 'scheduled_payments_lag_seconds', '{{}}'::text[], min(attempt_at) from scheduled_payments
where status = 'scheduled' and attempt_at < :now and ledger_id = any(:ledgers)
union all
select 'reviews_oldest_seconds', '{{}}', min(created_at) from reviews
where status = 'in_review' and ledger_id = any(:ledgers)
union all
select 'processor_oldest_call_seconds', array[processor], min(created_at) from processor_calls
where state in ('proposed', 'sent', 'unknown', 'parked') and ledger_id = any(:ledgers) group by 2
union all
select 'proof_log_lag_seconds', '{{}}', min(unsealed.created_at) from unnest(cast(:ledgers as uuid[])) every (ledger_id)
cross join lateral ({first_unsealed("every.ledger_id")}) unsealed
""")  # noqa: S608 - made of constants only

_TRIAL_BALANCE = text("""
select 'trial_balance_difference', array[currency], sum(abs(difference))::float8
from (select currency, sum(posted_debits - posted_credits) as difference from accounts
      where ledger_id = any(:ledgers) group by ledger_id, currency) differences
group by 2
""")

_SERVER = text("""
select 'postgres_connections', array[case when state in ('active', 'idle') then state
    when state like 'idle in transaction%' then 'idle_in_transaction' else 'other' end], count(*)::float8
from pg_stat_activity
where datname = current_database() and coalesce(backend_type, 'client backend') = 'client backend' group by 2
union all
select 'postgres_connections_max', '{}', current_setting('max_connections')::float8
union all
select 'postgres_oldest_transaction_seconds', '{}',
    coalesce(greatest(0, max(extract(epoch from clock_timestamp() - xact_start))), 0)::float8
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
union all
select 'postgres_replication_lag_seconds', array[application_name],
    max(coalesce(extract(epoch from replay_lag), 0))::float8
from pg_stat_replication where replay_lsn is not null group by 2
union all
select 'postgres_replication_lag_bytes', array[application_name],
    max(greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)))::float8
from pg_stat_replication where replay_lsn is not null group by 2
""")

_SIZES = text("""
with found as (
    select relname::text, pg_table_size(relid) as own, pg_indexes_size(relid) as indexes, n_live_tup, n_dead_tup
    from pg_stat_user_tables where schemaname = 'public' and relname = any(:tables)
)
select 'postgres_database_size_bytes', '{}'::text[], pg_database_size(current_database())::float8
union all select 'postgres_table_size_bytes', array[relname], own from found
union all select 'postgres_index_size_bytes', array[relname], indexes from found
union all select 'postgres_live_tuples', array[relname], n_live_tup from found
union all select 'postgres_dead_tuples', array[relname], n_dead_tup from found
""")

_HORIZON = text("""
select pg_snapshot_xmin(now)::text as oldest, pg_snapshot_xmax(now)::text as next
from (select pg_current_snapshot() as now) state
""")


async def look_at(connection: AsyncConnection, ledger_ids: Sequence[UUID], seconds_max: int) -> None:
    """These from now on, for the rest of the transaction; and no statement takes longer."""
    await connection.execute(_LEDGERS, {"ledgers": "{" + ",".join(map(str, ledger_ids)) + "}"})
    await connection.execute(_TIMEOUT, {"seconds": str(seconds_max)})


async def waiting(connection: AsyncConnection, ledger_ids: Sequence[UUID], now: datetime) -> Rows:
    """What waits in these ledgers. Numbers of several calls are to be added up, but of ages the greatest counts."""
    times = {
        "now": now,
        "soon": now + timedelta(hours=1),
        "late": now - timedelta(minutes=1),
        "failing_before": now - FAILING_LONG,
        "now_text": render_time(now),
        "day_text": render_time(now + timedelta(days=1)),
        "week_text": render_time(now + timedelta(days=7)),
    }
    return await _rows(connection, _WAITING, {"ledgers": list(ledger_ids), **times})


async def oldest(connection: AsyncConnection, ledger_ids: Sequence[UUID], now: datetime) -> Rows:
    """Ages in seconds, 0 where nothing waits; of several calls the greatest counts."""
    found = await connection.execute(_OLDEST, {"ledgers": list(ledger_ids), "now": now})
    return [
        (name, tuple(labels), 0.0 if since is None else max(0.0, (now - since).total_seconds()))
        for name, labels, since in found
    ]


async def trial_balance(connection: AsyncConnection, ledger_ids: Sequence[UUID]) -> Rows:
    return await _rows(connection, _TRIAL_BALANCE, {"ledgers": list(ledger_ids)})


async def server(connection: AsyncConnection) -> Rows:
    return await _rows(connection, _SERVER, {})


async def sizes(connection: AsyncConnection) -> Rows:
    return await _rows(connection, _SIZES, {"tables": list(metadata.tables)})


async def horizon(connection: AsyncConnection) -> tuple[int, int]:
    """The oldest transaction that may still write, and the first that has not begun."""
    row = (await connection.execute(_HORIZON)).one()
    return int(row.oldest), int(row.next)


async def processors(connection: AsyncConnection, now: datetime) -> Rows:
    """Where the service's own ledger is looked at."""
    rows: Rows = []
    for name, health in (await healths(connection)).items():
        is_paused = health.paused_until is not None and health.paused_until > now
        rows.append(("processor_breaker_open", (name,), float(is_paused)))
        if health.success_percent is not None:
            rows.append(("processor_success_ratio", (name,), health.success_percent / 100))
    return rows


SERVICE_LEDGERS = (SERVICE_LEDGER,)


async def _rows(connection: AsyncConnection, statement: TextClause, values: Mapping[str, Any]) -> Rows:
    return [
        (name, tuple(labels), float(number)) for name, labels, number in await connection.execute(statement, values)
    ]
