"""What waits for a review is found by whom it is between, and by how long it waits.

Revision: 0055.
"""

from alembic import op

revision = "0055"
down_revision = "0053"
branch_labels = None
depends_on = None

# A concurrent build waits for transactions that began before it and keeps nobody waiting meanwhile.
BUILD_LOCK_TIMEOUT = "30s"
LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

INDEXES = {
    "reviews_open_between": "ledger_id, payer_id, payee_id, amount",
    "reviews_due": "created_at, ledger_id, id",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        for name, columns in INDEXES.items():
            # What an earlier try has left behind is invalid and used by nobody.
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on reviews ({columns}) where status = 'in_review'")
        op.execute("set lock_timeout = '2s'")
    _let_see(f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    _let_see(LEDGER_IS_SET)
    for name in INDEXES:
        op.execute(f"drop index {name}")


def _let_see(rule: str) -> None:
    op.execute(f"alter policy reviews_by_ledger on reviews using ({rule}) with check ({rule})")
