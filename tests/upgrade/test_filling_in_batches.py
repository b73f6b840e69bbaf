"""Revision 0009 tells accounts when they were last posted to: in batches, and further where it was cut off."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.conftest import Servers
from tests.db.servers import Connection, connected, empty_database
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE

BEFORE, AFTER = "0008", "0009"
ACCOUNTS = 2_500
AT_ONCE = 1_000

_OPEN = """
insert into accounts (ledger_id, id, version, code, currency, type, status, posted_debits, posted_credits, held, head,
                      created_at)
select $1, gen_random_uuid(), 1 + number % 2, number::text, 'USD', 'liability', 'open', 0, 2, 0, '', now()
from generate_series(1, $2::int) number
"""
_POST = """
insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place, side, layer,
                      releases, currency, amount, balance_after, held_after, hash)
select ledger_id, id, posting, gen_random_uuid(), now(), timestamptz '2026-01-01' + code::int * interval '1 second'
       + posting * interval '1 day', 0, 'c', 'p', false, 'USD', 1, posting, 0, ''
from accounts, generate_series(1, version) posting where ledger_id = $1
"""
_LOG = """
create table filled (number bigint, xid xid8);
create table cut_off ();
create function log_filled() returns trigger language plpgsql security definer as $$
begin
    insert into public.filled select count(*), pg_current_xact_id() from changed;
    if (select sum(number) from public.filled) > 2000 and to_regclass('public.cut_off') is not null then
        raise 'the connection is gone';
    end if;
    return null;
end $$;
create trigger filled after update on accounts referencing new table as changed
for each statement execute function log_filled();
"""
_WRONG = """
select count(*) from accounts account where ledger_id = $1 and last_posted_at is distinct from (
    select max(posted_at) from postings posting
    where posting.ledger_id = account.ledger_id and posting.account_id = account.id)
"""


async def fill_ledger(connection: Connection, number: int) -> UUID:
    ledger_id = new_uuid()
    await connection.execute("set session_replication_role = replica")
    await connection.execute("insert into ledgers values ($1, 'old', now())", ledger_id)
    await connection.execute(_OPEN, ledger_id, number)
    await connection.execute(_POST, ledger_id)
    await connection.execute("reset session_replication_role")
    return ledger_id


async def batches(connection: Connection) -> list[int]:
    """By transaction, in order."""
    rows = await connection.fetch("select sum(number)::int from filled where number > 0 group by xid order by xid")
    return [row[0] for row in rows]


async def test_accounts_are_told_their_time_in_batches_and_on_from_where_it_was_cut_off(
    servers: Servers, worker_id: str
) -> None:
    async with empty_database(servers, f"zerosum_batches_{worker_id}") as dsn, connected(dsn) as connection:
        await migrate(dsn, role=OWNER_ROLE, revision=BEFORE)
        ledgers = [await fill_ledger(connection, ACCOUNTS), await fill_ledger(connection, 3)]
        await connection.execute(_LOG)
        with pytest.raises(Exception, match="the connection is gone"):
            await migrate(dsn, role=OWNER_ROLE, revision=AFTER)
        assert await batches(connection) == [AT_ONCE, AT_ONCE], "what was done stays"
        await connection.execute("drop table cut_off")
        await migrate(dsn, role=OWNER_ROLE, revision=AFTER)
        assert sorted(await batches(connection)) == [3, ACCOUNTS - 2 * AT_ONCE, AT_ONCE, AT_ONCE]
        for ledger_id in ledgers:
            assert await connection.fetchval(_WRONG, ledger_id) == 0
