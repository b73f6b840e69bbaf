"""Reviews: payments that a rule has held, until people approve or refuse them.

Revision: 0035.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

REVIEWS = """
create table reviews (
    ledger_id uuid not null,
    id uuid not null,
    type text not null,
    currency text not null,
    amount numeric not null,
    payer_id uuid not null,
    payee_id uuid not null,
    ordered jsonb not null,
    fingerprint bytea not null,
    idempotency_key text not null,
    actor text not null,
    created_at timestamptz not null,
    rule text not null,
    rules_version text not null,
    detail text not null,
    approvals_needed integer not null,
    status text not null,
    first_id uuid,
    first_by text,
    first_reason text,
    first_at timestamptz,
    last_id uuid,
    last_by text,
    last_reason text,
    last_at timestamptz,
    constraint reviews_pkey primary key (ledger_id, id),
    constraint reviews_status_known check (status in ('in_review', 'approved', 'refused')),
    constraint reviews_amount_positive check (amount > 0),
    constraint reviews_two_accounts check (payer_id <> payee_id),
    constraint reviews_approvals_needed_known check (approvals_needed in (1, 2)),
    constraint reviews_said_whole check (
        num_nulls(first_id, first_by, first_reason, first_at) in (0, 4)
        and num_nulls(last_id, last_by, last_reason, last_at) in (0, 4)
        and (status = 'in_review') = (last_id is null)
        and (first_id is null or approvals_needed = 2)
    ),
    constraint reviews_four_eyes check (
        coalesce(first_by <> actor, true)
        and (status <> 'approved' or (last_by <> actor and (first_id is not null) = (approvals_needed = 2)
             and coalesce(first_by <> last_by, true)))
    )
)
"""

INDEXES = (
    "create index reviews_by_status on reviews (ledger_id, status, id)",
    "create index reviews_by_rule on reviews (ledger_id, rule, id)",
    "create unique index reviews_by_first on reviews (ledger_id, first_id) where first_id is not null",
    "create unique index reviews_by_last on reviews (ledger_id, last_id) where last_id is not null",
    "create index answers_of_review on answers (ledger_id, resource_id) where resource_type = 'review'",
)


def upgrade() -> None:
    op.execute(REVIEWS)
    for statement in INDEXES:
        op.execute(statement)
    op.execute("alter table reviews enable row level security")
    op.execute("alter table reviews force row level security")
    op.execute(f"create policy reviews_by_ledger on reviews using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger reviews_decided_once before update on reviews for each row "
        "when (old.last_id is not null) execute function zerosum_refuse_change()"
    )
    op.execute(
        "create trigger reviews_money_unchanged before update of ledger_id, id, type, currency, amount, payer_id, "
        "payee_id, ordered, fingerprint, idempotency_key, actor, created_at, rule, rules_version, detail, "
        "approvals_needed on reviews "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute(
        "grant select, insert, update (status, first_id, first_by, first_reason, first_at, last_id, last_by, "
        "last_reason, last_at) on reviews to zerosum_app"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for table in ("journal_entries", "reviews"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop index answers_of_review")
    op.execute("drop table reviews")
