"""Proofs: what is said about an account has a history that the database keeps by itself, and refusals are sealed.

Accounts that are there already get their first revision, a thousand at a time, while payments go on.

Revision: 0010.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADOPTED_AT_ONCE = 1_000

NETSTRING = """
create function zerosum_netstring(content text) returns text language sql immutable as $$
    select coalesce(octet_length(convert_to(content, 'UTF8')) || ':' || content || ',', '-,')
$$
"""

APPEND_ACCOUNT_CHANGE = """
create function zerosum_append_account_change(account accounts, origin text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    actor text := nullif(current_setting('zerosum.actor', true), '');
    moment timestamptz := now();
    transaction xid8 := pg_current_xact_id();
    revision bigint;
    previous bytea;
begin
    select last.revision, last.hash into revision, previous from account_changes last
    where last.ledger_id = account.ledger_id and last.account_id = account.id order by last.revision desc limit 1;
    revision := coalesce(revision, 0) + 1;
    previous := coalesce(previous, sha256(
        convert_to('zerosum.account-genesis.v1', 'UTF8') || uuid_send(account.ledger_id) || uuid_send(account.id)));
    insert into account_changes (ledger_id, account_id, revision, origin, xid, changed_at, actor, code, name, type,
                                 currency, status, min_available, max_available, metadata, hash)
    values (account.ledger_id, account.id, revision, origin, transaction, moment, actor, account.code, account.name,
            account.type, account.currency, account.status, account.min_available, account.max_available,
            account.metadata,
            sha256(convert_to('zerosum.account.v1', 'UTF8') || previous || convert_to(
                zerosum_netstring(revision::text) || zerosum_netstring(origin) || zerosum_netstring(transaction::text)
                || zerosum_netstring(trunc(extract(epoch from moment) * 1000000)::text) || zerosum_netstring(actor)
                || zerosum_netstring(account.code) || zerosum_netstring(account.name)
                || zerosum_netstring(account.type) || zerosum_netstring(account.currency)
                || zerosum_netstring(account.status) || zerosum_netstring(account.min_available::text)
                || zerosum_netstring(account.max_available::text) || zerosum_netstring(account.metadata::text),
                'UTF8')));
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
               last.metadata)
            is distinct from (old.code, old.name, old.type, old.currency, old.status, old.min_available,
                              old.max_available, old.metadata) then
            perform zerosum_append_account_change(old, 'found');
        end if;
    end if;
    perform zerosum_append_account_change(new, 'set');
    return null;
end
$$
"""

# Row-level security binds the owner too, so each ledger is opened in turn.
LEDGERS = """
create function zerosum_ledgers_to_adopt() returns setof uuid language plpgsql set search_path = public, pg_temp as $$
begin
    perform set_config('zerosum.operator', 'on', true);
    return query select ledger_id from ledgers order by ledger_id;
end
$$
"""

ADOPT = """
create function zerosum_adopt_accounts(of_ledger uuid, at_most integer) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
    account accounts;
    adopted integer := 0;
begin
    perform set_config('zerosum.ledgers', '{' || of_ledger || '}', true);
    -- Locked, so that a change meanwhile finds either no history or all of it.
    for account in
        select * from accounts wanted where ledger_id = of_ledger and not exists (
            select from account_changes change
            where change.ledger_id = wanted.ledger_id and change.account_id = wanted.id
        ) order by id limit at_most for no key update
    loop
        if not exists (select from account_changes change
                       where change.ledger_id = account.ledger_id and change.account_id = account.id) then
            perform zerosum_append_account_change(account, 'adopted');
        end if;
        adopted := adopted + 1;
    end loop;
    return adopted;
end
$$
"""

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)


def upgrade() -> None:
    # What an earlier try has made is there: only its filling was cut off.
    if op.get_bind().exec_driver_sql("select to_regclass('public.account_changes') is null").scalar():
        _make()
    # Here the lock on accounts is let go; the filling takes its own, of a thousand rows at a time.
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        op.execute("drop function if exists zerosum_adopt_accounts(uuid, integer)")
        op.execute("drop function if exists zerosum_ledgers_to_adopt()")
        op.execute(LEDGERS)
        op.execute(ADOPT)
        for (ledger_id,) in connection.exec_driver_sql("select zerosum_ledgers_to_adopt()").all():
            while (
                connection.exec_driver_sql(f"select zerosum_adopt_accounts('{ledger_id}', {ADOPTED_AT_ONCE})").scalar()
                == ADOPTED_AT_ONCE
            ):
                pass
        op.execute("drop function zerosum_adopt_accounts(uuid, integer)")
        op.execute("drop function zerosum_ledgers_to_adopt()")


def _make() -> None:
    op.execute("""
        create table account_changes (
            ledger_id uuid not null,
            account_id uuid not null,
            revision bigint not null,
            origin text not null,
            xid xid8 not null,
            changed_at timestamptz not null,
            actor text,
            code text not null,
            name text,
            type text not null,
            currency text not null,
            status text not null,
            min_available numeric,
            max_available numeric,
            metadata jsonb,
            hash bytea not null,
            constraint account_changes_pkey primary key (ledger_id, account_id, revision),
            constraint account_changes_origin_known check (origin in ('set', 'adopted', 'found')),
            constraint account_changes_limits_ordered check (min_available <= max_available)
        )
    """)
    op.execute("""
        create table refusal_seals (
            ledger_id uuid not null,
            number bigint not null,
            from_at timestamptz not null,
            until_at timestamptz not null,
            refusals bigint not null,
            digest bytea not null,
            sealed_at timestamptz not null,
            hash bytea not null,
            constraint refusal_seals_pkey primary key (ledger_id, number),
            constraint refusal_seals_span_ordered check (from_at <= until_at)
        )
    """)
    for table in ("account_changes", "refusal_seals"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy {table}_by_ledger on {table} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(
            f"create trigger {table}_unchanged before update or delete or truncate on {table} "
            "for each statement execute function zerosum_refuse_change()"
        )
        op.execute(f"grant select on {table} to zerosum_app")
    op.execute("grant insert on refusal_seals to zerosum_app")
    op.execute(NETSTRING)
    op.execute(APPEND_ACCOUNT_CHANGE)
    op.execute(RECORD_ACCOUNT_CHANGE)
    op.execute("revoke all on function zerosum_record_account_change() from public")
    op.execute("revoke all on function zerosum_append_account_change(accounts, text) from public")
    op.execute(
        "create trigger accounts_recorded after insert or update of code, name, type, currency, status, min_available, "
        "max_available, metadata on accounts for each row execute function zerosum_record_account_change()"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop trigger accounts_recorded on accounts")
    op.execute("drop function zerosum_record_account_change()")
    op.execute("drop function zerosum_append_account_change(accounts, text)")
    op.execute("drop function zerosum_netstring(text)")
    op.execute("drop table refusal_seals")
    op.execute("drop table account_changes")
