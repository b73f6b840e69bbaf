"""Puts together the processors outside, as the file of the settings describes them whenever one looks; and who watches
that file and the one of the rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from zerosum.config import Settings
from zerosum.db.engine import Database
from zerosum.domain.audit import AuditType
from zerosum.services.file_versions import FileVersions
from zerosum.services.judging import RuleBook
from zerosum.services.requests.live_processors import Described, LiveProcessors


def live_processors(
    settings: Settings, database: Database | None = None, now: Callable[[], datetime] | None = None
) -> LiveProcessors:
    """With a database they are known to be well or not, once it was asked. Raises SettingsError."""

    def read() -> Described:
        processors = settings.processors()
        return Described(processors=processors, outside=settings.outside(processors))

    return LiveProcessors(settings.processors_file, read, database, now)


def watched_files(
    database: Database, rule_book: RuleBook | None, processors: LiveProcessors, now: Callable[[], datetime]
) -> FileVersions:
    """Those of the installation whose changes the security log tells."""

    async def rules_version() -> str:
        return "" if rule_book is None else (await rule_book.current()).version

    async def processors_version() -> str:
        return processors.outside.version

    files = {AuditType.RULES_FILE_CHANGED: rules_version, AuditType.PROCESSORS_FILE_CHANGED: processors_version}
    return FileVersions(database, files, now)
