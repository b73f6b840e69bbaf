"""Whether an order like one that waits for a review waits already is told by whom they are between.

Revision: 0055.
"""

from alembic import op

revision = "0055"
down_revision = "0051"
branch_labels = None
depends_on = None

# A concurrent build waits for transactions that began before it and keeps nobody waiting meanwhile.
BUILD_LOCK_TIMEOUT = "30s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        # What an earlier try has left behind is invalid and used by nobody.
        op.execute("drop index concurrently if exists reviews_open_between")
        op.execute(
            "create index concurrently reviews_open_between on reviews (ledger_id, payer_id, payee_id, amount) "
            "where status = 'in_review'"
        )
        op.execute("set lock_timeout = '2s'")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop index reviews_open_between")
