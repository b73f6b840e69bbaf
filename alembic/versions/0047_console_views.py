"""Filters of the console's lists that people have kept by name.

Revision: 0047.
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

VIEWS = """
create table console_views (
    ledger_id uuid not null,
    subject text not null,
    page text not null,
    name text not null,
    query text not null,
    saved_at timestamptz not null,
    constraint console_views_pkey primary key (ledger_id, subject, page, name),
    constraint console_views_page_known check (page in ('payments', 'journal')),
    constraint console_views_bounded check (length(name) between 1 and 60 and length(query) <= 4000)
)
"""


def upgrade() -> None:
    op.execute(VIEWS)
    op.execute("alter table console_views enable row level security")
    op.execute("alter table console_views force row level security")
    op.execute(
        f"create policy console_views_by_ledger on console_views using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute("grant select, insert, update (name, query, saved_at), delete on console_views to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "console_views"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table console_views")
