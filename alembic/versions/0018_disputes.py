"""Disputes of payments: what of a payment is questioned, and what was taken back.

Revision: 0018.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

DISPUTES = """
create table disputes (
    ledger_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    status text not null,
    currency text not null,
    amount numeric not null,
    payer_id uuid not null,
    payee_id uuid not null,
    reason text not null,
    network_reason_code text,
    provider_case_id text,
    respond_by text,
    note text,
    evidence jsonb not null,
    entry_ids uuid[] not null,
    created_at timestamptz not null,
    last_change_id uuid not null,
    changes integer not null,
    constraint disputes_pkey primary key (ledger_id, id),
    constraint disputes_status_known check (status in ('open', 'under_review', 'won', 'lost')),
    constraint disputes_amount_positive check (amount > 0)
)
"""

DISPUTE_CHANGES = """
create table dispute_changes (
    ledger_id uuid not null,
    id uuid not null,
    dispute_id uuid not null,
    number integer not null,
    verb text not null,
    changed_at timestamptz not null,
    status text not null,
    note text,
    evidence jsonb not null,
    entries integer not null,
    constraint dispute_changes_pkey primary key (ledger_id, id),
    constraint dispute_changes_counted_from_one check (number > 0 and entries > 0)
)
"""

INDEXES = (
    "create index disputes_of_payment on disputes (ledger_id, payment_id, id)",
    "create index disputes_by_status on disputes (ledger_id, status, id)",
    "create unique index disputes_case_unique on disputes (ledger_id, provider_case_id) "
    "where provider_case_id is not null",
    "create unique index dispute_changes_of_dispute on dispute_changes (ledger_id, dispute_id, number)",
)

CHECKS = {
    "payments_disputed_positive": "coalesce(disputed > 0, true) and coalesce(charged_back > 0, true)",
    "payments_gone_within": "coalesce(refunded, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0) <= amount",
}


def upgrade() -> None:
    op.execute("alter table payments add column disputed numeric, add column charged_back numeric")
    for name, check in CHECKS.items():
        op.execute(f"alter table payments add constraint {name} check ({check}) not valid")
        op.execute(f"alter table payments validate constraint {name}")
    op.execute("grant update (disputed, charged_back) on payments to zerosum_app")
    op.execute(DISPUTES)
    op.execute(DISPUTE_CHANGES)
    for statement in INDEXES:
        op.execute(statement)
    for name in ("disputes", "dispute_changes"):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger disputes_money_unchanged before update of ledger_id, id, payment_id, currency, amount, "
        "payer_id, payee_id, created_at on disputes "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute(
        "create trigger dispute_changes_unchanged before update or delete or truncate on dispute_changes "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(
        "grant select, insert, update (status, note, evidence, entry_ids, last_change_id, changes) "
        "on disputes to zerosum_app"
    )
    op.execute("grant select, insert on dispute_changes to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table dispute_changes")
    op.execute("drop table disputes")
    op.execute("revoke update (disputed, charged_back) on payments from zerosum_app")
    op.execute("alter table payments drop column charged_back, drop column disputed")
