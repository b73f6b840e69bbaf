"""What was posted in a span of time is found by ids around it and the index of those apart: all, and little else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.db.ledgers_of_branches import BEGINNING
from tests.db.servers import Connection
from zerosum.db.engine import Database
from zerosum.db.identifiers import first_uuid_of, new_uuid
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.posted_entries import posted_between
from zerosum.db.schema.entry_times import APART

ENTRIES, A_SECOND = 6_000, 20
WAITED = (timedelta(), timedelta(), timedelta(milliseconds=1), APART, APART + timedelta(milliseconds=1))
LONG = timedelta(minutes=3)


def entry(number: int, waited: timedelta) -> tuple[UUID, datetime]:
    posted_at = BEGINNING + timedelta(seconds=number / A_SECOND)
    return UUID(int=first_uuid_of(posted_at - waited).int | number), posted_at


async def test_what_was_posted_in_a_second_is_found_without_the_minutes_around_it(
    database: Database, superuser: Connection
) -> None:
    ledger_id = new_uuid()
    entries = [entry(number, WAITED[number % 5]) for number in range(ENTRIES)]
    entries[::500] = [entry(number, LONG) for number in range(0, ENTRIES, 500)]
    entries[1::500] = [entry(number, -LONG) for number in range(1, ENTRIES, 500)]
    rows = [(ledger_id, id_, at, at, b"", "payment", "x", "x") for id_, at in entries]
    columns = ("ledger_id", "id", "effective_at", "posted_at", "fingerprint", "resource_type", "reason", "actor")
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        await superuser.copy_records_to_table("journal_entries", records=rows, columns=columns)
    for second in (0, 100, 150, 200, 299):
        since = BEGINNING + timedelta(seconds=second)
        until = since + timedelta(seconds=1)
        wanted = {id_ for id_, at in entries if since < at <= until}
        given = {"ledger_id": ledger_id, "since": since, "until": until}
        given |= {"since_low": first_uuid_of(since - APART), "until_high": first_uuid_of(until + APART)}
        async with database.work(ledger_id) as connection:
            await look_up_by_key(connection)
            found = (await connection.execute(text(posted_between("since", "until")), given)).scalars().all()
            explained = "explain (analyze, format json) " + posted_between("since", "until")
            [[plan]] = [list(row) for row in await connection.execute(text(explained), given)]
        assert len(found) == len(wanted)
        assert set(found) == wanted
        assert looked_at(plan[0]["Plan"]) < 10 * A_SECOND


def looked_at(node: dict[str, Any]) -> int:
    """Rows of tables, wanted or not."""
    own = int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) if "Relation Name" in node else 0
    return own + sum(looked_at(below) for below in node.get("Plans", ()))
