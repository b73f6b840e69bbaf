"""Made once, and only to be made again by a revision that nobody runs any more:

    git worktree add /tmp/old 646632a && cp -r tests/upgrade /tmp/old/tests/
    cd /tmp/old && make install-dev && .venv/bin/python -m pytest -n 0 tests/upgrade/make_filled.py

leaves `filled_646632a.sql.gz` and `filled_646632a.json.gz` in its `tests/upgrade`.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from tests.api.conftest import make_client
from tests.conftest import TestDatabase
from tests.upgrade.filling import fill_clients, fill_shop
from tests.upgrade.readings import read_everything
from zerosum.domain.identifiers import LedgerId
from zerosum.embedded.binaries import find_postgres
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

HERE = Path(__file__).parent


async def test_fill_and_dump(service: Service, test_database: TestDatabase) -> None:
    told = {}
    for name, fill in (("shop", fill_shop), ("clients", fill_clients), ("empty", None)):
        ledger = await service.services.ledgers.create(name)
        client = await make_client(service, LedgerId(ledger.id))
        if fill is not None:
            await fill(client)
        report = await verify_ledger(service.database, ledger.id, lambda done, total: None)
        assert report.is_right, report.breaks
        told[name] = {
            "ledger": client.ledger,
            "api_key": client.api_key,
            "verified": [report.accounts, report.postings],
            "readings": await read_everything(client, await _keys(test_database, ledger.id)),
        }
    _write(told, _dumped(test_database))


async def _keys(database: TestDatabase, ledger_id: UUID) -> list[str]:
    query = (
        "select idempotency_key from journal_entries where ledger_id = $1 union "
        "select idempotency_key from refusals where ledger_id = $1 order by 1"
    )
    connection = await asyncpg.connect(database.superuser_dsn)
    try:
        return [row[0] for row in await connection.fetch(query, ledger_id)]
    finally:
        await connection.close()


def _dumped(database: TestDatabase) -> str:
    program = find_postgres().bin_path / "pg_dump"
    command = [
        str(program),
        "--data-only",
        "--column-inserts",
        "--rows-per-insert=100",
        "--exclude-table=alembic_version",
    ]
    dump = subprocess.run([*command, database.superuser_dsn], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dump.split("\n") if line and not line.startswith(("--", "\\")))


def _write(told: dict[str, Any], dump: str) -> None:
    (HERE / "filled_646632a.json.gz").write_bytes(gzip.compress(json.dumps(told, indent=1).encode(), mtime=0))
    (HERE / "filled_646632a.sql.gz").write_bytes(gzip.compress(dump.encode(), mtime=0))
