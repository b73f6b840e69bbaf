"""Holds: money that is promised and not paid yet, with the steps of its life.

Revision: 0016.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BUILD_LOCK_TIMEOUT = "10min"
"""An index that is built beside payments waits for the transactions before it, and keeps nobody waiting."""

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

HOLDS = """
create table holds (
    ledger_id uuid not null,
    id uuid not null,
    status text not null,
    currency text not null,
    amount numeric not null,
    captured numeric not null,
    capture_max numeric,
    payer_id uuid not null,
    payee_id uuid not null,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    reference text,
    description text,
    metadata jsonb,
    entry_ids uuid[] not null,
    payment_ids uuid[] not null,
    changes integer not null,
    constraint holds_pkey primary key (ledger_id, id),
    constraint holds_status_known check (status in ('open', 'captured', 'voided', 'expired')),
    constraint holds_amount_positive check (amount > 0),
    constraint holds_captured_within check (captured between 0 and greatest(amount, capture_max)),
    constraint holds_two_accounts check (payer_id <> payee_id)
)
"""

HOLD_CHANGES = """
create table hold_changes (
    ledger_id uuid not null,
    id uuid not null,
    hold_id uuid not null,
    number integer not null,
    verb text not null,
    changed_at timestamptz not null,
    status text not null,
    currency text not null,
    amount numeric not null,
    captured numeric not null,
    capture_max numeric,
    expires_at timestamptz not null,
    entries integer not null,
    constraint hold_changes_pkey primary key (ledger_id, id),
    constraint hold_changes_counted_from_one check (number > 0 and entries > 0),
    constraint hold_changes_amount_positive check (amount > 0),
    constraint hold_changes_captured_within check (captured between 0 and greatest(amount, capture_max))
)
"""

INDEXES = (
    "create index holds_due on holds (expires_at, ledger_id, id) where status = 'open'",
    "create index holds_by_status on holds (ledger_id, status, id)",
    "create index holds_by_payer on holds (ledger_id, payer_id, id)",
    "create index holds_by_payee on holds (ledger_id, payee_id, id)",
    "create index holds_by_reference on holds (ledger_id, reference, id) where reference is not null",
    "create unique index hold_changes_of_hold on hold_changes (ledger_id, hold_id, number)",
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        # What an earlier try has left behind is invalid and used by nobody.
        op.execute("drop index concurrently if exists postings_of_hold")
        op.execute(
            "create index concurrently postings_of_hold on postings (ledger_id, hold_id) where hold_id is not null"
        )
        op.execute("set lock_timeout = '2s'")
    op.execute(HOLDS)
    op.execute(HOLD_CHANGES)
    for statement in INDEXES:
        op.execute(statement)
    for name, rule in (("holds", f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}"), ("hold_changes", LEDGER_IS_SET)):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
    op.execute(
        "create trigger holds_money_unchanged before update of ledger_id, id, currency, payer_id, payee_id, created_at "
        "on holds for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute(
        "create trigger hold_changes_unchanged before update or delete or truncate on hold_changes "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(
        "grant select, insert, "
        "update (status, amount, captured, capture_max, expires_at, entry_ids, payment_ids, changes) "
        "on holds to zerosum_app"
    )
    op.execute("grant select, insert on hold_changes to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table hold_changes")
    op.execute("drop table holds")
    op.execute("drop index postings_of_hold")
