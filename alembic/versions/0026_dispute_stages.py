"""Stages of disputes, and what losing one costs besides.

Revision: 0026.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

CHECKS = {
    "disputes_stage_known": "stage in ('first', 'pre_arbitration', 'arbitration')",
    "disputes_fee_positive": "(fee is null) = (fee_account_id is null) and coalesce(fee > 0, true)",
}


def upgrade() -> None:
    op.execute(
        "alter table disputes add column stage text not null default 'first', add column fee numeric, "
        "add column fee_account_id uuid"
    )
    op.execute("alter table dispute_changes add column stage text not null default 'first', add column respond_by text")
    for name, check in CHECKS.items():
        op.execute(f"alter table disputes add constraint {name} check ({check}) not valid")
        op.execute(f"alter table disputes validate constraint {name}")
    op.execute("grant update (stage, fee, fee_account_id, respond_by) on disputes to zerosum_app")
    # What earlier steps have left: until when evidence counted was said once, in the beginning.
    op.execute("alter table disputes no force row level security")
    op.execute("alter table dispute_changes no force row level security")
    op.execute("alter table dispute_changes disable trigger dispute_changes_unchanged")
    op.execute(
        "update dispute_changes change set respond_by = dispute.respond_by from disputes dispute "
        "where dispute.ledger_id = change.ledger_id and dispute.id = change.dispute_id "
        "and dispute.respond_by is not null"
    )
    op.execute("alter table dispute_changes enable trigger dispute_changes_unchanged")
    op.execute("alter table dispute_changes force row level security")
    op.execute("alter table disputes force row level security")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("revoke update (stage, fee, fee_account_id, respond_by) on disputes from zerosum_app")
    op.execute("alter table disputes drop column stage, drop column fee, drop column fee_account_id")
    op.execute("alter table dispute_changes drop column stage, drop column respond_by")
