"""Account groups: accounts under a name, and limits of what they move together.

Revision: 0027.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

ACCOUNT_GROUPS = """
create table account_groups (
    ledger_id uuid not null,
    name text not null,
    version integer not null,
    id uuid not null,
    content jsonb,
    created_at timestamptz not null,
    actor text not null,
    constraint account_groups_pkey primary key (ledger_id, name, version),
    constraint account_groups_counted_from_one check (version > 0)
)
"""

LIMITED_GROUPS = """
create table limited_groups (
    ledger_id uuid not null,
    name text not null,
    version integer not null,
    expression text not null,
    limits jsonb not null,
    constraint limited_groups_pkey primary key (ledger_id, name)
)
"""

GROUPS_LOCK = "hashtextextended('zerosum:limited groups:' || new.ledger_id, 0)"

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


def upgrade() -> None:
    op.execute("alter table accounts add column limited_groups text[]")
    op.execute("create index accounts_in_limited_groups on accounts (ledger_id, id) where limited_groups is not null")
    op.execute(ACCOUNT_GROUPS)
    op.execute(LIMITED_GROUPS)
    for name in ("account_groups", "limited_groups"):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "create trigger account_groups_unchanged before update or delete or truncate on account_groups "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute(JOIN_GROUPS)
    op.execute(LIMIT_GROUP)
    op.execute("revoke all on function zerosum_limit_group() from public")
    op.execute(
        "create trigger accounts_in_their_groups before insert on accounts "
        "for each row execute function zerosum_join_groups()"
    )
    op.execute(
        "create trigger account_groups_limited after insert on account_groups "
        "for each row execute function zerosum_limit_group()"
    )
    op.execute("grant select, insert on account_groups to zerosum_app")
    op.execute("grant select, update (version) on limited_groups to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "account_groups"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop trigger accounts_in_their_groups on accounts")
    op.execute("drop table account_groups")
    op.execute("drop table limited_groups")
    op.execute("drop function zerosum_limit_group()")
    op.execute("drop function zerosum_join_groups()")
    op.execute("drop index accounts_in_limited_groups")
    op.execute("alter table accounts drop column limited_groups")
