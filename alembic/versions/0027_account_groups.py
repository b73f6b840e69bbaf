"""Account groups: accounts under a name.

Revision: 0027.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

ACCOUNT_GROUPS = """
create table account_groups (
    ledger_id uuid not null,
    name text not null,
    version integer not null,
    id uuid not null,
    content jsonb,
    created_at timestamptz not null,
    actor text not null,
    constraint account_groups_pkey primary key (ledger_id, name, version),
    constraint account_groups_counted_from_one check (version > 0)
)
"""


def upgrade() -> None:
    op.execute(ACCOUNT_GROUPS)
    op.execute("alter table account_groups enable row level security")
    op.execute("alter table account_groups force row level security")
    op.execute(
        f"create policy account_groups_by_ledger on account_groups using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger account_groups_unchanged before update or delete or truncate on account_groups "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on account_groups to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "account_groups"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table account_groups")
