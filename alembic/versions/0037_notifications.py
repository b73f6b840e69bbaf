"""Notifications for people, and the mails that were made of events for them.

Revision: 0037.
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

NOTIFICATIONS = """
create table notifications (
    ledger_id uuid not null,
    id uuid not null,
    name text not null,
    event_types text[] not null,
    account_id uuid,
    recipients text[] not null,
    subject text not null,
    body text not null,
    mails_per_hour smallint not null,
    status text not null,
    created_at timestamptz not null,
    created_by text not null,
    feed_xid xid8 not null,
    feed_id uuid not null,
    held_types jsonb,
    held_since timestamptz,
    constraint notifications_pkey primary key (ledger_id, id),
    constraint notifications_status_known check (status in ('enabled', 'disabled', 'deleted')),
    constraint notifications_held_together check ((held_types is null) = (held_since is null))
)
"""

MAILS = """
create table notification_mails (
    ledger_id uuid not null,
    id uuid not null,
    notification_id uuid not null,
    event_id uuid not null,
    recipient text not null,
    kind text not null,
    event_xid xid8 not null default '0',
    type text,
    digest jsonb,
    created_at timestamptz not null,
    status text not null,
    attempts smallint not null default 0,
    next_at timestamptz,
    claimed_until timestamptz,
    attempted_at timestamptz,
    answer_code smallint,
    answer text,
    constraint notification_mails_pkey primary key (ledger_id, id),
    constraint notification_mails_kind_known check (kind in ('event', 'digest', 'test')),
    constraint notification_mails_status_known check (status in ('pending', 'sent', 'failed')),
    constraint notification_mails_attempts_not_negative check (attempts >= 0)
)
"""


def upgrade() -> None:
    op.execute(NOTIFICATIONS)
    op.execute(MAILS)
    op.execute(
        "create unique index notification_mails_once on notification_mails"
        " (ledger_id, notification_id, event_id, recipient)"
    )
    op.execute("create index notification_mails_listed on notification_mails (ledger_id, notification_id, id)")
    op.execute("create index notification_mails_by_time on notification_mails (ledger_id, created_at)")
    op.execute(
        "create index notification_mails_due on notification_mails (ledger_id, next_at) where status = 'pending'"
    )
    for name in ("notifications", "notification_mails"):
        # The worker looks for ledgers that have notifications.
        rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}" if name == "notifications" else LEDGER_IS_SET
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
    op.execute(
        "grant select, insert, update (name, event_types, account_id, recipients, subject, body, mails_per_hour, "
        "status, feed_xid, feed_id, held_types, held_since), delete on notifications to zerosum_app"
    )
    op.execute(
        "grant select, insert, update (status, attempts, next_at, claimed_until, attempted_at, answer_code, answer), "
        "delete on notification_mails to zerosum_app"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "notifications"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table notification_mails")
    op.execute("drop table notifications")
