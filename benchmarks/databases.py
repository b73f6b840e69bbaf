"""Databases beside the service's own, on the same server: each reading below HTTP begins with a fresh one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import asyncpg

from benchmarks.service import DATABASE, Service
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE, provision

TEMPLATE = "bench_template"

_numbers = count(1)


def make_template(service: Service) -> None:
    """The newest schema, with everything that the service's own database holds now: ledger, accounts and funds."""
    superuser = service.dsn("postgres", superuser=True)
    password = service.dsn("postgres").partition("://")[2].partition(":")[2].rpartition("@")[0]
    asyncio.run(provision(superuser, database=TEMPLATE, service_password=password))
    asyncio.run(migrate(service.dsn(TEMPLATE, superuser=True), role=OWNER_ROLE))
    asyncio.run(_copy(service.dsn(DATABASE, superuser=True), service.dsn(TEMPLATE, superuser=True)))


@contextmanager
def fresh_database(service: Service, template: str = TEMPLATE) -> Iterator[str]:
    """The name of a copy of the template, dropped afterwards. An empty `template` gives an empty database."""
    name = f"bench_{next(_numbers)}"
    source = f'template "{template}" owner "{OWNER_ROLE}"' if template else ""
    service.sql(f'create database "{name}" {source}', database="postgres")
    try:
        service.sql("vacuum analyze", database=name)
        service.settle()
        yield name
    finally:
        service.sql(f'drop database "{name}" with (force)', database="postgres")


async def _copy(source_dsn: str, target_dsn: str) -> None:
    source, target = await asyncpg.connect(source_dsn), await asyncpg.connect(target_dsn)
    try:
        # What was right there is right here; the triggers need not look again.
        await target.execute("set session_replication_role = replica")
        tables = await source.fetch(
            "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'"
        )
        for (table,) in tables:
            content = io.BytesIO()
            await source.copy_from_table(table, output=content)
            content.seek(0)
            await target.copy_to_table(table, source=content)
    finally:
        await source.close()
        await target.close()
