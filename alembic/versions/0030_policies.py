"""What still names an account is found at once; exchanges that say what is to be bought.

Revision: 0030.
"""

from alembic import op

revision = "0030"
down_revision = "0026"
branch_labels = None
depends_on = None

INDEXES = {
    "accounts_overdrawn": "accounts (ledger_id, id) where overdrawn",
    "holds_open_by_payer": "holds (ledger_id, payer_id) where status = 'open'",
    "holds_open_by_payee": "holds (ledger_id, payee_id) where status = 'open'",
    "scheduled_payments_waiting_by_payer": "scheduled_payments (ledger_id, payer_id) where status = 'scheduled'",
    "scheduled_payments_waiting_by_payee": "scheduled_payments (ledger_id, payee_id) where status = 'scheduled'",
    "disputes_open_by_payer": "disputes (ledger_id, payer_id) where status in ('open', 'under_review')",
    "disputes_open_by_payee": "disputes (ledger_id, payee_id) where status in ('open', 'under_review')",
}

EXCHANGES = {
    "exchanges_nothing_is_lost": "bought + margin + coalesce(gain, 0) = exact + difference",
    "exchanges_gain_not_negative": "gain >= 0",
}


def upgrade() -> None:
    op.execute("alter table exchanges add column gain numeric")
    op.execute("alter table exchanges drop constraint exchanges_nothing_is_lost")
    for name, check in EXCHANGES.items():
        op.execute(f"alter table exchanges add constraint {name} check ({check}) not valid")
        op.execute(f"alter table exchanges validate constraint {name}")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {columns}")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    for name in INDEXES:
        op.execute(f"drop index {name}")
    for name in EXCHANGES:
        op.execute(f"alter table exchanges drop constraint {name}")
    op.execute("alter table exchanges drop column gain")
    op.execute(
        "alter table exchanges add constraint exchanges_nothing_is_lost "
        "check (bought + margin = exact + difference) not valid"
    )
    op.execute("alter table exchanges validate constraint exchanges_nothing_is_lost")
