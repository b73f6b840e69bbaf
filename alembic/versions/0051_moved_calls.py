"""A payment that its processor has surely not carried out is moved to the next one of its route.

Revision: 0051.
"""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

MOVES = """
create table processor_call_moves (
    ledger_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    number integer not null,
    processor text not null,
    to_processor text not null,
    payer_id uuid not null,
    payee_id uuid not null,
    to_payer_id uuid not null,
    to_payee_id uuid not null,
    why text not null,
    told text,
    attempts integer not null,
    sent_at timestamptz,
    processor_payment_id text,
    moved_at timestamptz not null,
    constraint processor_call_moves_pkey primary key (ledger_id, id),
    constraint processor_call_moves_number unique (ledger_id, payment_id, number),
    constraint processor_call_moves_why_known check (why in ('declined', 'not_sent', 'absent')),
    constraint processor_call_moves_two_processors check (processor <> to_processor)
)
"""

MOVE_CALL = """
create function zerosum_move_call() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    update processor_calls
    set processor = new.to_processor, payer_id = new.to_payer_id, payee_id = new.to_payee_id, number = new.number + 1,
        attempts = 0, sent_at = null, last_error = null
    where ledger_id = new.ledger_id and id = new.payment_id and number = new.number and entry_id is null
      and refunded_payment_id is null
      and (processor, payer_id, payee_id) = (new.processor, new.payer_id, new.payee_id);
    if not found then
        raise exception 'only a processor call that waits is moved' using errcode = 'insufficient_privilege';
    end if;
    update payments
    set processor = new.to_processor, payer_id = new.to_payer_id, payee_id = new.to_payee_id
    where ledger_id = new.ledger_id and id = new.payment_id and status = 'processing'
      and (processor, payer_id, payee_id) = (new.processor, new.payer_id, new.payee_id);
    if not found then
        raise exception 'only a payment that waits is moved' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$
"""

OF_A_PAYMENT = "ledger_id, id, type, currency, amount, payer_id, payee_id"
OF_A_CALL = (
    "ledger_id, id, processor, type, currency, amount, payer_id, payee_id, created_at, route, refunded_payment_id, "
    "routing"
)


def upgrade() -> None:
    op.execute("alter table processor_calls add column number integer not null default 1")
    _guard_money("processor_calls", f"{OF_A_CALL}, number")
    _guard_money("payments", f"{OF_A_PAYMENT}, processor")
    op.execute(MOVES)
    op.execute("alter table processor_call_moves enable row level security")
    op.execute("alter table processor_call_moves force row level security")
    op.execute(
        f"create policy processor_call_moves_by_ledger on processor_call_moves using ({LEDGER_IS_SET}) "
        f"with check ({LEDGER_IS_SET})"
    )
    op.execute("grant select, insert on processor_call_moves to zerosum_app")
    op.execute(
        "create trigger processor_call_moves_unchanged before update or delete or truncate on processor_call_moves "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(MOVE_CALL)
    op.execute("revoke all on function zerosum_move_call() from public")
    op.execute(
        "create trigger processor_call_moves_carried after insert on processor_call_moves "
        "for each row execute function zerosum_move_call()"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table processor_call_moves")
    op.execute("drop function zerosum_move_call()")
    _guard_money("payments", OF_A_PAYMENT)
    _guard_money("processor_calls", OF_A_CALL)
    op.execute("alter table processor_calls drop column number")


def _guard_money(table: str, columns: str) -> None:
    op.execute(f"drop trigger {table}_money_unchanged on {table}")
    op.execute(
        f"create trigger {table}_money_unchanged before update of {columns} on {table} "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
