"""`zerosum migrate`."""

from __future__ import annotations

import asyncio

from zerosum.cli.talk import CommandFailed, say, told_plainly
from zerosum.config import migration_database_url
from zerosum.db.migrations import current_revision, migrate


@told_plainly
def run_migrate(revision: str) -> int:
    url = migration_database_url()
    try:
        asyncio.run(migrate(url, revision=revision))
        now_at = asyncio.run(current_revision(url)) or "nothing"
    except OSError as error:
        raise CommandFailed(f"PostgreSQL cannot be reached: {error}") from None
    say(f"zerosum: the database is at revision {now_at}")
    return 0
