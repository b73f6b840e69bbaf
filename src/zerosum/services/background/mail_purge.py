"""Background work: what is old of the log of mails is taken away, and what is left of deleted notifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from zerosum.db.engine import Database
from zerosum.db.queries.notification_mails import purge_mails
from zerosum.db.queries.notifications import all_notifications, remove_notification
from zerosum.domain.notifications import LIMIT_SPAN

AT_ONCE = 2_000
SLICES_MAX = 200
"""Of one notification in one turn."""


class MailPurge:
    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)

    async def run_once(self) -> int:
        """How many were taken away. Of a notification that is deleted nothing stays that no limit counts any more."""
        before, taken = self._now() - self._kept, 0
        uncounted = self._now() - LIMIT_SPAN
        async with self._database.operator_work() as connection:
            notifications = await all_notifications(connection)
        for ledger_id, id_, is_deleted in notifications:
            for _ in range(SLICES_MAX):
                async with self._database.work(ledger_id) as connection:
                    gone = await purge_mails(
                        connection,
                        ledger_id,
                        id_,
                        uncounted if is_deleted else before,
                        at_once=AT_ONCE,
                        all_=is_deleted,
                    )
                    if is_deleted and gone < AT_ONCE:
                        await remove_notification(connection, ledger_id, id_)
                taken += gone
                if gone < AT_ONCE:
                    break
        return taken
