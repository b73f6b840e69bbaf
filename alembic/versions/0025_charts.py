"""Charts of ledgers: which accounts their first use may open.

Revision: 0025.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

CHARTS = """
create table charts (
    ledger_id uuid not null,
    version integer not null,
    rules jsonb not null,
    actor text not null,
    created_at timestamptz not null,
    constraint charts_pkey primary key (ledger_id, version),
    constraint charts_counted_from_one check (version > 0)
)
"""


def upgrade() -> None:
    op.execute(CHARTS)
    op.execute("alter table charts enable row level security")
    op.execute("alter table charts force row level security")
    op.execute(f"create policy charts_by_ledger on charts using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger charts_unchanged before update or delete or truncate on charts "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on charts to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    op.execute("alter table charts no force row level security")
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from charts) or exists (select from journal_entries) "
        "then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table charts")
