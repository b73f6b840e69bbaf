"""Refunds: what of a payment was given back.

Revision: 0017.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

REFUNDS = """
create table refunds (
    ledger_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    currency text not null,
    amount numeric not null,
    reason text,
    constraint refunds_pkey primary key (ledger_id, id),
    constraint refunds_amount_positive check (amount > 0)
)
"""


def upgrade() -> None:
    op.execute("alter table payments add column refunded numeric")
    # Nothing that is there can break it: the column is new, and null everywhere. So nothing need be read.
    op.execute(
        "alter table payments add constraint payments_refunded_within "
        "check (refunded > 0 and refunded <= amount) not valid"
    )
    op.execute("alter table payments validate constraint payments_refunded_within")
    op.execute("grant update (refunded) on payments to zerosum_app")
    op.execute(REFUNDS)
    op.execute("create index refunds_of_payment on refunds (ledger_id, payment_id, id)")
    op.execute("alter table refunds enable row level security")
    op.execute("alter table refunds force row level security")
    op.execute(f"create policy refunds_by_ledger on refunds using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger refunds_unchanged before update or delete or truncate on refunds "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on refunds to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table refunds")
    op.execute("revoke update (refunded) on payments from zerosum_app")
    op.execute("alter table payments drop column refunded")
