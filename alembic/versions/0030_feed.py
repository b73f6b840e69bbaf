"""Events are found by their ids: a coarse index by time, in which a page of the feed is looked for.

Revision: 0030.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "create index events_by_time on events using brin (created_at)"
        " with (pages_per_range = 16, autosummarize = true)"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop index events_by_time")
