"""What the database does with a move of a payment to the next processor of its route: it alone carries it out."""

from __future__ import annotations

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
"""Nothing else changes whom a payment is between, and it is never one that has come to its end."""


def statements() -> list[str]:
    return [
        MOVE_CALL,
        "revoke all on function zerosum_move_call() from public",
        "create trigger processor_call_moves_carried after insert on processor_call_moves "
        "for each row execute function zerosum_move_call()",
    ]
