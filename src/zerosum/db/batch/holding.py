"""Lock, compare and look up in one call, which begins the statement that writes: one round trip a batch.

The function's own statements see what was committed up to each of them, so keys are looked up with the locks held; and
it opens the ledgers of its transaction, for nothing else of that transaction comes before it.
"""

from __future__ import annotations

KEY_IS_USED = """
    (select true from public.journal_entries entry
     where entry.ledger_id = wanted.ledger_id and entry.idempotency_key = wanted.idempotency_key)
    or (select true from public.refusals refusal
        where refusal.ledger_id = wanted.ledger_id and refusal.idempotency_key = wanted.idempotency_key)
    or (select true from public.answers answer
        where answer.ledger_id = wanted.ledger_id and answer.idempotency_key = wanted.idempotency_key)
"""
"""Of a key `wanted`, with its ledger. All homes that a key can have: an entry, a refusal, an answer."""

KEY_TIMEOUT = "200ms"
"""Whoever has a key and not the rows of this batch is another process that was given the same request, or one that
hangs: the first is done soon, and its key can be asked for again."""

KEY_TIMEOUT_APART = "2ms"
"""Where a key was found held, nobody is kept waiting for the moment in which it is free."""

HELD, CHANGED, USED = "held", "changed", "used"

ONLY_KEYS_ARE_WAITED_FOR = (
    f"set_config('lock_timeout', case told when '{HELD}' then '{KEY_TIMEOUT}' else '0' end, true)"
)
"""It needs what the function has `told`, so it is done after it."""

HOLD_ACCOUNTS = f"""
create function zerosum_hold_accounts(ledgers text, account_ledgers uuid[], account_ids uuid[], row_versions xid[],
                                      key_ledgers uuid[], keys text[]) returns text language plpgsql as $$
declare
    unchanged integer;
begin
    perform set_config('zerosum.ledgers', ledgers, true);
    -- A row that somebody changes while it is waited for is compared as it is then.
    select count(*) into unchanged from (
        select from unnest(account_ledgers, account_ids, row_versions) as wanted(ledger_id, id, row_version)
        join public.accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
        where account.xmin = wanted.row_version
        order by account.id
        for no key update of account
    ) held;
    if unchanged <> cardinality(account_ids) then
        return 'changed';
    end if;
    if exists (
        select from unnest(key_ledgers, keys) as wanted(ledger_id, idempotency_key)
        where {KEY_IS_USED}
    ) then
        return 'used';
    end if;
    return 'held';
end
$$
"""  # noqa: S608 - made of constants only

HOLD_ARGUMENTS = ("text", "uuid[]", "uuid[]", "xid[]", "uuid[]", "text[]")
HOLD_SIGNATURE = f"zerosum_hold_accounts({', '.join(HOLD_ARGUMENTS)})"
