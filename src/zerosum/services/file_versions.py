"""That the installation's files of rules and processors have changed is told in the service's own security log.

Every process reads them by itself. The first that goes by another version than was told last writes the record; under a
lock, so that the others find it there. One that still goes by the older one, and has told of it, tells nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import THE_SERVICE

LOOK_SECONDS = 0.5
"""Processes look for another file once a second: one that is put back as soon as it was read is told, too."""

VersionOf = Callable[[], Awaitable[str]]
"""Which version of a file this process goes by now; empty where there is none."""

_log = logging.getLogger(__name__)


class FileVersions:
    """`files` by what is told of each."""

    def __init__(self, database: Database, files: Mapping[AuditType, VersionOf], now: Callable[[], datetime]) -> None:
        self._database = database
        self._files = files
        self._now = now
        self._told: dict[AuditType, str] = {}

    async def watch_forever(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.tell_changes()
            except Exception as error:
                _log.warning("which files are gone by cannot be told now (%s)", type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def tell_changes(self) -> None:
        for type_, version_of in self._files.items():
            version = await version_of()
            if version and version != self._told.get(type_):
                await self._tell(type_, version)
                self._told[type_] = version

    async def _tell(self, type_: AuditType, version: str) -> None:
        wanted = AuditFilter(ledger_id=SERVICE_LEDGER, type=type_.value)
        async with self._database.work(SERVICE_LEDGER) as connection:
            await lock_until_commit(connection, type_.value)
            newest = await list_audit_records(connection, wanted, after=None, limit=1, is_ascending=False)
            before = newest[0].facts.get("version") if newest else None
            if before != version:
                facts = {"version": version, "before": before}
                await audited(connection, audit_record(type_, THE_SERVICE, self._now(), resource=None, facts=facts))
