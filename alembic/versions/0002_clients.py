"""Clients: what has to be remembered of their transactions, and which files were imported.

Revision: 0002.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = {
    "client_transactions": """
        ledger_id uuid not null,
        tx bigint not null,
        client integer not null,
        type text not null,
        status text not null,
        currency text not null,
        amount numeric not null,
        entry_id uuid not null,
        constraint client_transactions_pkey primary key (ledger_id, tx),
        constraint client_transactions_tx_in_range check (tx between 0 and 4294967295),
        constraint client_transactions_client_in_range check (client between 0 and 65535),
        constraint client_transactions_type_known check (type in ('deposit', 'withdrawal')),
        constraint client_transactions_status_known
            check (status in ('carried_out', 'disputed', 'resolved', 'charged_back')),
        constraint client_transactions_amount_positive check (amount > 0)
    """,
    "imports": """
        ledger_id uuid not null,
        name text not null,
        content_sha256 bytea not null,
        created_at timestamptz not null,
        constraint imports_pkey primary key (ledger_id, name)
    """,
}

GRANTS = {
    "client_transactions": "insert, update (status)",
    "imports": "insert",
}

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)


def upgrade() -> None:
    for name, columns in TABLES.items():
        op.execute(f"create table {name} ({columns})")
    op.execute("create unique index client_transactions_by_client on client_transactions (ledger_id, client, entry_id)")
    for name in TABLES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(f"grant select, {GRANTS[name]} on {name} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
