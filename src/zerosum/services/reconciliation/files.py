"""Use cases about files: receive one, once for its content, match what it says, and read what was received."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reconciliation_files import FileRecord as FileRecord  # shown by the routes
from zerosum.db.queries.reconciliation_files import (
    RunRecord,
    count_written_lines,
    find_files,
    insert_file,
    insert_lines,
    insert_run,
    list_files,
    open_run,
)
from zerosum.domain.errors import ReconciliationBusy, ReconciliationFileNotFound
from zerosum.domain.money import Currency
from zerosum.domain.reconciliation.outside import OutsideRecord
from zerosum.domain.reconciliation.sources import ReconciliationSource, RecordFormat
from zerosum.services.reconciliation.kept_texts import check_card_numbers
from zerosum.services.reconciliation.open_sides import Ground, OutOfTime
from zerosum.services.reconciliation.reading_camt053 import read_camt053
from zerosum.services.reconciliation.reading_csv import read_csv
from zerosum.services.reconciliation.running import Runner
from zerosum.services.reconciliation.sources import ReconciliationSources
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.time_zones import parse_time_zone

FILE_BYTES_MAX = 8 * 1024 * 1024
LINES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Received:
    """`is_repeat`: the same content was received before, and only what was still open was looked at again."""

    file: FileRecord
    is_repeat: bool


class ReconciliationFiles:
    def __init__(
        self,
        database: Database,
        sources: ReconciliationSources,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._sources = sources
        self._currencies = currencies
        self._cursors = cursors
        self._now = now
        self._runner = Runner(database, now)

    async def receive(
        self, caller: Caller, source_name: str, content: bytes, *, refuses_card_numbers: bool = False
    ) -> Received:
        """Take it as a whole or not at all, then match it. What was cut off goes on when the same file comes again.

        Raises ReconciliationSourceNotFound, ReconciliationFileInvalid, and what `Runner.finish` raises.
        """
        ends_at = self._runner.ends_at()
        source = await self._sources.get(caller, source_name)
        currency = await self._currencies.get(caller.ledger_id, source.content["currency"])
        record = await asyncio.to_thread(read, source, currency, content)
        if refuses_card_numbers:
            await asyncio.to_thread(check_card_numbers, record)
        async with self._database.work(caller.ledger_id) as connection:
            wanted = self._record(caller, source, record, content)
            file_id = await insert_file(connection, caller.ledger_id, wanted)
        file = await self.get(caller, file_id)
        if not file.is_matched and file.source_version != source.version:
            # It was begun under another mapping; some of its lines may be there, and they stay.
            begun = await self._sources.get(caller, source_name, file.source_version)
            record = await asyncio.to_thread(read, begun, currency, content)
        with contextlib.suppress(OutOfTime):
            await self._finish_open_run(caller, source_name, ends_at)
            if not file.is_matched:
                await self._write_lines(caller, file, record, ends_at)
            await self._match(caller, source, file, ends_at)
        return Received(await self.get(caller, file_id), is_repeat=file.is_matched)

    def _record(
        self, caller: Caller, source: ReconciliationSource, record: OutsideRecord, content: bytes
    ) -> FileRecord:
        return FileRecord(
            id=new_uuid(),
            source=source.name,
            source_version=source.version,
            account_id=source.account_id,
            currency=source.content["currency"],
            sha256=sha256(content).digest(),
            bytes=len(content),
            lines=len(record.lines),
            money_in=record.total(1),
            money_out=record.total(-1),
            opening=record.opening,
            closing=record.closing,
            from_on=record.from_on,
            to_on=record.to_on,
            actor=caller.actor,
            received_at=self._now(),
        )

    async def _write_lines(self, caller: Caller, file: FileRecord, record: OutsideRecord, ends_at: float) -> None:
        async with self._database.work(caller.ledger_id) as connection:
            written = await count_written_lines(connection, caller.ledger_id, file.id)
        for start in range(written, len(record.lines), LINES_AT_ONCE):
            self._runner.check(ends_at)
            async with self._database.work(caller.ledger_id) as connection:
                piece = record.lines[start : start + LINES_AT_ONCE]
                await insert_lines(connection, caller.ledger_id, file, start + 1, piece)

    async def _match(self, caller: Caller, source: ReconciliationSource, file: FileRecord, ends_at: float) -> None:
        self._runner.check(ends_at)
        run = RunRecord(
            id=new_uuid(),
            source=source.name,
            source_version=source.version,
            file_id=file.id,
            actor=caller.actor,
            begun_at=self._now(),
        )
        async with self._database.work(caller.ledger_id) as connection:
            is_begun = await insert_run(connection, caller.ledger_id, run)
        if not is_begun:
            raise ReconciliationBusy("Another file of the source is being matched: send this one again.", retry_after=1)
        currency = await self._currencies.get(caller.ledger_id, file.currency)
        await self._runner.finish(caller, Ground(run=run, file=file, source=source, currency=currency), ends_at)

    async def _finish_open_run(self, caller: Caller, source_name: str, ends_at: float) -> None:
        """What somebody was cut off in: under the rules it was begun with."""
        async with self._database.work(caller.ledger_id) as connection:
            run = await open_run(connection, caller.ledger_id, source_name)
        if run is None:
            return
        source = await self._sources.get(caller, source_name, run.source_version)
        file = await self.get(caller, run.file_id)
        currency = await self._currencies.get(caller.ledger_id, file.currency)
        await self._runner.finish(caller, Ground(run=run, file=file, source=source, currency=currency), ends_at)

    async def get(self, caller: Caller, file_id: UUID) -> FileRecord:
        """Raises ReconciliationFileNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = (await find_files(connection, caller.ledger_id, file_id)).get(file_id)
        if found is None:
            raise ReconciliationFileNotFound("This ledger has received no such file.")
        return found

    async def list(self, caller: Caller, request: PageRequest) -> Page[FileRecord]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_files(
                connection,
                caller.ledger_id,
                source=position.filters.get("source"),
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda file: file.id)


def read(source: ReconciliationSource, currency: Currency, content: bytes) -> OutsideRecord:
    """Raises ReconciliationFileInvalid. For a thread: a large file takes a while."""
    zone = parse_time_zone(source.time_zone)
    if source.format is RecordFormat.CAMT053:
        return read_camt053(content, currency, zone, source.content["outside_account"])
    return read_csv(content, source.mapping(), currency, zone)
