"""A dead letter is one by its content as well as by its place, and tells who sends what it was; a position tells of
which stream it is.

Revision: 0064.
"""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table dead_letters add column sender text")
    op.execute("alter table dead_letters drop constraint dead_letters_message_unique")
    op.execute(
        "create unique index dead_letters_message_unique on dead_letters "
        "(ledger_id, input, topic, partition, place, sha256(body))"
    )
    op.execute("alter table ingest_positions add column made text")
    op.execute("grant update (made) on ingest_positions to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see nothing whatever is in it.
    for table in ("journal_entries", "ingest_positions", "dead_letters"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("alter table ingest_positions drop column made")
    op.execute("drop index dead_letters_message_unique")
    op.execute(
        "alter table dead_letters add constraint dead_letters_message_unique "
        "unique (ledger_id, input, topic, partition, place)"
    )
    op.execute("alter table dead_letters drop column sender")
