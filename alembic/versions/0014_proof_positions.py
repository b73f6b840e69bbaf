"""The self-audit keeps where it is, and goes on from there after a restart.

Revision: 0014.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)


def upgrade() -> None:
    op.execute(
        "create table proof_positions (ledger_id uuid not null, proof text not null, begun_at timestamptz not null, "
        "taken_at timestamptz not null, position jsonb, "
        "constraint proof_positions_pkey primary key (ledger_id, proof))"
    )
    op.execute("alter table proof_positions enable row level security")
    op.execute("alter table proof_positions force row level security")
    op.execute(
        f"create policy proof_positions_by_ledger on proof_positions using ({LEDGER_IS_SET}) "
        f"with check ({LEDGER_IS_SET})"
    )
    op.execute("grant select, insert, update (begun_at, taken_at, position) on proof_positions to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table proof_positions")
