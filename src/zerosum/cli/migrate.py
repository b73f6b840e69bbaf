"""`zerosum migrate`."""

from __future__ import annotations

import asyncio

from zerosum.cli.talk import FAILED, USAGE, CommandFailed, say, told_plainly
from zerosum.config import migration_database_url
from zerosum.db.checks import Unfit, check_reachable, told_in_one_line
from zerosum.db.errors import Failed
from zerosum.db.migrations import current_revision, migrate


@told_plainly
def run_migrate(revision: str) -> int:
    url = migration_database_url()
    try:
        asyncio.run(check_reachable(url))
    except Unfit as error:
        raise CommandFailed(f"ZEROSUM_MIGRATION_DATABASE_URL: {error}", USAGE) from None
    try:
        with told_in_one_line("migrate"):
            asyncio.run(migrate(url, revision=revision))
            now_at = asyncio.run(current_revision(url)) or "nothing"
    except Failed as error:
        raise CommandFailed(str(error), FAILED) from None
    except Unfit as error:
        raise CommandFailed(f"ZEROSUM_MIGRATION_DATABASE_URL: {error}", USAGE) from None
    say(f"zerosum: the database is at revision {now_at}")
    return 0
