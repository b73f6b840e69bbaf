"""Splits: what each receiver got of a payment that goes to several. Exchanges: what was sold, bought and kept.

Revision: 0022.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

SPLITS = """
create table payment_splits (
    ledger_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    place smallint not null,
    account_id uuid not null,
    called text not null,
    rule text not null,
    value text,
    currency text not null,
    amount numeric not null,
    refunded numeric,
    constraint payment_splits_pkey primary key (ledger_id, id),
    constraint payment_splits_amount_not_negative check (amount >= 0),
    constraint payment_splits_refunded_within check (refunded > 0 and refunded <= amount),
    constraint payment_splits_rule_known check (
        rule in ('rest', 'remainder', 'percent', 'amount') and (value is null) = (rule in ('remainder', 'rest')))
)
"""

EXCHANGES = """
create table exchanges (
    ledger_id uuid not null,
    id uuid not null,
    payer_id uuid not null,
    payee_id uuid not null,
    currency text not null,
    amount numeric not null,
    bought_currency text not null,
    bought numeric not null,
    margin numeric not null,
    margin_percent numeric,
    rate numeric not null,
    rate_source text not null,
    rate_at timestamptz not null,
    rounding text not null,
    exact numeric not null,
    difference numeric not null,
    reference text,
    description text,
    constraint exchanges_pkey primary key (ledger_id, id),
    constraint exchanges_amounts_positive check (amount > 0 and bought > 0 and rate > 0 and margin >= 0),
    constraint exchanges_margin_percent_within check (margin_percent > 0 and margin_percent <= 100),
    constraint exchanges_exact_is_product check (exact = amount * rate),
    constraint exchanges_nothing_is_lost check (bought + margin = exact + difference),
    constraint exchanges_two_currencies check (currency <> bought_currency),
    constraint exchanges_rounding_known check (rounding in ('half_even', 'half_up', 'down', 'up'))
)
"""


def upgrade() -> None:
    op.execute(SPLITS)
    op.execute("create unique index payment_splits_of_payment on payment_splits (ledger_id, payment_id, place)")
    op.execute("alter table payment_splits enable row level security")
    op.execute("alter table payment_splits force row level security")
    op.execute(
        f"create policy payment_splits_by_ledger on payment_splits using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger payment_splits_money_unchanged before update of ledger_id, id, payment_id, place, account_id, "
        "called, rule, value, currency, amount on payment_splits for each statement when (pg_trigger_depth() = 0) "
        "execute function zerosum_refuse_money_change()"
    )
    op.execute("grant select, insert, update (refunded) on payment_splits to zerosum_app")
    op.execute(EXCHANGES)
    op.execute("alter table exchanges enable row level security")
    op.execute("alter table exchanges force row level security")
    op.execute(f"create policy exchanges_by_ledger on exchanges using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger exchanges_unchanged before update or delete or truncate on exchanges "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on exchanges to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table exchanges")
    op.execute("drop table payment_splits")
