"""What can be there once only, in each ledger by itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.db.rows import insert_plain_row
from tests.db.servers import Connection
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.tables import metadata

ONCE = {
    "journal_entries": {
        "journal_entries_pkey": ["id"],
        "journal_entries_idempotency_key_unique": ["idempotency_key"],
        "journal_entries_reverses_unique": ["reverses"],
    },
    "refusals": {"refusals_pkey": ["idempotency_key"]},
    "accounts": {"accounts_pkey": ["id"], "accounts_code_unique": ["code"]},
    "postings": {"postings_pkey": ["account_id", "account_version"]},
    "payments": {"payments_pkey": ["id"]},
    "currencies": {"currencies_pkey": ["code"]},
    "charts": {"charts_pkey": ["version"]},
    "event_seals": {"event_seals_pkey": ["number"]},
    "ledger_routes": {"ledger_routes_pkey": ["version"]},
    "house_rules": {"house_rules_pkey": ["version"]},
}
CASES = [(table, name, columns) for table, names in ONCE.items() for name, columns in names.items()]


def equal_in(columns: list[str]) -> dict[str, Any]:
    numbers = {"account_version": 7, "version": 7, "number": 7}
    uuids = {"id", "reverses", "account_id"}
    return {name: numbers.get(name, new_uuid() if name in uuids else f"same-{new_uuid().hex}") for name in columns}


@pytest.mark.parametrize(("table", "name", "columns"), CASES, ids=[name for _, name, _ in CASES])
async def test_it_is_there_once_in_a_ledger_and_again_in_another(
    admin: Connection, table: str, name: str, columns: list[str]
) -> None:
    ledger_id, other_ledger_id = new_uuid(), new_uuid()
    same = equal_in(columns)
    await insert_plain_row(admin, metadata.tables[table], ledger_id=ledger_id, **same)
    await insert_plain_row(admin, metadata.tables[table], ledger_id=other_ledger_id, **same)
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await insert_plain_row(admin, metadata.tables[table], ledger_id=ledger_id, **same)
    assert caught.value.constraint_name == name


async def test_any_number_of_entries_reverses_nothing(admin: Connection) -> None:
    ledger_id: UUID = new_uuid()
    for _ in range(3):
        await insert_plain_row(admin, metadata.tables["journal_entries"], ledger_id=ledger_id, reverses=None)
