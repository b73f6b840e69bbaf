"""Another file of rules or processors is told in the security log: once, whoever goes by it first."""

from __future__ import annotations

import asyncio

from tests.conftest import Servers
from tests.services.fresh_database import fresh_database
from zerosum.adapters.clock import now
from zerosum.adapters.rules import rule_set
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services import file_versions
from zerosum.services.file_versions import FileVersions
from zerosum.services.requests import live_processors

RULES, PROCESSORS = AuditType.RULES_FILE_CHANGED, AuditType.PROCESSORS_FILE_CHANGED


def test_no_version_is_gone_by_between_two_looks() -> None:
    assert all(file_versions.LOOK_SECONDS < files.LOOK_SECONDS for files in (rule_set, live_processors))


class Files:
    """What a process has read."""

    def __init__(self, database: Database) -> None:
        self.rules, self.processors = "", ""
        self.told = FileVersions(database, {RULES: self._rules, PROCESSORS: self._processors}, now)

    async def _rules(self) -> str:
        return self.rules

    async def _processors(self) -> str:
        return self.processors


async def told(database: Database) -> list[tuple[AuditType, str | None, object]]:
    async with database.work(SERVICE_LEDGER) as connection:
        wanted = AuditFilter(ledger_id=SERVICE_LEDGER)
        found = await list_audit_records(connection, wanted, after=None, limit=10, is_ascending=True)
    return [(one.type, one.actor, one.facts) for one in found]


async def test_each_version_is_told_once_by_whoever_goes_by_it_first(servers: Servers) -> None:
    async with fresh_database(servers) as database:
        first, second = Files(database), Files(database)
        both = (first.told, second.told)
        await asyncio.gather(*(one.tell_changes() for one in both))
        assert await told(database) == [], "there is no file"
        first.rules = second.rules = "a"
        await asyncio.gather(*(one.tell_changes() for one in both))
        first.rules = "b"
        for one in (*both, *both):
            await one.tell_changes()
        second.rules, first.processors = "b", "c"
        await asyncio.gather(*(one.tell_changes() for one in both))
        expected = [(RULES, None, "a"), (RULES, "a", "b"), (PROCESSORS, None, "c")]
        assert await told(database) == [
            (type_, "service", {"version": version, "before": before}) for type_, before, version in expected
        ]
        later = Files(database)
        later.rules, later.processors = "b", "c"
        await later.told.tell_changes()
        assert len(await told(database)) == 3, "a start is no change"
