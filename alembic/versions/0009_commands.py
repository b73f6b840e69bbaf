"""The write path, second design: keys belong to commands, pending postings name their hold, time never goes back.

A further entry of one command has no key of its own; a command that posts nothing has its answer kept. Each account
knows when it was last posted to: those that are there already are told, a thousand at a time, while payments go on.

Revision: 0009.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FILLED_AT_ONCE = 1_000

# Row-level security binds the owner too, so each ledger is opened in turn.
LEDGERS = """
create function zerosum_ledgers_to_fill() returns setof uuid language plpgsql set search_path = public, pg_temp as $$
begin
    perform set_config('zerosum.operator', 'on', true);
    return query select ledger_id from ledgers order by ledger_id;
end
$$
"""

FILL = """
create function zerosum_fill_last_posted(of_ledger uuid, after uuid, at_most integer) returns uuid
language plpgsql set search_path = public, pg_temp set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    last uuid;
begin
    perform set_config('zerosum.ledgers', '{' || of_ledger || '}', true);
    select page.id into last from (
        select id from accounts where ledger_id = of_ledger and id > after order by id limit at_most
    ) page order by page.id desc limit 1;
    -- Locked in the order in which batches lock them. One that is posted to meanwhile knows its time already.
    with wanted as (
        select id from accounts
        where ledger_id = of_ledger and id > after and id <= last and version > 0 and last_posted_at is null
        order by id for no key update
    )
    update accounts account set last_posted_at = (
        select posted_at from postings posting
        where posting.ledger_id = of_ledger and posting.account_id = account.id
          and posting.account_version = account.version)
    from wanted where account.ledger_id = of_ledger and account.id = wanted.id;
    return last;
end
$$
"""

CARRY_POSTINGS = """
create or replace function zerosum_carry_postings() returns trigger language plpgsql security definer
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
        select ledger_id, account_id, account_version, currency, posted_at, hash, balance_after, held_after,
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
               min(posted_at) as first_posted_at, max(posted_at) as final_posted_at,
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
        set version = last_version, head = last_hash, last_posted_at = final_posted_at,
            posted_debits = posted_debits + debits, posted_credits = posted_credits + credits,
            held = held + case when type in ('asset', 'expense') then held_by_credits else held_by_debits end,
            overdrawn = overdrawn and case when type in ('asset', 'expense')
                then posted_debits + debits - posted_credits - credits - held - held_by_credits
                else posted_credits + credits - posted_debits - debits - held - held_by_debits end < min_available
        from change
        where account.ledger_id = change.ledger_id and account.id = change.account_id
          and version = first_version - 1 and last_version - first_version = number - 1
          and currency = lowest_currency and currency = highest_currency
          -- Time never goes back on an account, and what is written at once has one time.
          and first_posted_at = final_posted_at
          and (last_posted_at is null or first_posted_at >= last_posted_at)
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

CARRY_POSTINGS_BEFORE = """
create or replace function zerosum_carry_postings() returns trigger language plpgsql security definer
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
"""As it was before."""

MONEY_COLUMNS = "ledger_id, id, currency, type, version, posted_debits, posted_credits, held, head, last_posted_at"
MONEY_COLUMNS_BEFORE = "ledger_id, id, currency, type, version, posted_debits, posted_credits, held, head"

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)


def _guard_money(columns: str) -> None:
    op.execute("drop trigger accounts_money_unchanged on accounts")
    op.execute(
        f"create trigger accounts_money_unchanged before update of {columns} on accounts "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )


def upgrade() -> None:
    # What an earlier try has made is there: only its filling was cut off.
    op.execute("alter table journal_entries alter column idempotency_key drop not null")
    op.execute("alter table postings add column if not exists hold_id uuid")
    op.execute("alter table accounts add column if not exists last_posted_at timestamptz")
    op.execute(CARRY_POSTINGS)
    # Here the locks on the tables are let go; the filling takes its own, of a thousand rows at a time. From here on
    # postings tell their account the time. Once all know it, nobody may set it by hand.
    with op.get_context().autocommit_block():
        _fill()
    _guard_money(MONEY_COLUMNS)
    op.execute(
        "create table answers (ledger_id uuid not null, idempotency_key text not null, fingerprint bytea not null, "
        "resource_type text not null, resource_id uuid not null, content jsonb not null, "
        "created_at timestamptz not null, constraint answers_pkey primary key (ledger_id, idempotency_key))"
    )
    op.execute(
        "create trigger answers_unchanged before update or delete or truncate on answers "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("alter table answers enable row level security")
    op.execute("alter table answers force row level security")
    op.execute(f"create policy answers_by_ledger on answers using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute("grant select, insert on answers to zerosum_app")


def _fill() -> None:
    connection = op.get_bind()
    op.execute("drop function if exists zerosum_fill_last_posted(uuid, uuid, integer)")
    op.execute("drop function if exists zerosum_ledgers_to_fill()")
    op.execute(LEDGERS)
    op.execute(FILL)
    for (ledger_id,) in connection.exec_driver_sql("select zerosum_ledgers_to_fill()").all():
        after: str | None = "00000000-0000-0000-0000-000000000000"
        while after is not None:
            after = connection.exec_driver_sql(
                f"select zerosum_fill_last_posted('{ledger_id}', '{after}', {FILLED_AT_ONCE})"
            ).scalar()
    op.execute("drop function zerosum_fill_last_posted(uuid, uuid, integer)")
    op.execute("drop function zerosum_ledgers_to_fill()")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    for table in ("journal_entries", "answers"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop table answers")
    op.execute(CARRY_POSTINGS_BEFORE)
    _guard_money(MONEY_COLUMNS_BEFORE)
    op.execute("alter table accounts drop column last_posted_at")
    op.execute("alter table postings drop column hold_id")
    op.execute("alter table journal_entries alter column idempotency_key set not null")
