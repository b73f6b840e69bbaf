"""Payments through processors: what is to be asked of them, and what they have told by themselves.

Revision: 0033.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"

PROCESSOR_CALLS = """
create table processor_calls (
    ledger_id uuid not null,
    id uuid not null,
    processor text not null,
    type text not null,
    currency text not null,
    amount numeric not null,
    payer_id uuid not null,
    payee_id uuid not null,
    state text not null,
    created_at timestamptz not null,
    next_at timestamptz,
    attempts integer not null,
    sent_at timestamptz,
    last_error text,
    processor_payment_id text,
    reason text,
    approved numeric,
    entry_id uuid,
    settled_at timestamptz,
    route text,
    constraint processor_calls_pkey primary key (ledger_id, id),
    constraint processor_calls_state_known check (
        state in ('proposed', 'sent', 'unknown', 'parked', 'approved', 'declined')
    ),
    constraint processor_calls_approved_within check (amount > 0 and approved > 0 and approved <= amount),
    constraint processor_calls_two_accounts check (payer_id <> payee_id),
    constraint processor_calls_settled_whole check (
        (state = 'approved') = (approved is not null)
        and (state in ('approved', 'declined')) = (entry_id is not null and settled_at is not null)
        and (state in ('proposed', 'sent', 'unknown')) = (next_at is not null)
    )
)
"""

PROCESSOR_CALLBACKS = """
create table processor_callbacks (
    ledger_id uuid not null,
    processor text not null,
    event_id text not null,
    payment_id uuid not null,
    told text not null,
    effect text not null,
    received_at timestamptz not null,
    constraint processor_callbacks_pkey primary key (ledger_id, processor, event_id),
    constraint processor_callbacks_effect_known check (effect in ('settled', 'confirms', 'contradicts', 'noted'))
)
"""

INDEXES = (
    "create index processor_calls_due on processor_calls (processor, next_at, ledger_id, id) where next_at is not null",
    "create index processor_calls_of_payer on processor_calls (ledger_id, payer_id, id) where entry_id is null",
    "create index processor_calls_of_payee on processor_calls (ledger_id, payee_id, id) where entry_id is null",
    "create index processor_calls_by_state on processor_calls (ledger_id, state, id)",
    "create index processor_calls_by_processor on processor_calls (ledger_id, processor, id)",
    "create index processor_callbacks_of_payment on processor_callbacks (ledger_id, payment_id, received_at)",
)

REFUSE_SETTLED_CHANGE = """
create function zerosum_refuse_settled_change() returns trigger language plpgsql as $$
begin
    raise exception 'a processor call is settled once' using errcode = 'insufficient_privilege';
end
$$
"""

GONE = "coalesce(refunded, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"


def upgrade() -> None:
    op.execute(PROCESSOR_CALLS)
    op.execute(PROCESSOR_CALLBACKS)
    for statement in INDEXES:
        op.execute(statement)
    rules = (("processor_calls", f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}"), ("processor_callbacks", LEDGER_IS_SET))
    for name, rule in rules:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
    op.execute(REFUSE_SETTLED_CHANGE)
    op.execute(
        "create trigger processor_calls_settled_once before update on processor_calls for each row "
        "when (old.entry_id is not null) execute function zerosum_refuse_settled_change()"
    )
    op.execute(
        "create trigger processor_calls_money_unchanged before update of ledger_id, id, processor, type, currency, "
        "amount, payer_id, payee_id, created_at, route on processor_calls "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute(
        "create trigger processor_callbacks_unchanged before update or delete or truncate on processor_callbacks "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(
        "grant select, insert, update (state, next_at, attempts, sent_at, last_error, processor_payment_id, reason, "
        "approved, entry_id, settled_at) on processor_calls to zerosum_app"
    )
    op.execute("grant select, insert on processor_callbacks to zerosum_app")
    op.execute("alter table payments add column approved numeric")
    op.execute("grant update (approved) on payments to zerosum_app")
    _replace_check("payments_gone_within", f"{GONE} <= coalesce(approved, amount)")
    op.execute(
        "alter table payments add constraint payments_approved_within check (approved > 0 and approved < amount) "
        "not valid"
    )
    op.execute("alter table payments validate constraint payments_approved_within")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table processor_callbacks")
    op.execute("drop table processor_calls")
    op.execute("drop function zerosum_refuse_settled_change()")
    op.execute("alter table payments drop constraint payments_approved_within")
    _replace_check("payments_gone_within", f"{GONE} <= amount")
    op.execute("revoke update (approved) on payments from zerosum_app")
    op.execute("alter table payments drop column approved")


def _replace_check(name: str, check: str) -> None:
    op.execute(f"alter table payments drop constraint {name}")
    op.execute(f"alter table payments add constraint {name} check ({check}) not valid")
    op.execute(f"alter table payments validate constraint {name}")
