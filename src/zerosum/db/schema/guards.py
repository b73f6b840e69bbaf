"""What the database itself refuses, whoever asks: triggers, row-level security and grants, as they are now.

The triggers look at whole statements. The guard of the postings also carries them into the balances of their accounts:
nobody else may. It fails closed under row-level security: an account the writer cannot see counts as a mismatch.
"""

from __future__ import annotations

from sqlalchemy import Table

from zerosum.db.batch.holding import HOLD_ACCOUNTS, HOLD_SIGNATURE
from zerosum.db.batch.velocity import FIRST_VERSION_SIGNATURE, FIRST_VERSION_SINCE
from zerosum.db.schema import call_functions, checkpoint_functions, event_functions, group_functions, total_functions
from zerosum.db.schema.money_columns import MONEY_COLUMNS
from zerosum.db.schema.tables import APPLICATION_ROLE, GRANTS, JOURNAL, SEEN_BY_OPERATOR, metadata, refusals

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

REFUSE_CHANGE = """
create function zerosum_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is only ever added to: % on % is refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$
"""

PURGE_REFUSALS = """
create function zerosum_purge_refusals(of_ledger uuid, before timestamptz, at_most integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    taken integer;
begin
    -- The application role cannot delete; this is the one way, and row-level security holds in it too.
    perform set_config('zerosum.purging', 'on', true);
    delete from refusals where (ledger_id, idempotency_key) in (
        select ledger_id, idempotency_key from refusals
        where ledger_id = of_ledger and created_at < least(before, now() - interval '30 days')
        order by created_at limit at_most
    );
    get diagnostics taken = row_count;
    perform set_config('zerosum.purging', '', true);
    return taken;
end
$$
"""

REFUSE_REFUSAL_CHANGE = """
create function zerosum_refuse_refusal_change() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' and current_setting('zerosum.purging', true) = 'on' then
        return null;
    end if;
    raise exception 'the journal is only ever added to: % on % is refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$
"""

CHECK_REFUSALS_GONE = """
create function zerosum_check_refusals_gone() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from gone_refusals where created_at > now() - interval '30 days') then
        raise exception 'a refusal is kept for thirty days' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$
"""

CHECK_OPEN_PERIOD = """
create function zerosum_check_open_period() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    newest period_closings%rowtype;
begin
    -- Whoever closes a period waits for all who were writing when that was committed: everybody else sees it here.
    select * into newest from period_closings closing
    where closing.ledger_id = new.ledger_id order by closing.number desc limit 1;
    if newest.number is null or new.effective_at >= newest.ends_at then
        return null;
    end if;
    if exists (
        select from late_entries late
        join period_seals seal on seal.ledger_id = late.ledger_id and seal.number = newest.number
        where late.ledger_id = new.ledger_id and late.id = new.id and late.way = 'overridden'
          and late.closing = newest.number and new.posted_at > seal.recorded_until
    ) then
        return null;
    end if;
    -- Who knew of the closing would have been refused, or dated it otherwise: a second try will know.
    raise exception 'a journal entry is dated into a closed period'
        using errcode = 'serialization_failure', constraint = 'journal_entries_in_open_period';
end
$$
"""

CHECK_CLOSING = """
create function zerosum_check_closing() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    newest period_closings%rowtype;
begin
    select * into newest from period_closings closing
    where closing.ledger_id = new.ledger_id order by closing.number desc limit 1;
    if new.number <> coalesce(newest.number, 0) + 1 or new.ends_at <= newest.ends_at or new.ends_at > now()
       or newest.number is not null and not exists (
           select from period_seals seal where seal.ledger_id = new.ledger_id and seal.number = newest.number) then
        raise exception 'periods are closed in their order, when they are over'
            using errcode = 'check_violation', constraint = 'period_closings_in_order';
    end if;
    return new;
end
$$
"""

REFUSE_SETTLED_CHANGE = """
create function zerosum_refuse_settled_change() returns trigger language plpgsql as $$
begin
    raise exception 'a processor call is settled once' using errcode = 'insufficient_privilege';
end
$$
"""

NETSTRING = """
create function zerosum_netstring(content text) returns text language sql immutable as $$
    select coalesce(octet_length(convert_to(content, 'UTF8')) || ':' || content || ',', '-,')
$$
"""

APPEND_ACCOUNT_CHANGE = """
create function zerosum_append_account_change(account accounts, origin text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    -- A batch names those of many accounts, a unit of work its only one.
    actor text := coalesce(nullif(current_setting('zerosum.actors', true), '')::jsonb ->> account.id::text,
                           nullif(current_setting('zerosum.actor', true), ''));
    moment timestamptz := now();
    transaction xid8 := zerosum_feed_place();
    revision bigint;
    previous bytea;
begin
    select last.revision, last.hash into revision, previous from account_changes last
    where last.ledger_id = account.ledger_id and last.account_id = account.id order by last.revision desc limit 1;
    revision := coalesce(revision, 0) + 1;
    previous := coalesce(previous, sha256(
        convert_to('zerosum.account-genesis.v1', 'UTF8') || uuid_send(account.ledger_id) || uuid_send(account.id)));
    insert into account_changes (ledger_id, account_id, revision, origin, xid, changed_at, actor, code, name, type,
                                 currency, status, min_available, max_available, metadata, hash,
                                 velocity_limits)
    values (account.ledger_id, account.id, revision, origin, transaction, moment, actor, account.code, account.name,
            account.type, account.currency, account.status, account.min_available, account.max_available,
            account.metadata,
            sha256(convert_to('zerosum.account.v1', 'UTF8') || previous || convert_to(
                zerosum_netstring(revision::text) || zerosum_netstring(origin) || zerosum_netstring(transaction::text)
                || zerosum_netstring(trunc(extract(epoch from moment) * 1000000)::text) || zerosum_netstring(actor)
                || zerosum_netstring(account.code) || zerosum_netstring(account.name)
                || zerosum_netstring(account.type) || zerosum_netstring(account.currency)
                || zerosum_netstring(account.status) || zerosum_netstring(account.min_available::text)
                || zerosum_netstring(account.max_available::text) || zerosum_netstring(account.metadata::text)
                || case when account.velocity_limits is null then ''
                   else zerosum_netstring(account.velocity_limits::text) end,
                'UTF8')), account.velocity_limits);
end
$$
"""

RECORD_ACCOUNT_CHANGE = """
create function zerosum_record_account_change() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
declare
    last account_changes;
begin
    if tg_op = 'UPDATE' then
        select * into last from account_changes change
        where change.ledger_id = old.ledger_id and change.account_id = old.id order by change.revision desc limit 1;
        -- What the row said before must be what the history says. Where it is not, that is written down first: a later
        -- change does not make good what somebody did past the history.
        if last.revision is null then
            perform zerosum_append_account_change(old, 'adopted');
        elsif (last.code, last.name, last.type, last.currency, last.status, last.min_available, last.max_available,
               last.metadata, last.velocity_limits)
            is distinct from (old.code, old.name, old.type, old.currency, old.status, old.min_available,
                              old.max_available, old.metadata, old.velocity_limits) then
            perform zerosum_append_account_change(old, 'found');
        end if;
    end if;
    perform zerosum_append_account_change(new, 'set');
    return null;
end
$$
"""

RECORDED_COLUMNS = "code, name, type, currency, status, min_available, max_available, metadata, velocity_limits"
"""What is said about an account, and is not money: each change of it is a revision of its history."""

PURGE_SIGNATURE = "zerosum_purge_refusals(uuid, timestamptz, integer)"

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"


def statements() -> list[str]:
    """Everything beside the tables, in order. The migrations have their own, frozen copies."""
    found = [
        f"do $$ begin if not exists (select from pg_roles where rolname = '{APPLICATION_ROLE}') then "
        f"create role {APPLICATION_ROLE} nologin; end if; "
        "exception when duplicate_object or unique_violation then null; end $$",
        CARRY_POSTINGS,
        CHECK_NEW_ACCOUNTS,
        REFUSE_MONEY_CHANGE,
        REFUSE_CHANGE,
        REFUSE_REFUSAL_CHANGE,
        REFUSE_SETTLED_CHANGE,
        NETSTRING,
        APPEND_ACCOUNT_CHANGE,
        RECORD_ACCOUNT_CHANGE,
        CHECK_OPEN_PERIOD,
        CHECK_CLOSING,
        # What is dated as it is written cannot be in a closed period, unless a clock is wrong: it is not looked at.
        "create trigger journal_entries_in_open_period after insert on journal_entries for each row "
        "when (new.effective_at < now() - interval '1 second') execute function zerosum_check_open_period()",
        "create trigger period_closings_in_order before insert on period_closings "
        "for each row execute function zerosum_check_closing()",
        "create trigger processor_calls_settled_once before update on processor_calls for each row "
        "when (old.entry_id is not null) execute function zerosum_refuse_settled_change()",
        "create trigger reviews_decided_once before update on reviews for each row "
        "when (old.last_id is not null) execute function zerosum_refuse_change()",
        # What has ended has ended (but for one that a second attempt has carried out), and who has decided stays.
        "create trigger console_proposals_decided_once before update on console_proposals for each row "
        "when ((old.ended_at is not null and (old.status, new.status) is distinct from ('refused', 'carried_out')) "
        "or (old.decided_by is not null and (old.decided_by, old.decided_at, old.decision_reason) "
        "is distinct from (new.decided_by, new.decided_at, new.decision_reason))) "
        "execute function zerosum_refuse_change()",
        "create trigger subjects_erased_once before update on subjects for each row "
        "when (old.erased_at is not null) execute function zerosum_refuse_change()",
        f"create trigger accounts_recorded after insert or update of {RECORDED_COLUMNS} on accounts "
        "for each row execute function zerosum_record_account_change()",
        "create trigger postings_carried after insert on postings referencing new table as new_postings "
        "for each statement execute function zerosum_carry_postings()",
        "create trigger accounts_begin_empty after insert on accounts referencing new table as new_accounts "
        "for each statement execute function zerosum_check_new_accounts()",
    ]
    for name, columns in MONEY_COLUMNS.items():
        # At depth 0 stands whoever sends the statement; the guard of postings, which derives balances, stands below.
        found.append(
            f"create trigger {name}_money_unchanged before update of {columns} on {name} "
            "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
        )
    for table in JOURNAL:
        refuse = "zerosum_refuse_refusal_change" if table is refusals else "zerosum_refuse_change"
        found.append(
            f"create trigger {table.name}_unchanged before update or delete or truncate on {table.name} "
            f"for each statement execute function {refuse}()"
        )
    found += [
        PURGE_REFUSALS,
        CHECK_REFUSALS_GONE,
        "create trigger refusals_gone after delete on refusals referencing old table as gone_refusals "
        "for each statement execute function zerosum_check_refusals_gone()",
        "revoke all on function zerosum_carry_postings() from public",
        "revoke all on function zerosum_record_account_change() from public",
        "revoke all on function zerosum_append_account_change(accounts, text) from public",
        f"revoke all on function {PURGE_SIGNATURE} from public",
        f"grant execute on function {PURGE_SIGNATURE} to {APPLICATION_ROLE}",
    ]
    for table in metadata.sorted_tables:
        found += _row_level_security(table)
        rights = ", ".join(filter(None, ("select", GRANTS[table])))
        found.append(f"grant {rights} on {table.name} to {APPLICATION_ROLE}")
    found += group_functions.statements() + call_functions.statements() + event_functions.statements(APPLICATION_ROLE)
    found += checkpoint_functions.statements(APPLICATION_ROLE) + total_functions.statements(APPLICATION_ROLE)
    found += [
        FIRST_VERSION_SINCE,
        f"revoke all on function {FIRST_VERSION_SIGNATURE} from public",
        f"grant execute on function {FIRST_VERSION_SIGNATURE} to {APPLICATION_ROLE}",
        HOLD_ACCOUNTS,
        f"revoke all on function {HOLD_SIGNATURE} from public",
        f"grant execute on function {HOLD_SIGNATURE} to {APPLICATION_ROLE}",
    ]
    return found


def _row_level_security(table: Table) -> list[str]:
    rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}" if table in SEEN_BY_OPERATOR else LEDGER_IS_SET
    return [
        f"alter table {table.name} enable row level security",
        f"alter table {table.name} force row level security",
        f"create policy {table.name}_by_ledger on {table.name} using ({rule}) with check ({rule})",
    ]
