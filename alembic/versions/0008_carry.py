"""Balances are derived: the guard of the postings carries them into their accounts, and nobody else may.

What an account, a payment and a client transaction say of money is set by nobody any more, and an account begins empty.

Revision: 0008.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CARRY_POSTINGS = """
create function zerosum_carry_postings() returns trigger language plpgsql security definer
set search_path = public, pg_temp set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
    touched bigint;
    carried bigint;
begin
    -- Debits equal credits in each entry, currency and layer (and releases take back what placements put).
    if exists (
        select from new_postings
        group by ledger_id, entry_id, currency, layer, releases
        having sum(case side when 'd' then amount else -amount end) <> 0
    ) then
        raise exception 'a journal entry does not balance'
            using errcode = 'check_violation', constraint = 'postings_balance';
    end if;
    -- Balances are derived from what the account's row says and from the new postings, never taken from anybody. Each
    -- posting must follow the one before it: its version, and what it says of balance and held. What a posting says,
    -- less what has changed so far, is then the same for all postings of an account, and is what the row says.
    with line as (
        select ledger_id, account_id, account_version, currency, hash, balance_after, held_after,
               case when layer = 'p' and side = 'd' then amount else 0 end as debit,
               case when layer = 'p' and side = 'c' then amount else 0 end as credit,
               -- What is pending holds only where it will take out: on the side opposite to the normal one.
               case when layer = 'p' or side = 'c' then 0 when releases then -amount else amount end as held_by_debit,
               case when layer = 'p' or side = 'd' then 0 when releases then -amount else amount end as held_by_credit
        from new_postings
    ), step as (
        select line.*,
               sum(credit - debit) over so_far as risen,
               held_after - sum(held_by_debit) over so_far as held_before_debits,
               held_after - sum(held_by_credit) over so_far as held_before_credits
        from line
        window so_far as (partition by ledger_id, account_id order by account_version)
    ), change as (
        select ledger_id, account_id, min(account_version) as first_version, max(account_version) as last_version,
               count(*) as number, min(currency) as lowest_currency, max(currency) as highest_currency,
               sum(debit) as debits, sum(credit) as credits,
               sum(held_by_debit) as held_by_debits, sum(held_by_credit) as held_by_credits,
               min(balance_after - risen) as lowest_by_credit, max(balance_after - risen) as highest_by_credit,
               min(balance_after + risen) as lowest_by_debit, max(balance_after + risen) as highest_by_debit,
               min(held_before_debits) as lowest_held_debits, max(held_before_debits) as highest_held_debits,
               min(held_before_credits) as lowest_held_credits, max(held_before_credits) as highest_held_credits,
               (array_agg(hash order by account_version desc))[1] as last_hash
        from step
        group by ledger_id, account_id
    ), changed as (
        update accounts account
        set version = last_version, head = last_hash,
            posted_debits = posted_debits + debits, posted_credits = posted_credits + credits,
            held = held + case when type in ('asset', 'expense') then held_by_credits else held_by_debits end,
            overdrawn = overdrawn and case when type in ('asset', 'expense')
                then posted_debits + debits - posted_credits - credits - held - held_by_credits
                else posted_credits + credits - posted_debits - debits - held - held_by_debits end < min_available
        from change
        where account.ledger_id = change.ledger_id and account.id = change.account_id
          and version = first_version - 1 and last_version - first_version = number - 1
          and currency = lowest_currency and currency = highest_currency
          and case when type in ('asset', 'expense')
              then lowest_by_debit = posted_debits - posted_credits and lowest_by_debit = highest_by_debit
               and lowest_held_credits = held and lowest_held_credits = highest_held_credits
              else lowest_by_credit = posted_credits - posted_debits and lowest_by_credit = highest_by_credit
               and lowest_held_debits = held and lowest_held_debits = highest_held_debits end
        returning 1
    )
    select (select count(*) from change), (select count(*) from changed) into touched, carried;
    if touched <> carried then
        raise exception 'a posting does not fit its account'
            using errcode = 'check_violation', constraint = 'postings_fit_account';
    end if;
    return null;
end
$$
"""

CHECK_NEW_ACCOUNTS = """
create function zerosum_check_new_accounts() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (
        select from new_accounts where version <> 0 or posted_debits <> 0 or posted_credits <> 0 or held <> 0
    ) then
        raise exception 'an account begins with nothing in it'
            using errcode = 'check_violation', constraint = 'accounts_begin_empty';
    end if;
    return null;
end
$$
"""

REFUSE_MONEY_CHANGE = """
create function zerosum_refuse_money_change() returns trigger language plpgsql as $$
begin
    raise exception 'what % says of money is never set by hand', tg_table_name using errcode = 'insufficient_privilege';
end
$$
"""

CHECK_POSTINGS = """
create function zerosum_check_postings() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    -- Debits equal credits in each entry, currency and layer (and releases take back what placements put).
    if exists (
        select from new_postings
        group by ledger_id, entry_id, currency, layer, releases
        having sum(case side when 'd' then amount else -amount end) <> 0
    ) then
        raise exception 'a journal entry does not balance'
            using errcode = 'check_violation', constraint = 'postings_balance';
    end if;
    -- The last new posting of each account is what the account's row now says, and in its currency; the first
    -- one follows the account's last before, and none is left out between them.
    -- A subquery in the select list is looked up by key whatever the statistics say; a join may scan all accounts.
    if exists (
        select from (
            select (
                select account.version = last.account_version
                   and account.currency = last.lowest_currency and account.currency = last.highest_currency
                   and account.head = last.hash and account.held = last.held_after
                   and last.balance_after = case when account.type in ('asset', 'expense')
                       then account.posted_debits - account.posted_credits
                       else account.posted_credits - account.posted_debits end
                from accounts account
                where account.ledger_id = last.ledger_id and account.id = last.account_id
            ) and last.account_version - last.first_version = last.number - 1
              and (last.first_version = 1 or (
                select true from postings before
                where before.ledger_id = last.ledger_id and before.account_id = last.account_id
                  and before.account_version = last.first_version - 1
            )) as fits
            from (
                select distinct on (ledger_id, account_id)
                    ledger_id, account_id, account_version, balance_after, held_after, hash,
                    min(currency) over of_account as lowest_currency, max(currency) over of_account as highest_currency,
                    min(account_version) over of_account as first_version, count(*) over of_account as number
                from new_postings
                window of_account as (partition by ledger_id, account_id)
                order by ledger_id, account_id, account_version desc
            ) last
        ) checked
        where fits is not true
    ) then
        raise exception 'a posting does not fit its account'
            using errcode = 'check_violation', constraint = 'postings_fit_account';
    end if;
    return null;
end
$$
"""
"""As it was before."""

MONEY_COLUMNS = {
    "accounts": "ledger_id, id, currency, type, version, posted_debits, posted_credits, held, head",
    "payments": "ledger_id, id, type, currency, amount, payer_id, payee_id",
    "client_transactions": "ledger_id, tx, client, type, currency, amount, entry_id",
}
BALANCES = "version, posted_debits, posted_credits, held, head"


def upgrade() -> None:
    # What stood before must be right, or it would be carried on: `zerosum verify` tells. Here nothing is looked at, so
    # that a large journal is upgraded in a moment.
    op.execute(CARRY_POSTINGS)
    op.execute("revoke all on function zerosum_carry_postings() from public")
    op.execute(CHECK_NEW_ACCOUNTS)
    op.execute(REFUSE_MONEY_CHANGE)
    op.execute("drop trigger postings_checked on postings")
    op.execute("drop function zerosum_check_postings()")
    op.execute(
        "create trigger postings_carried after insert on postings referencing new table as new_postings "
        "for each statement execute function zerosum_carry_postings()"
    )
    op.execute(
        "create trigger accounts_begin_empty after insert on accounts referencing new table as new_accounts "
        "for each statement execute function zerosum_check_new_accounts()"
    )
    for name, columns in MONEY_COLUMNS.items():
        op.execute(
            f"create trigger {name}_money_unchanged before update of {columns} on {name} "
            "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
        )
    op.execute(f"revoke update ({BALANCES}) on accounts from zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute(f"grant update ({BALANCES}) on accounts to zerosum_app")
    for name in MONEY_COLUMNS:
        op.execute(f"drop trigger {name}_money_unchanged on {name}")
    op.execute("drop trigger accounts_begin_empty on accounts")
    op.execute("drop trigger postings_carried on postings")
    op.execute("drop function zerosum_refuse_money_change()")
    op.execute("drop function zerosum_check_new_accounts()")
    op.execute("drop function zerosum_carry_postings()")
    op.execute(CHECK_POSTINGS)
    op.execute(
        "create trigger postings_checked after insert on postings referencing new table as new_postings "
        "for each statement execute function zerosum_check_postings()"
    )
