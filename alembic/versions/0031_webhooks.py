"""Webhook endpoints, and what was delivered to them.

Revision: 0031.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

ENDPOINTS = """
create table webhook_endpoints (
    ledger_id uuid not null,
    id uuid not null,
    url text not null,
    description text,
    event_types text[],
    header_names text[] not null,
    sealed_headers text,
    sealed_secret text,
    sealed_previous_secret text,
    previous_secret_until timestamptz,
    status text not null,
    disabled_reason text,
    disabled_at timestamptz,
    created_at timestamptz not null,
    created_by text not null,
    feed_xid xid8 not null,
    feed_id uuid not null,
    parked_xid xid8 not null default '0',
    consecutive_failures integer not null default 0,
    paused_until timestamptz,
    failing_since timestamptz,
    failing_told boolean not null default false,
    constraint webhook_endpoints_pkey primary key (ledger_id, id),
    constraint webhook_endpoints_status_known check (status in ('enabled', 'disabled', 'deleted')),
    constraint webhook_endpoints_failures_not_negative check (consecutive_failures >= 0)
)
"""

DELIVERIES = """
create table webhook_deliveries (
    ledger_id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    event_xid xid8 not null,
    type text not null,
    resource_type text not null,
    resource_id uuid not null,
    status text not null,
    attempts smallint not null default 0,
    next_at timestamptz,
    claimed_until timestamptz,
    attempted_at timestamptz,
    status_code smallint,
    error text,
    constraint webhook_deliveries_pkey primary key (ledger_id, endpoint_id, event_id),
    constraint webhook_deliveries_status_known check (status in ('pending', 'delivered', 'failed', 'parked')),
    constraint webhook_deliveries_attempts_not_negative check (attempts >= 0)
)
"""


def upgrade() -> None:
    op.execute(ENDPOINTS)
    op.execute(DELIVERIES)
    op.execute(
        "create index webhook_deliveries_due on webhook_deliveries (ledger_id, endpoint_id, next_at)"
        " where status = 'pending' and next_at is not null"
    )
    op.execute(
        "create index webhook_deliveries_in_order on webhook_deliveries"
        " (ledger_id, endpoint_id, resource_id, event_xid, event_id) where status = 'pending'"
    )
    op.execute(
        "create index webhook_deliveries_not_sent on webhook_deliveries (ledger_id, endpoint_id, event_id)"
        " where status in ('failed', 'parked')"
    )
    for name in ("webhook_endpoints", "webhook_deliveries"):
        # The worker looks for ledgers that have endpoints.
        rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}" if name == "webhook_endpoints" else LEDGER_IS_SET
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
    op.execute(
        "grant select, insert, update (url, description, event_types, header_names, sealed_headers, sealed_secret, "
        "sealed_previous_secret, previous_secret_until, status, disabled_reason, disabled_at, feed_xid, feed_id, "
        "parked_xid, consecutive_failures, paused_until, failing_since, failing_told) on webhook_endpoints "
        "to zerosum_app"
    )
    op.execute(
        "grant select, insert, update (status, attempts, next_at, claimed_until, attempted_at, status_code, error), "
        "delete on webhook_deliveries to zerosum_app"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "webhook_endpoints"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table webhook_deliveries")
    op.execute("drop table webhook_endpoints")
