"""Publications: how far the events of each ledger are published to a broker, and who publishes them.

Revision: 0034.
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

PUBLICATIONS = """
create table publications (
    ledger_id uuid not null,
    name text not null,
    target text not null,
    topic text not null,
    key text not null,
    types text[] not null,
    feed_xid xid8 not null,
    feed_id uuid not null,
    moved_at timestamptz,
    published bigint not null,
    obstacle text,
    epoch bigint not null,
    holder text,
    held_until timestamptz,
    constraint publications_pkey primary key (ledger_id, name),
    constraint publications_key_known check (key in ('account', 'ledger', 'resource')),
    constraint publications_published_not_negative check (published >= 0)
)
"""

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

GRANTS = (
    "insert, update (target, topic, key, types, feed_xid, feed_id, moved_at, published, obstacle, epoch, holder, "
    "held_until), delete"
)


def upgrade() -> None:
    op.execute(PUBLICATIONS)
    op.execute("alter table publications enable row level security")
    op.execute("alter table publications force row level security")
    op.execute(
        f"create policy publications_by_ledger on publications using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(f"grant select, {GRANTS} on publications to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    for table in ("journal_entries", "publications"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop table publications")
