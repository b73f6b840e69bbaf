"""What a worker tells of itself, and of the database where it has the lead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from zerosum.db.engine import Database
from zerosum.domain.errors import DomainError
from zerosum.metrics.declared import gateway, ledger, outside
from zerosum.metrics.metrics import Readings
from zerosum.metrics.readers import CommitterReader, database_readings, named, pools, processor_calls
from zerosum.services.background.completers import Completers
from zerosum.services.background.readings import MetricReadings
from zerosum.services.background.self_audit import AuditProgress, SelfAudit
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.notifications.mailer import Mailer
from zerosum.services.publications.publishing import Publishing
from zerosum.services.webhooks.dispatcher import Dispatcher

WORKER = "worker"


@dataclass(kw_only=True)
class WorkerReader:
    """Of one worker; without a mail server there is no `mailer`, and without the self-audit no `audit`."""

    stats: CommitterStats
    committer: Committer
    dispatcher: Dispatcher
    mailer: Mailer | None
    audit: SelfAudit | None
    publishing: Publishing
    completers: Completers
    readings: MetricReadings
    databases: Sequence[Database]
    _of_committer: CommitterReader = field(init=False)

    def __post_init__(self) -> None:
        self._of_committer = CommitterReader(self.committer, self.stats)

    async def read(self) -> Readings:
        sent = self.dispatcher.stats
        return {
            **self._of_committer.read(),
            **pools(WORKER, self.databases),
            **processor_calls(self.completers.tally),
            **database_readings(self.readings.told(), self.readings.failures),
            outside.WEBHOOK_DELIVERIES: sent.delivered,
            outside.WEBHOOK_FAILURES: sent.failed,
            outside.WEBHOOK_LAG: await self._webhook_lag(),
            gateway.LOOP_LAG: {(WORKER,): await self._loop_lag()},
            **self._published(),
            **({} if self.mailer is None else _mailed(self.mailer)),
            **({} if self.audit is None else _audited(self.audit.progress)),
        }

    async def _webhook_lag(self) -> float | None:
        with suppress(DomainError):  # PostgreSQL is away, and nobody can know it
            return await self.dispatcher.lag()
        return None

    async def _loop_lag(self) -> float:
        """How late one comes to his turn who waits for a moment."""
        loop = asyncio.get_running_loop()
        due = loop.time() + LOOP_LAG_SECONDS
        await asyncio.sleep(LOOP_LAG_SECONDS)
        return max(0.0, loop.time() - due)

    def _published(self) -> Readings:
        newest = self.publishing.newest()
        if not self.publishing.publishers:
            return {}
        return {
            **named(self.publishing.totals(), is_total=True),
            outside.PUBLISH_LAG: newest.get("publish_lag_seconds"),
        }


LOOP_LAG_SECONDS = 0.1


def _mailed(mailer: Mailer) -> Readings:
    return {outside.MAILS_SENT: mailer.stats.sent, outside.MAILS_FAILED: mailer.stats.failed}


def _audited(progress: AuditProgress) -> Readings:
    return {
        ledger.AUDIT_SLICES: progress.slices,
        ledger.AUDIT_POSTINGS: progress.postings,
        ledger.AUDIT_LEDGERS: progress.ledgers_done,
        ledger.AUDIT_DIFFERENCES: progress.differences,
        ledger.AUDIT_SLICE: progress.slice_at,
        ledger.AUDIT_BEGUN: progress.begun_at,
        ledger.AUDIT_COMPLETED: progress.completed_at,
    }
