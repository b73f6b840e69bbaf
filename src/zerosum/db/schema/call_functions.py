"""What the database does by itself with processor calls: it moves them, and says which splits wait for them."""

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

MARK_PENDING = """
create function zerosum_mark_pending_splits() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    update payment_splits set pending = case when new.entry_id is null then true end
    where ledger_id = new.ledger_id and payment_id = new.id
      and (pending is true) is distinct from (new.entry_id is null);
    return null;
end
$$
"""
"""Where the service has said it, nothing is written again."""


def statements() -> list[str]:
    return [
        MOVE_CALL,
        "revoke all on function zerosum_move_call() from public",
        "create trigger processor_call_moves_carried after insert on processor_call_moves "
        "for each row execute function zerosum_move_call()",
        MARK_PENDING,
        "revoke all on function zerosum_mark_pending_splits() from public",
        # At the end of the transaction: the call may be written before its splits.
        "create constraint trigger processor_calls_mark_splits after insert or update of entry_id on processor_calls "
        "deferrable initially deferred for each row when (new.refunded_payment_id is null) "
        "execute function zerosum_mark_pending_splits()",
    ]
