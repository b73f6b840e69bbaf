"""Statements that are issued: numbered, chained, never changed.

Revision: 0020.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

STATEMENTS = """
create table statements (
    ledger_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    number bigint not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    currency text not null,
    opening numeric not null,
    closing numeric not null,
    lines integer not null,
    account_version bigint not null,
    head bytea not null,
    issued_at timestamptz not null,
    hash bytea not null,
    constraint statements_pkey primary key (ledger_id, id),
    constraint statements_counted_from_one check (number > 0 and lines >= 0 and account_version >= 0),
    constraint statements_span_ordered check (from_at <= to_at),
    constraint statements_balances_add_up check (lines > 0 or opening = closing)
)
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
    op.execute("create unique index statements_of_account on statements (ledger_id, account_id, number)")
    op.execute("alter table statements enable row level security")
    op.execute("alter table statements force row level security")
    op.execute(f"create policy statements_by_ledger on statements using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger statements_unchanged before update or delete or truncate on statements "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on statements to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    for table in ("journal_entries", "statements"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop table statements")
