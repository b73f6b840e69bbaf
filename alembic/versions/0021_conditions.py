"""Conditions, which an entry was posted under, and velocity limits of accounts.

Revision: 0021.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

ENTRY_CONDITIONS = """
create table entry_conditions (
    ledger_id uuid not null,
    id uuid not null,
    ordered bytea not null,
    content jsonb not null,
    constraint entry_conditions_pkey primary key (ledger_id, id)
)
"""

APPEND_ACCOUNT_CHANGE = """
create or replace function zerosum_append_account_change(account accounts, origin text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    -- A batch names those of many accounts, a unit of work its only one.
    actor text := coalesce(nullif(current_setting('zerosum.actors', true), '')::jsonb ->> account.id::text,
                           nullif(current_setting('zerosum.actor', true), ''));
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
create or replace function zerosum_record_account_change() returns trigger language plpgsql security definer
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

APPEND_ACCOUNT_CHANGE_BEFORE = """
create or replace function zerosum_append_account_change(account accounts, origin text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    -- A batch names those of many accounts, a unit of work its only one.
    actor text := coalesce(nullif(current_setting('zerosum.actors', true), '')::jsonb ->> account.id::text,
                           nullif(current_setting('zerosum.actor', true), ''));
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

RECORD_ACCOUNT_CHANGE_BEFORE = """
create or replace function zerosum_record_account_change() returns trigger language plpgsql security definer
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

FIRST_VERSION_SINCE = """
create function zerosum_first_version_since(ledger uuid, account uuid, version bigint, moment timestamptz)
returns bigint language plpgsql stable as $$
declare
    before bigint := 0;
    since bigint := version + 1;
    step bigint := 1;
    middle bigint;
begin
    -- From the newest posting back, twice as far each time: windows are short, histories are long.
    loop
        middle := since - step;
        exit when middle <= 0;
        if (select posted_at < moment from public.postings posting where posting.ledger_id = ledger
            and posting.account_id = account and posting.account_version = middle) then
            before := middle;
            exit;
        end if;
        since := middle;
        step := step * 2;
    end loop;
    while since - before > 1 loop
        middle := (before + since) / 2;
        if (select posted_at < moment from public.postings posting where posting.ledger_id = ledger
            and posting.account_id = account and posting.account_version = middle) then
            before := middle;
        else
            since := middle;
        end if;
    end loop;
    return since;
end
$$
"""
FIRST_VERSION_SIGNATURE = "zerosum_first_version_since(uuid, uuid, bigint, timestamptz)"

RECORDED_COLUMNS = "code, name, type, currency, status, min_available, max_available, metadata"


def _record_changes_of(columns: str) -> None:
    op.execute("drop trigger accounts_recorded on accounts")
    op.execute(
        f"create trigger accounts_recorded after insert or update of {columns} on accounts "
        "for each row execute function zerosum_record_account_change()"
    )


def upgrade() -> None:
    op.execute("alter table accounts add column velocity_limits jsonb")
    op.execute("alter table account_changes add column velocity_limits jsonb")
    op.execute("grant update (velocity_limits) on accounts to zerosum_app")
    op.execute(APPEND_ACCOUNT_CHANGE)
    op.execute(RECORD_ACCOUNT_CHANGE)
    _record_changes_of(f"{RECORDED_COLUMNS}, velocity_limits")
    op.execute(FIRST_VERSION_SINCE)
    op.execute(f"revoke all on function {FIRST_VERSION_SIGNATURE} from public")
    op.execute(f"grant execute on function {FIRST_VERSION_SIGNATURE} to zerosum_app")
    op.execute(ENTRY_CONDITIONS)
    op.execute("alter table entry_conditions enable row level security")
    op.execute("alter table entry_conditions force row level security")
    op.execute(
        "create policy entry_conditions_by_ledger on entry_conditions "
        f"using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger entry_conditions_unchanged before update or delete or truncate on entry_conditions "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on entry_conditions to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table entry_conditions")
    op.execute(f"drop function {FIRST_VERSION_SIGNATURE}")
    _record_changes_of(RECORDED_COLUMNS)
    op.execute(RECORD_ACCOUNT_CHANGE_BEFORE)
    op.execute(APPEND_ACCOUNT_CHANGE_BEFORE)
    op.execute("revoke update (velocity_limits) on accounts from zerosum_app")
    op.execute("alter table account_changes drop column velocity_limits")
    op.execute("alter table accounts drop column velocity_limits")
