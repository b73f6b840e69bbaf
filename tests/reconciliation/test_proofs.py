"""What was reconciled proves itself, and what somebody changes past the service is found."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from tests.api.conftest import Client
from tests.db.servers import Connection as Superuser
from tests.reconciliation.ground import breaks, csv_of, entry, make_source, open_bank, sent, today
from zerosum.db.engine import Database
from zerosum.db.schema.tables import metadata
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

DAY = today()
_ID = re.compile(r"(?<=_)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

TABLES = [name for name in metadata.tables if name.startswith("reconciliation_")]

TAMPERINGS = {
    "an amount of a line": (
        "update reconciliation_lines set amount = amount + 1 where ledger_id = $1 and number = 1",
        {
            "the file of reconciliation rcf_… is not what its lines come to",
            "the match rcm_… is of something that is not what it was matched as",
        },
    ),
    "a line deleted": (
        "delete from reconciliation_lines where ledger_id = $1 and number = 4",
        {
            "the file of reconciliation rcf_… has not the lines that it was received with",
            "the break brk_… is of an amount that its item has not",
        },
    ),
    "a line inserted": (
        "insert into reconciliation_lines select ledger_id, file_id, 5, source, 9, booked_on, value_on, amount, "
        "currency, null, reference_texts, null, false from reconciliation_lines where ledger_id = $1 and number = 4",
        {"the file of reconciliation rcf_… has not the lines that it was received with"},
    ),
    "a sum of a file": (
        "update reconciliation_files set money_in = money_in + 1 where ledger_id = $1",
        {"the file of reconciliation rcf_… is not what its lines come to"},
    ),
    "a match deleted": (
        "delete from reconciliation_matched where ledger_id = $1 and kind = 'line' and number = 1",
        {
            "the file of reconciliation rcf_… has lines that are neither matched nor a break",
            "the match rcm_… has not the items that it says",
        },
    ),
    "another entry in a match": (
        "update reconciliation_matched set number = number + 100 where ledger_id = $1 and kind = 'entry' "
        "and amount = 5",
        {"the match rcm_… is of something that is not what it was matched as"},
    ),
    "a wider tolerance": (
        "update reconciliation_matches set tolerance = 100 where ledger_id = $1 and rule = 'reference'",
        {"the match rcm_… differs by more than its source allows"},
    ),
    "a sum of a match": (
        "update reconciliation_matches set lines_sum = lines_sum + 1, entries_sum = entries_sum + 1 "
        "where ledger_id = $1 and rule = 'reference_sum'",
        {"the match rcm_… is not what its items come to"},
    ),
    "a break closed in silence": (
        "update reconciliation_breaks set state = 'resolved' where ledger_id = $1 and state = 'open'",
        {"the break brk_… is not as its last step has left it"},
    ),
    "a step deleted": (
        "delete from reconciliation_break_changes where ledger_id = $1 and number = 1",
        {"the break brk_… has not the steps that it says"},
    ),
    "a break deleted": (
        "delete from reconciliation_breaks where ledger_id = $1 and state = 'open' and kind = 'line'",
        {"the file of reconciliation rcf_… has lines that are neither matched nor a break"},
    ),
}


async def _everything(client: Client) -> None:
    await open_bank(client)
    (await make_source(client, rules={"tolerance": "0.01"})).raise_for_status()
    await entry(client, "5.00", key="r1")
    for part in ("1.00", "2.00"):
        await entry(client, part, metadata={"batch": "x"})
    (await make_source(client, rules={"tolerance": "0.01", "reference_member": "batch"})).raise_for_status()
    rows = f"{DAY},b1,r1,5.01,", f"{DAY},b2,x,3.00,", f"{DAY},b3,charges,-2.50,", f"{DAY},b4,?,9.00,"
    await sent(client, csv_of(*rows))
    charges = next(one for one in await breaks(client) if one["line"] == 3)
    body = {"account": "expenses:fees", "reason": "Bank charges"}
    answer = await client.post(f"/v1/reconciliation/breaks/{charges['id']}/adjust", body)
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def past_the_guards(superuser: Superuser) -> AsyncIterator[None]:
    """A superuser can switch every guard off."""
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        yield


async def _found(database: Database, ledger_id: UUID) -> set[str]:
    report = await verify_ledger(database, ledger_id, lambda _done, _total: None)
    return {_ID.sub("…", found.what) for found in report.breaks}


async def test_everything_is_right_until_somebody_changes_it(
    client: Client, database: Database, ledger_id: LedgerId, superuser: Superuser
) -> None:
    await _everything(client)
    assert await _found(database, ledger_id) == set()
    for table in TABLES:
        await superuser.execute(
            f"create temp table kept_{table} as select * from {table} where ledger_id = '{ledger_id}'"
        )
    for name, (statement, wanted) in TAMPERINGS.items():
        async with past_the_guards(superuser):
            tag = await superuser.execute(statement, ledger_id)
        assert int(tag.split()[-1]) >= 1, f"{name}: nothing was changed"
        found = await _found(database, ledger_id)
        async with past_the_guards(superuser):
            for table in TABLES:
                await superuser.execute(f"delete from {table} where ledger_id = $1", ledger_id)
                await superuser.execute(f"insert into {table} select * from kept_{table}")
        assert found == wanted, name
    assert await _found(database, ledger_id) == set()


async def test_the_service_cannot_change_what_is_kept(client: Client, database: Database, ledger_id: LedgerId) -> None:
    await _everything(client)
    for statement in (
        "update reconciliation_lines set amount = 1",
        "delete from reconciliation_matched",
        "update reconciliation_breaks set amount = 1",
        "update reconciliation_break_changes set actor = 'nobody'",
    ):
        with pytest.raises(Exception, match=r"permission denied|not allowed|refuse"):
            async with database.work(ledger_id) as connection:
                await connection.exec_driver_sql(statement)
