"""The rows for the ceiling of the write path: written once by the product itself, then read back to be replayed.

So the replay writes exactly what the product writes, column for column, and a change of the schema is followed by
itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.databases import fresh_database
from benchmarks.ground import Ground
from benchmarks.service import Service
from zerosum.cli.installation import installation_settings
from zerosum.cli.load.forks import in_forks
from zerosum.domain.payments.pay import Pay
from zerosum.main import Service as Whole

BATCH = 1000
STREAMS = 2

ENTRY_ID_COLUMNS = {"journal_entries": "id", "events": "id", "payments": "id", "postings": "entry_id"}
"""What a payment writes, and by which column its rows are found."""

SENT_AS = {"numeric": "text", '"char"': "text", "jsonb": "text"}
"""Types that cost less to send as text."""

DEFAULTED = "xid8"
"""Columns of this type are filled by the database."""

Row = tuple[Any, ...]


class CeilingIsWrong(Exception):
    """The replay would not write what the product writes."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Of one table: names, and types as they are in the database."""

    names: tuple[str, ...]
    types: tuple[str, ...]

    def select_list(self) -> str:
        return ", ".join(
            f'"{name}"::{SENT_AS[kind]}' if kind in SENT_AS else f'"{name}"'
            for name, kind in zip(self.names, self.types, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Payment:
    """The rows of one payment, by table."""

    key: str
    rows: Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Rows:
    ledger_id: UUID
    columns: Mapping[str, Columns]
    streams: Sequence[Sequence[Sequence[Payment]]]
    """Two that share no account, each in batches with one moment of posting."""

    @property
    def payments(self) -> int:
        return sum(len(batch) for stream in self.streams for batch in stream)


def make_rows(service: Service, ground: Ground, payments: int) -> Rows:
    """So many payments in each of two streams."""
    with fresh_database(service) as database:
        return in_forks([functools.partial(_make, service, ground, database, payments)])[0]


def _make(service: Service, ground: Ground, database: str, payments: int) -> Rows:
    settings = installation_settings(service.data_dir, database_url=service.dsn(database), redis_url=None)
    return uvloop.run(_write_and_read(Whole(settings), service.dsn(database, superuser=True), ground, payments))


async def _write_and_read(whole: Whole, dsn: str, ground: Ground, payments: int) -> Rows:
    connection = await asyncpg.connect(dsn)
    try:
        await whole.start()
        counts = await _counts(connection)
        batches = [_batches(ground.half(stream).commands(payments, seed=100 + stream)) for stream in range(STREAMS)]
        for batch in (batch for stream in batches for batch in stream):
            await whole.committer.carry_out_each(batch)
        await whole.stop()
        after = await _counts(connection)
        others = {table for table in after if after[table] != counts[table]} - ENTRY_ID_COLUMNS.keys()
        if others:
            raise CeilingIsWrong(f"a payment also writes to {sorted(others)}: benchmarks/ceiling_rows.py must know")
        columns = {table: await _columns(connection, table) for table in ENTRY_ID_COLUMNS}
        rows = {table: await _rows_by_entry(connection, table, columns[table]) for table in ENTRY_ID_COLUMNS}
    finally:
        await connection.close()
    streams = [
        [
            [Payment(command.idempotency_key, {table: rows[table][command.id] for table in rows}) for command in batch]
            for batch in stream
        ]
        for stream in batches
    ]
    return Rows(ground.ledger_id, columns, streams)


def _batches(commands: list[Pay]) -> list[list[Pay]]:
    return [commands[first : first + BATCH] for first in range(0, len(commands), BATCH)]


async def _counts(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, int]:
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
    return {table: await connection.fetchval(f'select count(*) from "{table}"') for (table,) in tables}


async def _columns(connection: asyncpg.Connection[asyncpg.Record], table: str) -> Columns:
    rows = await connection.fetch(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum",
        table,
    )
    kept = [(name, kind) for name, kind in rows if kind != DEFAULTED]
    return Columns(tuple(name for name, _ in kept), tuple(kind for _, kind in kept))


async def _rows_by_entry(
    connection: asyncpg.Connection[asyncpg.Record], table: str, columns: Columns
) -> dict[UUID, list[Row]]:
    place = columns.names.index(ENTRY_ID_COLUMNS[table])
    found: dict[UUID, list[Row]] = {}
    for row in await connection.fetch(f"select {columns.select_list()} from {table}"):
        found.setdefault(row[place], []).append(tuple(row))
    return found


def cut(stream: Sequence[Sequence[Payment]], size: int) -> Iterator[Sequence[Payment]]:
    """Smaller batches, none with two moments of posting."""
    for batch in stream:
        for first in range(0, len(batch), size):
            yield batch[first : first + size]
