"""Routes that a ledger has of its own: versions, each with who has made it and why.

Revision: 0041.
"""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

LEDGER_ROUTES = """
create table ledger_routes (
    ledger_id uuid not null,
    version integer not null,
    routes jsonb,
    why text not null,
    actor text not null,
    created_at timestamptz not null,
    constraint ledger_routes_pkey primary key (ledger_id, version),
    constraint ledger_routes_counted_from_one check (version > 0)
)
"""


def upgrade() -> None:
    op.execute(LEDGER_ROUTES)
    op.execute("alter table ledger_routes enable row level security")
    op.execute("alter table ledger_routes force row level security")
    op.execute(
        f"create policy ledger_routes_by_ledger on ledger_routes using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger ledger_routes_unchanged before update or delete or truncate on ledger_routes "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on ledger_routes to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    for name in ("journal_entries", "ledger_routes"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table ledger_routes")
