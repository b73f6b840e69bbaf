"""The ceiling of the write path: set-wise SQL from asyncpg that writes the product's own rows and does nothing else.

Same tables, row-level security, trigger, indexes and round trips; no Book, no queue, no futures, no Redis.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.books import check_books
from benchmarks.ceiling_rows import SENT_AS, STREAMS, CeilingIsWrong, Columns, Payment, Rows, cut
from benchmarks.committer_cases import own_as_api
from benchmarks.cpu import Meter
from benchmarks.databases import fresh_database
from benchmarks.readings import Reading
from benchmarks.service import Service
from zerosum.cli.load import Histogram
from zerosum.cli.load.forks import in_forks
from zerosum.cli.processes import GC_THRESHOLDS

WARM_UP_SHARE = 0.1
"""Of the batches: they are written too, but not counted."""

MOMENT = "timestamp with time zone"
"""All moments of a batch are one, and sent once."""

SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

LOCK = """
select account.id, posted_debits::text, posted_credits::text, held::text, version, head
from unnest($2::uuid[]) as wanted(id) join accounts account on account.ledger_id = $1 and account.id = wanted.id
order by account.id for no key update of account
"""
FIND_KEYS = """
select wanted.key from unnest($2::text[]) as wanted(key)
where (select true from journal_entries where ledger_id = $1 and idempotency_key = wanted.key)
   or (select true from refusals where ledger_id = $1 and idempotency_key = wanted.key)
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything a batch sends, made beforehand."""

    payments: int
    account_ids: list[UUID]
    keys: list[str]
    arguments: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingCase:
    part: str = "ceiling"
    size: int
    connections: int
    service: Service
    rows: Rows

    @property
    def name(self) -> str:
        return f"batch {self.size}, {self.connections} connection{'s' if self.connections > 1 else ''}"

    def run(self) -> Reading:
        with fresh_database(self.service) as database:
            before = check_books(self.service, database)
            reading = in_forks([functools.partial(self._measure, database)])[0]
            after = check_books(self.service, database)
            if after.payments - before.payments != self.rows.payments:
                raise CeilingIsWrong(
                    f"{after.payments - before.payments} of {self.rows.payments} payments were written"
                )
        return reading

    def _measure(self, database: str) -> Reading:
        prepared = [prepare(self.rows, stream, self.size) for stream in range(STREAMS)]
        # One connection writes both streams, one after the other.
        work = prepared if self.connections == STREAMS else [prepared[0] + prepared[1]]
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        return uvloop.run(self._replay(self.service.dsn(database), work))

    async def _replay(self, dsn: str, work: list[list[Batch]]) -> Reading:
        statement = write_statement(self.rows.columns)
        writers = [await _Writer.open(dsn, self.rows.ledger_id, statement) for _ in work]
        warm = [int(len(batches) * WARM_UP_SHARE) for batches in work]
        await asyncio.gather(*(writer.write_all(own[:n]) for writer, own, n in zip(writers, work, warm, strict=True)))
        for writer in writers:
            writer.latencies, writer.steps = Histogram(), Counter()
        meter = Meter({"postgres": self.service.postgres_pids})
        meter.start()
        began = time.perf_counter()
        await asyncio.gather(*(writer.write_all(own[n:]) for writer, own, n in zip(writers, work, warm, strict=True)))
        seconds, spent = time.perf_counter() - began, meter.stop()
        latencies, steps = Histogram(), Counter[str]()
        for writer in writers:
            latencies.add(writer.latencies)
            steps.update(writer.steps)
            await writer.connection.close()
        items = sum(batch.payments for own, n in zip(work, warm, strict=True) for batch in own[n:])
        return Reading.of(items=items, seconds=seconds, latencies=latencies, spent=own_as_api(spent), steps=steps)


@dataclass(slots=True)
class _Writer:
    """One connection, and the time each of its steps has taken."""

    connection: asyncpg.Connection[asyncpg.Record]
    ledger_id: UUID
    lock: asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]
    find_keys: asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]
    write: asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]
    latencies: Histogram
    steps: Counter[str]

    @classmethod
    async def open(cls, dsn: str, ledger_id: UUID, statement: str) -> _Writer:
        connection = await asyncpg.connect(dsn, server_settings=SETTINGS)
        prepared = [await connection.prepare(text) for text in (LOCK, FIND_KEYS, statement)]
        return cls(connection, ledger_id, prepared[0], prepared[1], prepared[2], Histogram(), Counter())

    async def write_all(self, batches: Sequence[Batch]) -> None:
        begin = f"begin; select set_config('zerosum.ledgers', '{{{self.ledger_id}}}', true)"
        for batch in batches:
            times = [time.perf_counter()]
            await self.connection.execute(begin)
            times.append(time.perf_counter())
            await self.lock.fetch(self.ledger_id, batch.account_ids)
            times.append(time.perf_counter())
            used = await self.find_keys.fetch(self.ledger_id, batch.keys)
            times.append(time.perf_counter())
            await self.write.fetch(*batch.arguments)
            times.append(time.perf_counter())
            await self.connection.execute("commit")
            times.append(time.perf_counter())
            if used:
                raise CeilingIsWrong("a key was used before")
            self.latencies.record(times[-1] - times[0])
            for index, step in enumerate(("begin", "lock", "find keys", "write", "commit")):
                self.steps[step] += times[index + 1] - times[index]  # type: ignore[assignment]


def write_statement(columns: Mapping[str, Columns]) -> str:
    """Everything a batch writes, in one statement. `$1` is the moment, `$2` the ledger, then arrays."""
    numbers = count(3)
    parts = []
    for table, own in columns.items():
        sent = [(name, kind) for name, kind in zip(own.names, own.types, strict=True) if _is_sent(name, kind)]
        arrays = ", ".join(f"${next(numbers)}::{SENT_AS.get(kind, kind)}[]" for _, kind in sent)
        chosen = ", ".join(_chosen(name, kind) for name, kind in zip(own.names, own.types, strict=True))
        names = ", ".join(f'"{name}"' for name in own.names)
        row = ", ".join(f'"{name}"' for name, _ in sent)
        parts.append(
            f"new_{table} as (insert into {table} ({names}) select {chosen} from unnest({arrays}) as sent({row}))"
        )
    return f"with {', '.join(parts)} select"


def prepare(rows: Rows, stream: int, size: int) -> list[Batch]:
    """The batches of a stream."""
    return [_batch(rows, payments) for payments in cut(rows.streams[stream], size)]


def _batch(rows: Rows, payments: Sequence[Payment]) -> Batch:
    in_order = sorted(payments, key=lambda payment: payment.key)
    entries, entry_columns = payments[0].rows["journal_entries"], rows.columns["journal_entries"]
    arguments: list[Any] = [entries[0][entry_columns.names.index("posted_at")], rows.ledger_id]
    for table, own in rows.columns.items():
        table_rows = [row for payment in in_order for row in payment.rows[table]]
        for place, (name, kind) in enumerate(zip(own.names, own.types, strict=True)):
            if _is_sent(name, kind):
                arguments.append([row[place] for row in table_rows])
    account = rows.columns["postings"].names.index("account_id")
    touched = dict.fromkeys(row[account] for payment in payments for row in payment.rows["postings"])
    return Batch(len(payments), list(touched), [payment.key for payment in in_order], arguments)


def _is_sent(name: str, kind: str) -> bool:
    return name != "ledger_id" and kind != MOMENT


def _chosen(name: str, kind: str) -> str:
    if name == "ledger_id":
        return "$2"
    if kind == MOMENT:
        return "$1"
    return f'"{name}"::{kind}' if kind in SENT_AS else f'"{name}"'
