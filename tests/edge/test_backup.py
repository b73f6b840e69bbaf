"""The page about backup and restore, followed to the letter."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Client
from tests.db.servers import connected
from tests.edge.database_ground import OwnPostgres, deposit_status, paying
from zerosum.db.schema.provisioning import OWNER_ROLE, SERVICE_ROLE
from zerosum.db.schema.tables import metadata

TOP = Path(__file__).parents[2]
BACKUP_PASSWORD = "backup-password"


def commands() -> str:
    """What the page tells to type, in order."""
    page = (TOP / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    section = page.partition("## Backup and restore\n")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.fixture
async def server() -> AsyncIterator[OwnPostgres]:
    own = await asyncio.to_thread(OwnPostgres)
    if not (own.server.binaries.bin_path / "pg_dump").exists():
        own.close()
        pytest.skip("there is no pg_dump beside this PostgreSQL")
    yield own
    own.close()


def environment(server: OwnPostgres) -> dict[str, str]:
    admin = server.servers.superuser_dsn.rpartition("/")[0]
    address = admin.rpartition("@")[2]
    programs = f"{server.server.binaries.bin_path}:{Path(sys.executable).parent}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    return {
        **clean,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(TOP / "src"),
        "ADMIN": admin,
        "BACKUP_PASSWORD": BACKUP_PASSWORD,
        "BACKUP": f"postgresql://zerosum_backup:{BACKUP_PASSWORD}@{address}",
        "SERVICE": f"postgresql://{SERVICE_ROLE}:{server.servers.service_password}@{address}",
    }


async def rows(server: OwnPostgres, database: str) -> dict[str, list[str]]:
    """Everything in it, as text."""
    async with connected(server.servers.dsn(database, superuser=True)) as connection:
        return {
            name: [row[0] for row in await connection.fetch(f"select t::text from {name} t order by 1")]
            for name in metadata.tables
        }


async def test_what_the_page_says_restores_everything_and_payments_go_on(server: OwnPostgres, tmp_path: Path) -> None:
    dsn = await server.migrated("zerosum")
    async with paying(server.servers, dsn) as (_, client):
        assert {await deposit_status(client) for _ in range(3)} == {201}
        await client.open_account("b")
        assert (await client.transfer("a", "b", "2")).status_code == 201
        ledger, api_key = client.ledger, client.api_key
    before = await rows(server, "zerosum")
    said = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-e", "-c", commands()],
        cwd=tmp_path, env=environment(server), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert re.search(r"led_\S+: right \(\d+ accounts, 8 postings\)", said.stdout), said.stdout
    assert await rows(server, "zerosum_restored") == before
    async with paying(server.servers, server.servers.dsn("zerosum_restored")) as (service, _):
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=service.app, raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="http://zerosum.test",
            headers={"Authorization": f"Bearer {api_key}"},
        )
        again = Client(http, ledger, api_key)
        assert (await again.balance("a"))["available"] == "1.00"
        assert await deposit_status(again) == 201
        await http.aclose()


async def test_a_dump_by_the_owner_fails_instead_of_leaving_rows_out(server: OwnPostgres, tmp_path: Path) -> None:
    await server.migrated("zerosum")
    async with connected(server.servers.superuser_dsn) as connection:
        await connection.execute(f"create role owning login password 'x' in role {OWNER_ROLE}")
    address = environment(server)["ADMIN"].rpartition("@")[2]
    said = subprocess.run(
        ["pg_dump", f"--role={OWNER_ROLE}", f"--file={tmp_path / 'dump'}", f"postgresql://owning:x@{address}/zerosum"],
        env=environment(server), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode != 0
    assert "row-level security" in said.stderr
