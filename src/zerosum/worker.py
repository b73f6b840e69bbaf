"""Builds the background process: work that no request waits for."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop

from zerosum.adapters.balance_cache import BalanceCache, NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.adapters.mail_client import MailClient
from zerosum.adapters.object_store import ObjectStore
from zerosum.adapters.redis import RedisLink
from zerosum.adapters.under_way import UnderWay
from zerosum.adapters.webhook_client import WebhookClient
from zerosum.collector import started_tracing
from zerosum.config import Settings
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database, make_engine
from zerosum.metrics.metrics import Readings
from zerosum.metrics.worker_reader import WorkerReader
from zerosum.outside import live_processors, watched_files
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.checkpointing import Checkpointing
from zerosum.services.background.completers import Completers
from zerosum.services.background.delivery_purge import DeliveryPurge
from zerosum.services.background.event_purge import EventPurge
from zerosum.services.background.heads_keeper import HeadsKeeper
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.background.mail_purge import MailPurge
from zerosum.services.background.readings import MetricReadings
from zerosum.services.background.refusal_purge import RefusalPurge
from zerosum.services.background.review_expiry import ReviewExpiry
from zerosum.services.background.scheduled_runs import ScheduledRuns
from zerosum.services.background.self_audit import SelfAudit
from zerosum.services.background.totals_sealing import TotalsSealing
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import Carrier, CommitterStats
from zerosum.services.committing.measured import MeasuredConnection
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_keys import SigningKeys
from zerosum.services.file_versions import LOOK_SECONDS as FILES_SECONDS
from zerosum.services.file_versions import FileVersions
from zerosum.services.judging import PaymentRules
from zerosum.services.notifications.mailer import Mailer
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import FolderPlace, StorePlace
from zerosum.services.proof_log.publishing import LogPublisher
from zerosum.services.proof_log.sealing import CheckpointSealing
from zerosum.services.proof_log.tile_places import FolderOfTiles, StoreOfTiles
from zerosum.services.proofs.audit_seals import AuditSeals
from zerosum.services.proofs.refusal_seals import RefusalSeals
from zerosum.services.publications.publisher import PublicationOrder
from zerosum.services.publications.publishing import Publishing
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.stopping import rest
from zerosum.services.webhooks.dispatcher import Dispatcher, Render
from zerosum.services.webhooks.secrets import EndpointSecrets

if TYPE_CHECKING:
    from zerosum.tracing.spans import Tracing

_log = logging.getLogger(__name__)

METRICS_SECONDS = 5.0
READINGS_SECONDS = 5.0
"""How often it is looked what is due to be read."""

POOL_SIZE = 4
READINGS_POOL_SIZE = 2
"""For the transaction that holds the lead, and for the list of ledgers."""

HOLD_EXPIRY_SECONDS = 1.0
REVIEW_EXPIRY_SECONDS = 10.0
SCHEDULED_RUNS_SECONDS = 1.0
MAILS_SECONDS = 1.0
LANE_CONNECT_SECONDS_MAX = 2.0
HEADS_SECONDS = 3600.0
KEPT_CHECKPOINTS_SECONDS = 10.0
STORED_CHECKPOINTS_SECONDS = 30.0
"""An object each, of whatever has come meanwhile."""
SIGNED_CHECKPOINTS_SECONDS = 5.0
"""So long after it was posted a payment has its receipt, at the most, while the worker keeps up."""

AUDIT_SEALS_SECONDS = 10.0
"""A record that is taken away before it is sealed is not missed."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done again and again. One that fails is logged and tried again at its next turn."""

    name: str
    every_seconds: float
    run_once: Callable[[], Awaitable[object]]


STOP_SECONDS_MAX = 5.0
"""What is under way when the worker is told to stop may go on for so long."""

Tell = Callable[[Readings], None]


def run_worker(
    settings: Settings,
    tell: Tell | None,
    render: Render,
    publications: Sequence[PublicationOrder] = (),
    under_way: UnderWay | None = None,
) -> int:
    """Until SIGTERM or SIGINT. `render` shows an event as the feed does. No `tell`: nobody reads its metrics.

    API processes of the same machine may share what is `under_way`.
    """
    return uvloop.run(_work(settings, tell, render, publications, under_way))


async def _work(
    settings: Settings,
    tell: Tell | None,
    render: Render,
    publications: Sequence[PublicationOrder] = (),
    under_way: UnderWay | None = None,
) -> int:
    database = Database(make_engine(settings.required_database_url(), pool_size=POOL_SIZE))
    redis = RedisLink(settings.redis_url) if settings.redis_url else None
    tracing = started_tracing(settings, "worker")
    spans = NO_SPANS if tracing is None else tracing
    stats = CommitterStats()
    cache = NoBalanceCache() if redis is None else BalanceCache(redis, under_way=under_way)
    committer = _committer(settings, cache, stats, tracing)
    sealer = Sealer(database, MasterKeys(*settings.master_key_pairs()), now)
    signing_keys = SigningKeys(database, sealer)
    client = WebhookClient(settings.webhook_guard)
    dispatcher = Dispatcher(database, EndpointSecrets(sealer), client, render, now, spans=spans)
    # A pool of its own: while a broker is away nothing else waits for a connection.
    publishing_database = Database(make_engine(settings.required_database_url(), pool_size=POOL_SIZE))
    # Another one: what is read for metrics may take long, and keeps nobody from a connection.
    readings_database = Database(make_engine(settings.required_database_url(), pool_size=READINGS_POOL_SIZE))
    publishing = Publishing(publications, publishing_database, render, now, settings.publish_lease_seconds, spans)
    book = settings.rule_book()
    rules = None if book is None else PaymentRules(book, database, committer, spans)
    completers = Completers(database, committer, live_processors(settings), now, spans)
    chores = _chores(
        settings, database, committer, signing_keys, rules, watched_files(database, book, completers.live, now), spans
    )
    mailer = _mailer(settings, database, render, spans)
    if mailer is not None:
        chores.append(Chore("mails", MAILS_SECONDS, mailer.run_once))
    audit = SelfAudit(database, bare_accounts(database, now), now) if settings.self_audit_seconds else None
    if audit is not None:
        chores.append(Chore("self-audit", settings.self_audit_seconds, audit.run_once))
    if tell is not None:
        told = WorkerReader(
            stats=stats,
            committer=committer,
            dispatcher=dispatcher,
            mailer=mailer,
            audit=audit,
            publishing=publishing,
            completers=completers,
            readings=MetricReadings(readings_database, now),
            databases=[database, publishing_database, readings_database],
            exporter=None if tracing is None else tracing.exporter,
        )
        chores += _telling(told, tell)
    chores += _proving(settings, database, sealer)
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
    await readings_database.close()
    await publishing_database.close()
    await database.close()
    if tracing is not None:
        await tracing.stop()
    return 0


def _chores(
    settings: Settings,
    database: Database,
    committer: Committer,
    signing_keys: SigningKeys,
    rules: PaymentRules | None,
    files: FileVersions,
    spans: Spans,
) -> list[Chore]:
    """What is done again and again, whatever is set."""
    purge = RefusalPurge(database, now, settings.refusals_kept_days)
    runs = ScheduledRuns(database, committer, now, rules, spans)
    chores = [
        Chore("signing keys", 60.0, lambda: signing_keys.ensure(now())),
        Chore("old refusals", 3600.0, purge.run_once),
        Chore("seals of refusals", 300.0, RefusalSeals(database, now).run_once),
        Chore("seals of the security log", AUDIT_SEALS_SECONDS, AuditSeals(database, now).run_once),
        Chore("checkpoints", 15.0, Checkpointing(database).run_once),
        Chore("totals of branches", 15.0, TotalsSealing(database, now).run_once),
        Chore("holds that expire", HOLD_EXPIRY_SECONDS, HoldExpiry(database, committer, now, spans).run_once),
        Chore("scheduled payments", SCHEDULED_RUNS_SECONDS, runs.run_once),
        # It judges and asks by itself: a version that it alone goes by is told, too.
        Chore("versions of files", FILES_SECONDS, files.tell_changes),
        Chore("old mails", 600.0, MailPurge(database, now, settings.mails_kept_days).run_once),
        Chore("old deliveries", 600.0, DeliveryPurge(database, now, settings.webhook_deliveries_kept_days).run_once),
    ]
    if rules is not None:
        expiry = ReviewExpiry(database, committer, rules, now)
        chores.append(Chore("reviews that expire", REVIEW_EXPIRY_SECONDS, expiry.run_once))
    if settings.events_kept_days is not None:
        chores.append(Chore("old events", 600.0, EventPurge(database, now, settings.events_kept_days).run_once))
    return chores


def _proving(settings: Settings, database: Database, sealer: Sealer) -> list[Chore]:
    """What others can hold against the books."""
    sealing = CheckpointSealing(database, CheckpointKeys(database, sealer), now)
    chores = [Chore("signed checkpoints", SIGNED_CHECKPOINTS_SECONDS, sealing.run_once)]
    if settings.checkpoints_dir:
        keeper = CheckpointKeeper(database, FolderPlace(settings.checkpoints_dir), now)
        chores.append(Chore("kept checkpoints", KEPT_CHECKPOINTS_SECONDS, keeper.run_once))
        if settings.checkpoints_tiles:
            publisher = LogPublisher(database, FolderOfTiles(settings.checkpoints_dir), now)
            chores.append(Chore("published logs", KEPT_CHECKPOINTS_SECONDS, publisher.run_once))
    store = settings.checkpoint_store()
    if store is not None:
        keeper = CheckpointKeeper(database, StorePlace(ObjectStore(*store, now)), now)
        chores.append(Chore("checkpoints in the object store", STORED_CHECKPOINTS_SECONDS, keeper.run_once))
        if settings.checkpoints_tiles:
            publisher = LogPublisher(database, StoreOfTiles(ObjectStore(*store, now)), now)
            chores.append(Chore("logs in the object store", STORED_CHECKPOINTS_SECONDS, publisher.run_once))
    if settings.heads_dir:
        chores.append(Chore("heads of chains", HEADS_SECONDS, HeadsKeeper(database, settings.heads_dir, now).run_once))
    return chores


def _mailer(settings: Settings, database: Database, render: Render, spans: Spans) -> Mailer | None:
    """None where there is no mail server."""
    server, limits, sender = settings.mail_server(), settings.mail_limits(), settings.mail_sender
    if server is None or limits is None or sender is None:
        return None
    return Mailer(database, MailClient(server, sender), limits, render, now, spans=spans)


def _committer(
    settings: Settings, cache: BalanceCache | NoBalanceCache, stats: CommitterStats, tracing: Tracing | None
) -> Committer:
    """The worker's own lane: what it writes goes the way of everything that moves money."""
    lane_url = settings.lane_url()

    def connect() -> Awaitable[BatchConnection]:
        return MeasuredConnection.measuring(stats.tally, lane_url, LANE_CONNECT_SECONDS_MAX)

    def carrier() -> Carrier:
        if tracing is None:
            return BatchRunner(connect, now, cache, stats, remembers=False)
        return tracing.traced(BatchRunner(tracing.connecting(connect), now, cache, stats, remembers=False))

    return Committer(carrier, CommitterOptions(deadline_seconds=settings.deadline_seconds), stats)


async def end_within(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """A turn over all ledgers may be long. What it has not committed when it is cut off, the next one does again."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _telling(told: WorkerReader, tell: Tell) -> list[Chore]:
    """What is read of the database, and whatever there is to tell: two chores, so that neither waits for the other."""

    async def run_once() -> None:
        tell(await told.read())

    return [
        Chore("readings of the database", READINGS_SECONDS, told.readings.run_once),
        Chore("metrics", METRICS_SECONDS, run_once),
    ]


async def _repeat(chore: Chore, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await chore.run_once()
        except Exception:
            _log.exception("background work failed: %s", chore.name)
        await rest(stop, chore.every_seconds)
