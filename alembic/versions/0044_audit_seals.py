"""The security log in the order of its transactions, and sealed: a record that is taken away or changed is missed.

What was written before bears the place 0, in the order of its ids, and goes into the first seals.

Revision: 0044.
"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

SEALS = """
create table audit_seals (
    ledger_id uuid not null,
    number bigint not null,
    until_xid xid8 not null,
    until_id uuid not null,
    records bigint not null,
    digest bytea not null,
    sealed_at timestamptz not null,
    hash bytea not null,
    constraint audit_seals_pkey primary key (ledger_id, number),
    constraint audit_seals_not_empty check (records > 0)
)
"""


def upgrade() -> None:
    op.execute("alter table audit_log add column xid xid8 not null default '0'")
    op.execute("alter table audit_log alter column xid set default zerosum_feed_place()")
    op.execute(SEALS)
    op.execute(
        "create trigger audit_seals_unchanged before update or delete or truncate on audit_seals "
        "for each statement execute function zerosum_refuse_change()"
    )
    rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}"
    op.execute("alter table audit_seals enable row level security")
    op.execute("alter table audit_seals force row level security")
    op.execute(f"create policy audit_seals_by_ledger on audit_seals using ({rule}) with check ({rule})")
    op.execute("grant select, insert on audit_seals to zerosum_app")
    # Some hundred thousand rows a year at most: no reason to build it beside the writers.
    op.execute("create index audit_log_by_place on audit_log (ledger_id, xid, id)")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "audit_seals"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop index audit_log_by_place")
    op.execute("drop table audit_seals")
    op.execute("alter table audit_log drop column xid")
