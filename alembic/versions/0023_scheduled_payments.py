"""Scheduled payments: what is to be paid later, and what came of each run.

Revision: 0023.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

SCHEDULED_PAYMENTS = """
create table scheduled_payments (
    ledger_id uuid not null,
    id uuid not null,
    type text not null,
    currency text not null,
    amount numeric not null,
    payer_id uuid not null,
    payee_id uuid not null,
    execute_at timestamptz not null,
    rule text,
    time_zone text,
    occurrences integer not null,
    on_refusal text not null,
    attempts_max integer not null,
    retry_seconds integer not null,
    actor text not null,
    fingerprint bytea not null,
    idempotency_key text not null,
    created_at timestamptz not null,
    reference text,
    description text,
    metadata jsonb,
    status text not null,
    occurrence integer not null,
    attempt integer not null,
    due_at timestamptz not null,
    attempt_at timestamptz not null,
    runs integer not null,
    payments integer not null,
    ended_at timestamptz,
    cancellation_id uuid,
    constraint scheduled_payments_pkey primary key (ledger_id, id),
    constraint scheduled_payments_status_known check (status in ('scheduled', 'completed', 'failed', 'cancelled')),
    constraint scheduled_payments_amount_positive check (amount > 0),
    constraint scheduled_payments_two_accounts check (payer_id <> payee_id),
    constraint scheduled_payments_counted check (
        occurrence between 1 and occurrences and attempt between 1 and attempts_max and payments <= runs
    )
)
"""

SCHEDULED_RUNS = """
create table scheduled_runs (
    ledger_id uuid not null,
    id uuid not null,
    scheduled_payment_id uuid not null,
    number integer not null,
    occurrence integer not null,
    attempt integer not null,
    due_at timestamptz not null,
    ran_at timestamptz not null,
    outcome text not null,
    payment_id uuid,
    refusal jsonb,
    retry_at timestamptz,
    completes boolean not null,
    constraint scheduled_runs_pkey primary key (ledger_id, id),
    constraint scheduled_runs_outcome_told check (
        outcome in ('executed', 'failed', 'skipped') and (outcome = 'executed') = (payment_id is not null)
        and (outcome = 'executed') = (refusal is null)
    )
)
"""

INDEXES = (
    "create index scheduled_payments_due on scheduled_payments (attempt_at, ledger_id, id) where status = 'scheduled'",
    "create index scheduled_payments_by_status on scheduled_payments (ledger_id, status, id)",
    "create index scheduled_payments_by_payer on scheduled_payments (ledger_id, payer_id, id)",
    "create index scheduled_payments_by_payee on scheduled_payments (ledger_id, payee_id, id)",
    "create unique index scheduled_runs_in_order on scheduled_runs (ledger_id, scheduled_payment_id, number)",
    "create unique index scheduled_runs_paid_once on scheduled_runs (ledger_id, scheduled_payment_id, occurrence) "
    "where outcome = 'executed'",
)


def upgrade() -> None:
    op.execute(SCHEDULED_PAYMENTS)
    op.execute(SCHEDULED_RUNS)
    for statement in INDEXES:
        op.execute(statement)
    rules = (("scheduled_payments", f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}"), ("scheduled_runs", LEDGER_IS_SET))
    for name, rule in rules:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
    op.execute(
        "create trigger scheduled_payments_money_unchanged before update of ledger_id, id, type, currency, amount, "
        "payer_id, payee_id, execute_at, rule, time_zone, occurrences, on_refusal, attempts_max, retry_seconds, actor, "
        "fingerprint, idempotency_key, created_at on scheduled_payments "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute(
        "create trigger scheduled_runs_unchanged before update or delete or truncate on scheduled_runs "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(
        "grant select, insert, "
        "update (status, occurrence, attempt, due_at, attempt_at, runs, payments, ended_at, cancellation_id) "
        "on scheduled_payments to zerosum_app"
    )
    op.execute("grant select, insert on scheduled_runs to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "scheduled_payments"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table scheduled_runs")
    op.execute("drop table scheduled_payments")
