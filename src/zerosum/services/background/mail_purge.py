"""Background work: what is old of the log of mails is taken away, and what is left of deleted notifications."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.notification_mails import purge_mails
from zerosum.db.queries.notifications import all_notifications, remove_notification
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.notifications import LIMIT_SPAN
from zerosum.services.apart import apart

AT_ONCE = 2_000
SLICES_MAX = 200
"""Of one notification in one turn."""

_log = logging.getLogger(__name__)


class MailPurge:
    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)

    async def run_once(self) -> int:
        """How many were taken away. One at which it fails has its turn again, and holds up no other."""
        taken = 0
        async with self._database.operator_work() as connection:
            notifications = await all_notifications(connection)
        for ledger_id, id_, is_deleted in notifications:
            with apart(_log, "old mails of %s are taken away later", render_id(Prefix.NOTIFICATION, id_)):
                taken += await self._purge(ledger_id, id_, is_deleted=is_deleted)
        return taken

    async def _purge(self, ledger_id: UUID, id_: UUID, *, is_deleted: bool) -> int:
        """Of a notification that is deleted nothing stays that no limit counts any more."""
        before, taken = self._now() - (LIMIT_SPAN if is_deleted else self._kept), 0
        for _ in range(SLICES_MAX):
            async with self._database.work(ledger_id) as connection:
                gone = await purge_mails(connection, ledger_id, id_, before, at_once=AT_ONCE, all_=is_deleted)
                if is_deleted and gone < AT_ONCE:
                    await remove_notification(connection, ledger_id, id_)
            taken += gone
            if gone < AT_ONCE:
                break
        return taken
