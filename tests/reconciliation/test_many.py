"""What a run looks at, and what a list does, where much is matched and little is open."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text

from tests.api.conftest import Client
from tests.reconciliation.ground import breaks, csv_of, make_source, open_bank, sent, today
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries import reconciliation_breaks
from zerosum.db.queries.reconciliation_matches import EntryPage, open_entries
from zerosum.domain.identifiers import LedgerId

MATCHED = 100_000
OPEN = 20
AT_ONCE = 5_000

_POSTINGS = """
insert into postings
select $1, $2, n, gen_random_uuid(), moment, moment, 0, 'd', 'p', false, 'USD', 1, n, 0, '', null
from generate_series(1, $3::int) n, lateral (select $4::timestamptz + n * interval '1 second' as moment) at
"""
_ENTRIES = """
insert into journal_entries (ledger_id, id, effective_at, posted_at, fingerprint, resource_type, reason, actor)
select ledger_id, entry_id, effective_at, posted_at, '', 'journal_entry', '', '' from postings
where ledger_id = $1 and account_version % $2 = 0
"""
_MATCHED = """
insert into reconciliation_matched
select $1, 'bank', 'entry', $2, n, gen_random_uuid(), 1, 'USD' from generate_series(1, $3::int) n where n % $4 <> 0
"""


async def test_what_is_matched_costs_a_question_of_an_index_each(
    superuser: asyncpg.Connection[asyncpg.Record], database: Database, ledger_id: LedgerId
) -> None:
    """No statistics are there yet, as after a large file: joined by the account alone it would never come to an end."""
    account_id, begun = new_uuid(), now() - timedelta(days=10)
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute(_POSTINGS, ledger_id, account_id, MATCHED, begun)
    await superuser.execute(_ENTRIES, ledger_id, MATCHED // OPEN)
    await superuser.execute(_MATCHED, ledger_id, account_id, MATCHED, MATCHED // OPEN)
    try:
        after: tuple[datetime, int] | None = (begun, 0)
        found, pages = 0, 0
        while after is not None:
            page = EntryPage(
                account_id=account_id,
                source="bank",
                to_at=now(),
                posted_until=now(),
                member="",
                after=after,
                limit=AT_ONCE,
            )
            async with database.work(ledger_id) as connection:
                await connection.execute(text("set local statement_timeout = '5s'"))
                rows, after = await open_entries(connection, ledger_id, page)
            found, pages = found + len(rows), pages + 1
        assert (found, pages) == (OPEN, MATCHED // AT_ONCE + 1)
    finally:
        for table in ("reconciliation_matched", "journal_entries", "postings"):
            await superuser.execute(f"delete from {table} where ledger_id = $1", ledger_id)


async def test_a_list_that_finds_few_looks_at_so_many_and_goes_on_from_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_bank(client)
    (await make_source(client)).raise_for_status()
    await sent(client, csv_of(*(f"{today()},b{number},none-{number},-1.0{number},fee" for number in range(7))))
    monkeypatch.setattr(reconciliation_breaks, "LOOKED_AT_MAX", 3)
    pages, cursor = [], None
    while True:
        given = {"explained": "true", "limit": 2, **({} if cursor is None else {"cursor": cursor})}
        answer = (await client.get("/v1/reconciliation/breaks", params=given)).json()
        pages.append(len(answer["data"]))
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert pages == [0, 0, 0]
    assert len(await breaks(client, explained="false", limit=2)) == 2
