"""Posting templates, and which entry was posted by which.

Revision: 0024.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

TEMPLATES = """
create table templates (
    ledger_id uuid not null,
    name text not null,
    version integer not null,
    content text not null,
    created_at timestamptz not null,
    actor text not null,
    hash bytea not null,
    constraint templates_pkey primary key (ledger_id, name, version),
    constraint templates_counted_from_one check (version > 0)
)
"""

TEMPLATE_USES = """
create table template_uses (
    ledger_id uuid not null,
    id uuid not null,
    name text not null,
    version integer not null,
    parameters jsonb not null,
    constraint template_uses_pkey primary key (ledger_id, id)
)
"""


def upgrade() -> None:
    op.execute(TEMPLATES)
    op.execute(TEMPLATE_USES)
    for name in ("templates", "template_uses"):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(
            f"create trigger {name}_unchanged before update or delete or truncate on {name} "
            "for each statement execute function zerosum_refuse_change()"
        )
        op.execute(f"grant select, insert on {name} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "templates"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table template_uses")
    op.execute("drop table templates")
