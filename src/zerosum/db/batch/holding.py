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

OTHER_RECORDS = "records"
"""The accounts are as they must be, and records that the batch stands on are not (`posting.py`)."""

LEFT_BY_BEHIND = 0
"""In the place of the number of a transaction: whichever has written the entry `behind`, and it alone, must have left
the account. No transaction has this number."""

ONLY_KEYS_ARE_WAITED_FOR = (
    f"set_config('lock_timeout', case told when '{HELD}' then '{KEY_TIMEOUT}' else '0' end, true)"
)
"""It needs what the function has `told`, so it is done after it."""

HOLD_ACCOUNTS = f"""
create function zerosum_hold_accounts(ledgers text, account_ledgers uuid[], account_ids uuid[], row_versions xid[],
                                      key_ledgers uuid[], keys text[], behind uuid default null)
returns text language plpgsql as $$
declare
    unchanged integer;
    first_writer bigint;
    last_writer bigint;
begin
    perform set_config('zerosum.ledgers', ledgers, true);
    -- A row that somebody changes while it is waited for is compared as it is then.
    select count(*), min(writer), max(writer) into unchanged, first_writer, last_writer from (
        select case when wanted.row_version = '{LEFT_BY_BEHIND}' then account.xmin::text::bigint end as writer
        from unnest(account_ledgers, account_ids, row_versions) as wanted(ledger_id, id, row_version)
        join public.accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
        where account.xmin = wanted.row_version or wanted.row_version = '{LEFT_BY_BEHIND}'
        order by account.id
        for no key update of account
    ) held;
    if unchanged <> cardinality(account_ids) then
        return 'changed';
    end if;
    -- A statement of its own: it sees what was committed while the rows were waited for.
    if first_writer is not null and (first_writer <> last_writer or not exists (
        select from public.journal_entries entry
        where entry.ledger_id = any(account_ledgers) and entry.id = behind
        and entry.xmin::text::bigint = first_writer
    )) then
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

HOLD_ARGUMENTS = ("text", "uuid[]", "uuid[]", "xid[]", "uuid[]", "text[]", "uuid")
HOLD_SIGNATURE = f"zerosum_hold_accounts({', '.join(HOLD_ARGUMENTS)})"
