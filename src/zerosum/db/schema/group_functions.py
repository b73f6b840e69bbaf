"""Which groups with limits accounts are in: kept by triggers, as groups are changed and accounts opened.

Whoever locks an account reads in its row which limits it stands under, and pays nothing where that is none.
"""

from __future__ import annotations

GROUPS_LOCK = "hashtextextended('zerosum:limited groups:' || new.ledger_id, 0)"
"""Shared by whoever opens accounts, held alone by whoever says what groups with limits there are."""

JOIN_GROUPS = f"""
create function zerosum_join_groups() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    found text[];
begin
    perform pg_advisory_xact_lock_shared({GROUPS_LOCK});
    select array_agg(name order by name collate "C") into found from limited_groups limited
    where limited.ledger_id = new.ledger_id and new.code ~ limited.expression;
    -- Who posts to the account in this transaction has judged by what it believed: a second try will know better.
    if new.limited_groups is not null and new.limited_groups <> coalesce(found, '{{}}') then
        raise exception 'an account group was given limits meanwhile'
            using errcode = 'serialization_failure', constraint = 'accounts_in_their_groups';
    end if;
    new.limited_groups := found;
    return new;
end
$$
"""  # noqa: S608 - made of constants only

LIMIT_GROUP = f"""
create function zerosum_limit_group() returns trigger language plpgsql security definer
set search_path = public, pg_temp set lock_timeout = '1s' as $$
declare
    limits jsonb := nullif(new.content -> 'velocity_limits', '[]');
    expression text := '^(?:' || (
        select string_agg(replace(replace(replace(replace(
            member, '.', '\\.'), '**', chr(1)), '*', '[^:]+'), chr(1), '.+'), '|')
        from jsonb_array_elements_text(new.content -> 'members') member) || ')$';
begin
    if limits is null and not exists (
        select from limited_groups limited where limited.ledger_id = new.ledger_id and limited.name = new.name
    ) then
        return null;
    end if;
    -- Accounts before the lock, as those take them who open some.
    perform from accounts account where account.ledger_id = new.ledger_id
        and (account.limited_groups @> array[new.name] or limits is not null and account.code ~ expression)
        order by account.id for no key update;
    perform pg_advisory_xact_lock({GROUPS_LOCK});
    update accounts account
    set limited_groups = nullif(array_remove(account.limited_groups, new.name), '{{}}')
    where account.ledger_id = new.ledger_id and account.limited_groups @> array[new.name];
    if limits is null then
        delete from limited_groups limited where limited.ledger_id = new.ledger_id and limited.name = new.name;
        return null;
    end if;
    -- The row stays the same one: whoever waits for it reads what it says by then.
    insert into limited_groups (ledger_id, name, version, expression, limits)
    values (new.ledger_id, new.name, new.version, expression, limits)
    on conflict on constraint limited_groups_pkey do update
        set version = excluded.version, expression = excluded.expression, limits = excluded.limits;
    update accounts account
    set limited_groups = array(
        select own.name from unnest(account.limited_groups || new.name) own(name) order by own.name collate "C")
    where account.ledger_id = new.ledger_id and account.code ~ expression;
    return null;
end
$$
"""  # noqa: S608 - made of constants only


def statements() -> list[str]:
    return [
        JOIN_GROUPS,
        LIMIT_GROUP,
        "create trigger accounts_in_their_groups before insert on accounts "
        "for each row execute function zerosum_join_groups()",
        "create trigger account_groups_limited after insert on account_groups "
        "for each row execute function zerosum_limit_group()",
        "revoke all on function zerosum_limit_group() from public",
    ]
