"""What a processor calls a payment, and the reference of a scheduled payment, are found by an index.

Revision: 0068.
"""

from alembic import op

revision = "0068"
down_revision = "0065"
branch_labels = None
depends_on = None

# A concurrent build waits for transactions that began before it and keeps nobody waiting meanwhile.
BUILD_LOCK_TIMEOUT = "30s"
INDEXES = {
    "processor_calls_by_outside_id": "processor_calls (ledger_id, processor_payment_id, id) "
    "where processor_payment_id is not null",
    "scheduled_payments_by_reference": "scheduled_payments (ledger_id, reference, id) where reference is not null",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        for name, on in INDEXES.items():
            # What an earlier try has left behind is invalid and used by nobody.
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {on}")
        op.execute("set lock_timeout = '2s'")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    for name in INDEXES:
        op.execute(f"drop index {name}")
