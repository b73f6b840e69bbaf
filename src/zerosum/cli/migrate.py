"""`zerosum migrate`."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from zerosum.cli.talk import FAILED, USAGE, CommandFailed, say, told_plainly
from zerosum.config import migration_database_url
from zerosum.db.errors import Failed
from zerosum.db.schema.feed_order import leave_places_free, put_in_order
from zerosum.db.schema.migrations import HEAD, current_revision, migrate
from zerosum.db.schema.startup_checks import Unfit, check_reachable, told_in_one_line

PAUSE_SECONDS = 1.0
"""Between two attempts to reach a database that is waited for."""


@told_plainly
def run_migrate(revision: str, wait_seconds: float = 0.0, *, is_restored: bool = False) -> int:
    url = migration_database_url()
    _reach(url, wait_seconds)
    try:
        with told_in_one_line("migrate"):
            asyncio.run(migrate(url, revision=revision))
            now_at = asyncio.run(current_revision(url)) or "nothing"
            is_mended = now_at == HEAD and asyncio.run(put_in_order(url))
            if is_restored and now_at == HEAD:
                asyncio.run(leave_places_free(url))
    except Failed as error:
        raise CommandFailed(str(error), FAILED) from None
    except Unfit as error:
        raise CommandFailed(f"ZEROSUM_MIGRATION_DATABASE_URL: {error}", USAGE) from None
    say(f"zerosum: the database is at revision {now_at}")
    if is_mended:
        say("zerosum: the database comes from another server: the feed of events goes on behind what it holds")
    if is_restored and now_at == HEAD:
        say("zerosum: the feed of events goes on behind everything that can have been told")
    return 0


def _reach(url: str, wait_seconds: float) -> None:
    """A database that is not there yet is waited for; one that refuses us would do so again. Raises CommandFailed."""
    give_up_at = time.monotonic() + wait_seconds
    is_told = False
    while True:
        try:
            return asyncio.run(check_reachable(url))
        except Unfit as error:
            if not _is_away(error) or time.monotonic() + PAUSE_SECONDS > give_up_at:
                raise CommandFailed(f"ZEROSUM_MIGRATION_DATABASE_URL: {error}", USAGE) from None
            if not is_told:
                say(f"zerosum: waiting for the database, {wait_seconds:g} seconds at most: {error}")
                is_told = True
        time.sleep(PAUSE_SECONDS)


def _is_away(error: Unfit) -> bool:
    """By what it was raised from: nobody listens, its name is not known yet, or it is just starting."""
    return isinstance(error.__context__, (OSError, asyncpg.CannotConnectNowError))
