"""Lists: an index for each way in which people narrow a list, so that none of them reads a whole ledger.

Revision: 0007.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXES = {
    "accounts_by_code_prefix": "accounts (ledger_id, code text_pattern_ops)",
    "accounts_by_type": "accounts (ledger_id, type, id)",
    "accounts_by_currency": "accounts (ledger_id, currency, id)",
    "accounts_not_open": "accounts (ledger_id, status, id) where status <> 'open'",
    "journal_entries_dated": "journal_entries (ledger_id, effective_at, id) where effective_at <> posted_at",
    "postings_by_time": "postings (ledger_id, account_id, effective_at, account_version)",
    "payments_by_type": "payments (ledger_id, type, id)",
    "payments_by_currency": "payments (ledger_id, currency, id)",
    "payments_by_reference": "payments (ledger_id, reference, id) where reference is not null",
    "payments_not_succeeded": "payments (ledger_id, status, id) where status <> 'succeeded'",
}

# A concurrent build waits for transactions that began before it and keeps nobody waiting meanwhile, so it may wait for
# longer than other migrations: no transaction of the service lasts that long.
BUILD_LOCK_TIMEOUT = "30s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        for name, columns in INDEXES.items():
            # What an earlier try has left behind is invalid and used by nobody.
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {columns}")
        op.execute("set lock_timeout = '2s'")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    for name in reversed(INDEXES):
        op.execute(f"drop index {name}")
