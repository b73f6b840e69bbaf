"""Conditions: what an entry was posted under.

Revision: 0021.
"""

from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

ENTRY_CONDITIONS = """
create table entry_conditions (
    ledger_id uuid not null,
    id uuid not null,
    ordered bytea not null,
    content jsonb not null,
    constraint entry_conditions_pkey primary key (ledger_id, id)
)
"""


def upgrade() -> None:
    op.execute(ENTRY_CONDITIONS)
    op.execute("alter table entry_conditions enable row level security")
    op.execute("alter table entry_conditions force row level security")
    op.execute(
        "create policy entry_conditions_by_ledger on entry_conditions "
        f"using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger entry_conditions_unchanged before update or delete or truncate on entry_conditions "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on entry_conditions to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table entry_conditions")
