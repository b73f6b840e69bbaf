"""Refunds through the processor of the payment; how well processors answer, and why a route has chosen one.

Revision: 0038.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

GONE = "coalesce(refunded, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"
GONE_OR_WANTED = "coalesce(refunded, 0) + coalesce(refunding, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

PROCESSOR_HEALTH = """
create table processor_health (
    ledger_id uuid not null,
    processor text not null,
    consecutive_failures integer not null,
    paused_until timestamptz,
    window_at timestamptz not null,
    approved integer not null,
    attempts integer not null,
    approved_before integer not null,
    attempts_before integer not null,
    constraint processor_health_pkey primary key (ledger_id, processor),
    constraint processor_health_counted check (
        consecutive_failures >= 0 and approved >= 0 and approved <= attempts
    )
)
"""

OF_A_CALL = "ledger_id, id, processor, type, currency, amount, payer_id, payee_id, created_at, route"


def upgrade() -> None:
    op.execute("alter table processor_calls add column refunded_payment_id uuid")
    op.execute(
        "create index processor_calls_of_refunds on processor_calls (ledger_id, refunded_payment_id, id) "
        "where refunded_payment_id is not null"
    )
    op.execute("alter table processor_calls add column routing jsonb")
    _guard_money(f"{OF_A_CALL}, refunded_payment_id, routing")
    _know_effects("'settled', 'confirms', 'contradicts', 'noted', 'disputed'")
    op.execute(PROCESSOR_HEALTH)
    op.execute("alter table processor_health enable row level security")
    op.execute("alter table processor_health force row level security")
    op.execute(
        f"create policy processor_health_by_ledger on processor_health using ({LEDGER_IS_SET}) "
        f"with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "grant select, insert, update (consecutive_failures, paused_until, window_at, approved, attempts, "
        "approved_before, attempts_before) on processor_health to zerosum_app"
    )
    op.execute("alter table payments add column refunding numeric")
    op.execute("grant update (refunding) on payments to zerosum_app")
    _replace_check("payments_gone_within", f"{GONE_OR_WANTED} <= coalesce(approved, amount)")
    op.execute("alter table payments add constraint payments_refunding_positive check (refunding > 0) not valid")
    op.execute("alter table payments validate constraint payments_refunding_positive")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("alter table payments drop constraint payments_refunding_positive")
    _replace_check("payments_gone_within", f"{GONE} <= coalesce(approved, amount)")
    op.execute("revoke update (refunding) on payments from zerosum_app")
    op.execute("alter table payments drop column refunding")
    op.execute("drop table processor_health")
    _know_effects("'settled', 'confirms', 'contradicts', 'noted'")
    _guard_money(OF_A_CALL)
    op.execute("alter table processor_calls drop column routing")
    op.execute("drop index processor_calls_of_refunds")
    op.execute("alter table processor_calls drop column refunded_payment_id")


def _know_effects(words: str) -> None:
    op.execute("alter table processor_callbacks drop constraint processor_callbacks_effect_known")
    op.execute(
        "alter table processor_callbacks add constraint processor_callbacks_effect_known "
        f"check (effect in ({words})) not valid"
    )
    op.execute("alter table processor_callbacks validate constraint processor_callbacks_effect_known")


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
