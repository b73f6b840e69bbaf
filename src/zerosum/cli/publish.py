"""`zerosum publish` and `zerosum publications`: events on their way to brokers, by whoever runs the database."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.cli.installation import reachable_settings
from zerosum.cli.publish_targets import PublishWords, make_orders
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, say, told_plainly
from zerosum.collector import started_tracing
from zerosum.config import Settings
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, InvalidId
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.publications import PublicationUnfit

if TYPE_CHECKING:
    from zerosum.cli.processes import Tell
    from zerosum.db.engine import Database
    from zerosum.services.publications.positions import PublicationPositions
    from zerosum.services.publications.publisher import PublicationOrder
    from zerosum.services.publications.publishing import Publishing
    from zerosum.tracing.spans import Tracing

METRICS_SECONDS = 2.0
POOL_SIZE = 4

REWOUND, CHANGED, DROPPED = (
    AuditType.PUBLICATION_REWOUND,
    AuditType.PUBLICATION_CHANGED,
    AuditType.PUBLICATION_DROPPED,
)

Act = Callable[["PublicationPositions"], Awaitable[object]]


@told_plainly
def run_publish(texts: Sequence[str], words: PublishWords, data_dir: Path | None) -> int:
    settings = reachable_settings(data_dir)
    orders = make_orders(texts or settings.publish_to, words)
    from zerosum.logs.setting_up import set_up_logging  # noqa: PLC0415 - it takes time, and what is refused needs none

    set_up_logging(settings.log_level, settings.log_format)
    try:
        published = asyncio.run(_publish(settings, orders))
    except PublicationUnfit as unfit:
        raise CommandFailed(str(unfit), FAILED) from None
    say(f"{published:,} events published")
    return 0


async def _publish(settings: Settings, orders: Sequence[PublicationOrder]) -> int:
    """Until SIGTERM. Raises PublicationUnfit."""
    from zerosum.adapters.clock import now  # noqa: PLC0415 - they take a while to load
    from zerosum.api.schemas.events import event_body  # noqa: PLC0415
    from zerosum.cli.processes import teller  # noqa: PLC0415
    from zerosum.services.publications.publishing import Publishing  # noqa: PLC0415
    from zerosum.services.spans import NO_SPANS  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _opened(settings) as database, _traced(settings) as tracing:
        spans = NO_SPANS if tracing is None else tracing
        publishing = Publishing(orders, database, event_body, now, settings.publish_lease_seconds, spans)
        telling = asyncio.create_task(_tell_metrics(teller(settings, "publish"), publishing, database, tracing))
        try:
            await publishing.run(stop)
        finally:
            telling.cancel()
    return int(publishing.totals()["published_events"])


async def _tell_metrics(tell: Tell | None, publishing: Publishing, database: Database, tracing: Tracing | None) -> None:
    """Until cancelled."""
    from zerosum.metrics.readers import exported_spans, named, pools  # noqa: PLC0415

    while tell is not None:
        totals = named(publishing.totals(), is_total=True)
        traced = {} if tracing is None else exported_spans(tracing.exporter)
        tell({**totals, **named(publishing.newest(), is_total=False), **pools("publish", [database]), **traced})
        await asyncio.sleep(METRICS_SECONDS)


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[Tracing | None]:
    """None where there is no collector."""
    tracing = started_tracing(settings, "publish")
    try:
        yield tracing
    finally:
        if tracing is not None:
            await tracing.stop()


@told_plainly
def list_publications(data_dir: Path | None) -> int:
    """A line of JSON each."""

    async def act(positions: PublicationPositions) -> None:
        from zerosum.adapters.clock import now  # noqa: PLC0415
        from zerosum.api.schemas.publications import publication_body  # noqa: PLC0415

        put("".join(f"{json.dumps(publication_body(state, now()))}\n" for state in await positions.list()))

    return _run(data_dir, None, act)


@told_plainly
def rewind_publication(data_dir: Path | None, ledger: str | None, name: str, after: str, *, may_skip: bool) -> int:
    from zerosum.services.event_feed import LATEST  # noqa: PLC0415 - as above
    from zerosum.services.publications.positions import START  # noqa: PLC0415

    place: Any = after
    if after not in (START, LATEST):
        place = _id(Prefix.EVENT, after)
    facts = {"after": after, "skips": may_skip}
    return _run(
        data_dir, ledger, lambda positions: positions.rewind(name, place, may_skip=may_skip), REWOUND, name, facts
    )


@told_plainly
def change_publications(data_dir: Path | None, texts: Sequence[str], words: PublishWords) -> int:
    orders = make_orders(texts or reachable_settings(data_dir).publish_to, words)

    async def act(positions: PublicationPositions) -> None:
        for order in orders:
            await positions.change(order.publication)

    names = ", ".join(order.publication.name for order in orders)
    return _run(data_dir, words.ledger, act, CHANGED, names)


@told_plainly
def drop_publication(data_dir: Path | None, ledger: str | None, name: str) -> int:
    return _run(data_dir, ledger, lambda positions: positions.drop(name), DROPPED, name)


def _run(
    data_dir: Path | None,
    ledger: str | None,
    act: Act,
    type_: AuditType | None = None,
    name: str | None = None,
    facts: Mapping[str, object] | None = None,
) -> int:
    """What `type_` names is told in the security log, behind what was done."""
    from zerosum.adapters.clock import now  # noqa: PLC0415
    from zerosum.cli.administration import the_machine  # noqa: PLC0415
    from zerosum.services.audit import audit_record, write_audit  # noqa: PLC0415
    from zerosum.services.publications.positions import PublicationPositions  # noqa: PLC0415

    only = None if ledger is None else _id(Prefix.LEDGER, ledger)
    settings = reachable_settings(data_dir)

    async def run() -> None:
        async with _opened(settings) as database:
            await act(PublicationPositions(database, only))
            if type_ is not None:
                told = audit_record(type_, the_machine(), now(), resource=name, ledger_id=only, facts=facts)
                await write_audit(database, told)

    try:
        asyncio.run(run())
    except (DomainError, PublicationUnfit) as error:
        raise CommandFailed(error.detail if isinstance(error, DomainError) else str(error)) from None
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    from zerosum.db.engine import Database, make_engine  # noqa: PLC0415

    database = Database(make_engine(settings.required_database_url(), pool_size=POOL_SIZE))
    try:
        yield database
    finally:
        await database.close()


def _id(prefix: Prefix, text: str) -> Any:
    """Raises CommandFailed."""
    try:
        return parse_id(prefix, text)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None
