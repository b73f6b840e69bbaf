"""Of which trace an entry and an event are a part: a fact beside them, which nothing decides by and no hash covers.

Revision: 0042.
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

TABLES = ("journal_entries", "events")


def upgrade() -> None:
    for name in TABLES:
        op.execute(f"alter table {name} add column traceparent text")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in TABLES:
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    for name in TABLES:
        op.execute(f"alter table {name} drop column traceparent")
