"""Payments through a processor may go to several, and be dated: what each gets, and what the entries are dated to.

Deliveries of webhooks have room for updates on their pages: what is claimed changes nothing that is indexed.

Revision: 0058.
"""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

OF_A_CALL = (
    "ledger_id, id, processor, type, currency, amount, payer_id, payee_id, created_at, route, refunded_payment_id, "
    "routing, number"
)
WITHIN = "payment_splits_refunded_within"


def upgrade() -> None:
    op.execute("alter table processor_calls add column effective_at timestamptz, add column parts jsonb")
    _guard_money(f"{OF_A_CALL}, effective_at, parts")
    # What is there is held against both checks by 0063, which keeps nobody waiting.
    op.execute(
        "alter table payment_splits add column approved numeric, add column refunding numeric, "
        "add constraint payment_splits_outside_not_negative check (approved >= 0 and refunding > 0) not valid, "
        f"drop constraint {WITHIN}"
    )
    op.execute(
        f"alter table payment_splits add constraint {WITHIN} check (refunded > 0 and "
        "coalesce(refunded, 0) + coalesce(refunding, 0) <= coalesce(approved, amount)) not valid"
    )
    op.execute("grant update (approved, refunding) on payment_splits to zerosum_app")
    op.execute("alter table webhook_deliveries set (fillfactor = 50)")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("alter table webhook_deliveries reset (fillfactor)")
    op.execute("revoke update (approved, refunding) on payment_splits from zerosum_app")
    op.execute(
        "alter table payment_splits drop constraint payment_splits_outside_not_negative, "
        f"drop constraint {WITHIN}, drop column approved, drop column refunding, "
        f"add constraint {WITHIN} check (refunded > 0 and refunded <= amount)"
    )
    _guard_money(OF_A_CALL)
    op.execute("alter table processor_calls drop column effective_at, drop column parts")


def _guard_money(columns: str) -> None:
    op.execute("drop trigger processor_calls_money_unchanged on processor_calls")
    op.execute(
        f"create trigger processor_calls_money_unchanged before update of {columns} on processor_calls "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
