"""An event's place is made of two functions: a database that is restored into a younger server adds to its numbers.

Revision: 0039.
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

FEED_PLACE = """
create function zerosum_feed_place() returns xid8 language sql stable as $$ select pg_current_xact_id() $$
"""

FEED_HORIZON = """
create function zerosum_feed_horizon() returns xid8 language sql stable parallel safe as
$$ select pg_snapshot_xmin(pg_current_snapshot()) $$
"""

APPEND_ACCOUNT_CHANGE = """
create or replace function zerosum_append_account_change(account accounts, origin text) returns void
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


def upgrade() -> None:
    op.execute(FEED_PLACE)
    op.execute(FEED_HORIZON)
    op.execute("alter table events alter column xid set default zerosum_feed_place()")
    op.execute(APPEND_ACCOUNT_CHANGE)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("alter table events alter column xid set default pg_current_xact_id()")
    op.execute(APPEND_ACCOUNT_CHANGE.replace("zerosum_feed_place()", "pg_current_xact_id()"))
    op.execute("drop function zerosum_feed_horizon()")
    op.execute("drop function zerosum_feed_place()")
