"""What the database itself refuses, whoever asks: triggers, row-level security and grants, as they are now.

The triggers look at whole statements (transition tables). Each one also fails closed under row-level security: an
account the writer cannot see counts as a mismatch.
"""

from __future__ import annotations

from sqlalchemy import Table

from zerosum.db.tables import APPLICATION_ROLE, GRANTS, JOURNAL, SEEN_BY_OPERATOR, metadata, refusals

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
        CHECK_POSTINGS,
        REFUSE_CHANGE,
        REFUSE_REFUSAL_CHANGE,
        "create trigger postings_checked after insert on postings referencing new table as new_postings "
        "for each statement execute function zerosum_check_postings()",
    ]
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
        f"revoke all on function {PURGE_SIGNATURE} from public",
        f"grant execute on function {PURGE_SIGNATURE} to {APPLICATION_ROLE}",
    ]
    for table in metadata.sorted_tables:
        found += _row_level_security(table)
        found.append(f"grant select, {GRANTS[table]} on {table.name} to {APPLICATION_ROLE}")
    return found


def _row_level_security(table: Table) -> list[str]:
    rule = f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}" if table in SEEN_BY_OPERATOR else LEDGER_IS_SET
    return [
        f"alter table {table.name} enable row level security",
        f"alter table {table.name} force row level security",
        f"create policy {table.name}_by_ledger on {table.name} using ({rule}) with check ({rule})",
    ]
