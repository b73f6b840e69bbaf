"""Refunds through the processor of the payment.

Revision: 0038.
"""

from alembic import op

revision = "0038"
down_revision = "0033"
branch_labels = None
depends_on = None

GONE = "coalesce(refunded, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"
GONE_OR_WANTED = "coalesce(refunded, 0) + coalesce(refunding, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"

OF_A_CALL = "ledger_id, id, processor, type, currency, amount, payer_id, payee_id, created_at, route"


def upgrade() -> None:
    op.execute("alter table processor_calls add column refunded_payment_id uuid")
    op.execute(
        "create index processor_calls_of_refunds on processor_calls (ledger_id, refunded_payment_id, id) "
        "where refunded_payment_id is not null"
    )
    _guard_money(f"{OF_A_CALL}, refunded_payment_id")
    op.execute("alter table payments add column refunding numeric")
    op.execute("grant update (refunding) on payments to zerosum_app")
    _replace_check("payments_gone_within", f"{GONE_OR_WANTED} <= coalesce(approved, amount)")
    op.execute("alter table payments add constraint payments_refunding_positive check (refunding > 0) not valid")
    op.execute("alter table payments validate constraint payments_refunding_positive")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    op.execute("alter table processor_calls no force row level security")
    op.execute(
        "do $$ begin if exists (select from processor_calls where refunded_payment_id is not null) "
        "then raise 'there are refunds through processors'; end if; end $$"
    )
    op.execute("alter table processor_calls force row level security")
    op.execute("alter table payments drop constraint payments_refunding_positive")
    _replace_check("payments_gone_within", f"{GONE} <= coalesce(approved, amount)")
    op.execute("revoke update (refunding) on payments from zerosum_app")
    op.execute("alter table payments drop column refunding")
    _guard_money(OF_A_CALL)
    op.execute("drop index processor_calls_of_refunds")
    op.execute("alter table processor_calls drop column refunded_payment_id")


def _guard_money(columns: str) -> None:
    op.execute("drop trigger processor_calls_money_unchanged on processor_calls")
    op.execute(
        f"create trigger processor_calls_money_unchanged before update of {columns} on processor_calls "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )


def _replace_check(name: str, check: str) -> None:
    op.execute(f"alter table payments drop constraint {name}")
    op.execute(f"alter table payments add constraint {name} check ({check}) not valid")
    op.execute(f"alter table payments validate constraint {name}")
