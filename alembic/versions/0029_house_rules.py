"""House rules; what still names an account is found at once; exchanges that say what is to be bought.

Revision: 0029.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

BUILD_LOCK_TIMEOUT = "10min"
"""An index that is built beside payments waits for the transactions before it, and keeps nobody waiting."""

HOUSE_RULES = """
create table house_rules (
    ledger_id uuid not null,
    version integer not null,
    id uuid not null,
    content jsonb not null,
    actor text not null,
    created_at timestamptz not null,
    constraint house_rules_pkey primary key (ledger_id, version),
    constraint house_rules_counted_from_one check (version > 0)
)
"""

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
    # First, since each is committed by itself: whatever fails behind them, all of it can be done once more.
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        for name, columns in INDEXES.items():
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {columns}")
        op.execute("set lock_timeout = '2s'")
    op.execute(HOUSE_RULES)
    op.execute("alter table house_rules enable row level security")
    op.execute("alter table house_rules force row level security")
    op.execute(
        f"create policy house_rules_by_ledger on house_rules using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger house_rules_unchanged before update or delete or truncate on house_rules "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on house_rules to zerosum_app")
    op.execute("alter table holds add column house_rules integer")
    op.execute("alter table disputes add column fee_house_rules integer")
    op.execute("grant update (fee_house_rules) on disputes to zerosum_app")
    op.execute("alter table exchanges add column gain numeric")
    op.execute("alter table exchanges drop constraint exchanges_nothing_is_lost")
    for name, check in EXCHANGES.items():
        op.execute(f"alter table exchanges add constraint {name} check ({check}) not valid")
        op.execute(f"alter table exchanges validate constraint {name}")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    for name in ("journal_entries", "house_rules"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("revoke update (fee_house_rules) on disputes from zerosum_app")
    op.execute("alter table disputes drop column fee_house_rules")
    op.execute("alter table holds drop column house_rules")
    op.execute("drop table house_rules")
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
