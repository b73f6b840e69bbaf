"""Builds the background process: work that no request waits for."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import uvloop

from zerosum.adapters.balance_cache import BalanceCache, NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.adapters.mail_client import MailClient
from zerosum.adapters.redis import RedisLink
from zerosum.adapters.webhook_client import WebhookClient
from zerosum.config import Settings
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import DomainError
from zerosum.outside import live_processors
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.checkpointing import Checkpointing
from zerosum.services.background.completers import Completers
from zerosum.services.background.delivery_purge import DeliveryPurge
from zerosum.services.background.event_purge import EventPurge
from zerosum.services.background.heads_keeper import HeadsKeeper
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.background.mail_purge import MailPurge
from zerosum.services.background.refusal_purge import RefusalPurge
from zerosum.services.background.scheduled_runs import ScheduledRuns
from zerosum.services.background.self_audit import AuditProgress, SelfAudit
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_keys import SigningKeys
from zerosum.services.judging import PaymentRules
from zerosum.services.notifications.mailer import Mailer
from zerosum.services.proofs.refusal_seals import RefusalSeals
from zerosum.services.publications.publisher import PublicationOrder
from zerosum.services.publications.publishing import Publishing
from zerosum.services.stopping import rest
from zerosum.services.webhooks.dispatcher import Dispatcher, Render
from zerosum.services.webhooks.secrets import EndpointSecrets

_log = logging.getLogger(__name__)

METRICS_SECONDS = 5.0
POOL_SIZE = 4
HOLD_EXPIRY_SECONDS = 1.0
SCHEDULED_RUNS_SECONDS = 1.0
MAILS_SECONDS = 1.0
LANE_CONNECT_SECONDS_MAX = 2.0
HEADS_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done again and again. One that fails is logged and tried again at its next turn."""

    name: str
    every_seconds: float
    run_once: Callable[[], Awaitable[object]]


STOP_SECONDS_MAX = 5.0
"""What is under way when the worker is told to stop may go on for so long."""

Publish = Callable[[Mapping[str, float], Mapping[str, float]], None]
"""Takes totals, and what was told last."""


def run_worker(
    settings: Settings, publish: Publish, render: Render, publications: Sequence[PublicationOrder] = ()
) -> int:
    """Until SIGTERM or SIGINT. `render` shows an event as the feed does."""
    return uvloop.run(_work(settings, publish, render, publications))


async def _work(
    settings: Settings, publish: Publish, render: Render, publications: Sequence[PublicationOrder] = ()
) -> int:
    database = Database(make_engine(settings.required_database_url(), pool_size=POOL_SIZE))
    redis = RedisLink(settings.redis_url) if settings.redis_url else None
    committer = _committer(settings, NoBalanceCache() if redis is None else BalanceCache(redis))
    current_id, keys = settings.master_key_pairs()
    sealer = Sealer(database, MasterKeys(current_id, keys), now)
    signing_keys = SigningKeys(database, sealer)
    client = WebhookClient(settings.webhook_guard)
    dispatcher = Dispatcher(database, EndpointSecrets(sealer), client, render, now)
    # A pool of its own: while a broker is away nothing else waits for a connection.
    publishing_database = Database(make_engine(settings.required_database_url(), pool_size=POOL_SIZE))
    publishing = Publishing(publications, publishing_database, render, now, settings.publish_lease_seconds)
    purge = RefusalPurge(database, now, settings.refusals_kept_days)
    book = settings.rule_book()
    rules = None if book is None else PaymentRules(book, database, committer)
    chores = [
        Chore("signing keys", 60.0, lambda: signing_keys.ensure(now())),
        Chore("old refusals", 3600.0, purge.run_once),
        Chore("seals of refusals", 300.0, RefusalSeals(database, now).run_once),
        Chore("checkpoints", 15.0, Checkpointing(database).run_once),
        Chore("holds that expire", HOLD_EXPIRY_SECONDS, HoldExpiry(database, committer, now).run_once),
        Chore("scheduled payments", SCHEDULED_RUNS_SECONDS, ScheduledRuns(database, committer, now, rules).run_once),
        Chore("old mails", 600.0, MailPurge(database, now, settings.mails_kept_days).run_once),
        Chore("old deliveries", 600.0, DeliveryPurge(database, now, settings.webhook_deliveries_kept_days).run_once),
    ]
    if settings.events_kept_days is not None:
        chores.append(Chore("old events", 600.0, EventPurge(database, now, settings.events_kept_days).run_once))
    completers = Completers(database, committer, live_processors(settings), now)
    mailer = _mailer(settings, database, render)
    if mailer is not None:
        chores.append(Chore("mails", MAILS_SECONDS, mailer.run_once))
    audit = SelfAudit(database, bare_accounts(database, now), now) if settings.self_audit_seconds else None
    if audit is not None:
        chores.append(Chore("self-audit", settings.self_audit_seconds, audit.run_once))
    chores.append(Chore("metrics", METRICS_SECONDS, lambda: _publish(dispatcher, mailer, audit, publishing, publish)))
    if settings.heads_dir:
        chores.append(Chore("heads of chains", HEADS_SECONDS, HeadsKeeper(database, settings.heads_dir, now).run_once))
    if redis is not None:
        await redis.start()
    committer.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(_repeat(chore, stop), name=chore.name) for chore in chores]
    tasks.append(asyncio.create_task(dispatcher.run(stop), name="webhooks"))
    tasks.append(asyncio.create_task(publishing.run_patiently(stop), name="publications"))
    tasks.append(asyncio.create_task(completers.run(stop), name="processors"))
    await stop.wait()
    await end_within(tasks, STOP_SECONDS_MAX)
    await client.close()
    await committer.stop()
    if book is not None:
        await book.close()
    if redis is not None:
        await redis.close()
    await publishing_database.close()
    await database.close()
    return 0


def _mailer(settings: Settings, database: Database, render: Render) -> Mailer | None:
    """None where there is no mail server."""
    server, limits, sender = settings.mail_server(), settings.mail_limits(), settings.mail_sender
    if server is None or limits is None or sender is None:
        return None
    return Mailer(database, MailClient(server, sender), limits, render, now)


def _committer(settings: Settings, cache: BalanceCache | NoBalanceCache) -> Committer:
    """The worker's own lane: what it writes goes the way of everything that moves money."""
    lane_url, stats = settings.lane_url(), CommitterStats()

    def carrier() -> BatchRunner:
        return BatchRunner(
            lambda: BatchConnection.open(lane_url, LANE_CONNECT_SECONDS_MAX), now, cache, stats, remembers=False
        )

    return Committer(carrier, CommitterOptions(deadline_seconds=settings.deadline_seconds), stats)


async def end_within(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """A turn over all ledgers may be long. What it has not committed when it is cut off, the next one does again."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _publish(
    dispatcher: Dispatcher, mailer: Mailer | None, audit: SelfAudit | None, publishing: Publishing, publish: Publish
) -> None:
    stats = dispatcher.stats
    totals = {"webhook_deliveries": stats.delivered, "webhook_failures": stats.failed, **publishing.totals()}
    if mailer is not None:
        totals |= {"mails_sent": mailer.stats.sent, "mails_failed": mailer.stats.failed}
    newest = dict(publishing.newest())
    with suppress(DomainError):  # else PostgreSQL is away, and nobody can know it
        newest["webhook_lag_seconds"] = await dispatcher.lag()
    if audit is not None:
        progress = audit.progress
        totals |= {"self_audit_slices": progress.slices, "self_audit_postings": progress.postings}
        newest |= _audit_levels(progress)
    publish(totals, newest)


def _audit_levels(progress: AuditProgress) -> dict[str, float]:
    return {
        "self_audit_ledgers_done": progress.ledgers_done,
        "self_audit_differences": progress.differences,
        "self_audit_slice_timestamp_seconds": progress.slice_at,
        "self_audit_begun_timestamp_seconds": progress.begun_at,
        "self_audit_completed_timestamp_seconds": progress.completed_at,
    }


async def _repeat(chore: Chore, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await chore.run_once()
        except Exception:
            _log.exception("background work failed: %s", chore.name)
        await rest(stop, chore.every_seconds)
