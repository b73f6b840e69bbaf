"""Events are found by their ids: a coarse index by time, in which a page of the feed is looked for.

Revision: 0027.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "create index events_by_time on events using brin (created_at) with (pages_per_range = 16, autosummarize = on)"
    )


def downgrade() -> None:
    op.execute("drop index events_by_time")
