"""`zerosum ingest`: messages from queues and streams into a ledger, each with its effect once."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.cli.ingest_inputs import InputOptions, make_inputs, make_replies, read_senders
from zerosum.cli.installation import chosen_data_dir, is_embedded, reachable_settings
from zerosum.cli.talk import FAILED, CommandFailed, put, say, told_plainly
from zerosum.config import Settings, load_settings
from zerosum.domain.errors import DomainError
from zerosum.domain.messages import Gap, maker_of_messages
from zerosum.ingest.streams.port import IngestTally, Input, Replies

if TYPE_CHECKING:
    # The service takes a second to load.
    from zerosum.cli.processes import Tell
    from zerosum.ingest.streams.consumer import Consumer
    from zerosum.main import Service
    from zerosum.metrics.metrics import Readings
    from zerosum.services.ingestion import Ingestion
    from zerosum.services.requests.caller import Caller

ACTOR = "zerosum ingest"
METRICS_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """What the command was told. The settings say the rest."""

    inputs: Sequence[str]
    name: str | None
    senders: Sequence[str]
    data_dir: Path | None
    ledger: str | None
    replies: str | None
    accepts_gaps: bool
    order_window: float | None
    is_json: bool


@told_plainly
def run_ingest(options: IngestOptions) -> int:
    settings = reachable_settings(options.data_dir)
    if options.order_window is not None:
        settings = settings.model_copy(update={"ingest_order_window_seconds": options.order_window})
    inputs = make_inputs(
        options.inputs or settings.ingest_from,
        InputOptions(
            options.name,
            settings.ingest_message_bytes_max,
            settings.ingest_in_memory_messages,
            options.accepts_gaps,
        ),
    )
    senders = read_senders(options.senders, inputs)
    replies = make_replies(options.replies or settings.ingest_replies or None)
    embedded = is_embedded(options.data_dir, load_settings())
    folder = chosen_data_dir(options.data_dir) if embedded and options.ledger is None else None
    import uvloop  # noqa: PLC0415 - it takes time, and what is refused needs none

    from zerosum.logs.setting_up import set_up_logging  # noqa: PLC0415 - as above

    set_up_logging(settings.log_level, settings.log_format)
    begun = time.perf_counter()
    tally = IngestTally()
    try:
        uvloop.run(_ingest(settings, options.ledger, folder, inputs, senders, replies, tally))
    except Gap as gap:
        _sum_up(tally, time.perf_counter() - begun, is_json=options.is_json)
        raise CommandFailed(str(gap), FAILED) from None
    _sum_up(tally, time.perf_counter() - begun, is_json=options.is_json)
    return 0


async def _ingest(
    settings: Settings,
    ledger: str | None,
    folder: Path | None,
    inputs: Sequence[Input],
    senders: Mapping[str, str],
    replies: Replies | None,
    tally: IngestTally,
) -> None:
    """Until all inputs have ended, or SIGTERM. Raises CommandFailed, Gap."""
    from zerosum.adapters.clock import now  # noqa: PLC0415 - as below
    from zerosum.api.card_numbers import refuse_card_numbers  # noqa: PLC0415 - the service takes a second to load
    from zerosum.api.message_times import message_moment  # noqa: PLC0415
    from zerosum.api.messages import MessageDesk  # noqa: PLC0415
    from zerosum.cli.ledger_target import opened_service  # noqa: PLC0415
    from zerosum.cli.processes import teller  # noqa: PLC0415
    from zerosum.ingest.streams.consumer import Consumer, ConsumerOptions  # noqa: PLC0415
    from zerosum.ingest.streams.time_order import TimeOrder  # noqa: PLC0415

    if settings.refuse_card_numbers:
        refuse_card_numbers()
    tell = teller(settings, "ingest")
    service_settings = settings.model_copy(update={"metrics": False, "lanes": settings.ingest_lanes, "workers": 1})
    async with opened_service(service_settings, ledger, folder, ACTOR, process="ingest") as (service, caller):

        def desk_of(source: Input) -> MessageDesk:
            maker = replace(caller, actor=maker_of_messages(source.name, senders.get(source.name)))
            return MessageDesk(service.services, maker, settings.ingest_message_bytes_max, service.spans)

        options = ConsumerOptions(
            batch_max=settings.ingest_batch_messages,
            in_memory_max=settings.ingest_in_memory_messages,
            holder=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            lease_seconds=settings.ingest_lease_seconds,
        )
        ingestion = service.services.ingestion
        window = settings.ingest_order_window_seconds
        order = TimeOrder(window, partial(message_moment, now=now)) if window else None
        consumers = [
            Consumer(
                one,
                desk_of(one),
                ingestion,
                caller,
                replace(options, sender=senders.get(one.name)),
                tally,
                replies,
                order,
            )
            for one in inputs
        ]
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, consumers)
        telling = asyncio.create_task(_tell_metrics(tell, consumers, tally, service, caller))
        try:
            await _run_all(consumers)
        finally:
            telling.cancel()
            if tell is not None:
                tell(_totals(tally))  # Of the last moments, and of a run that was shorter than these.
            if replies is not None:
                await replies.close()


def _stop(consumers: Sequence[Consumer]) -> None:
    for one in consumers:
        one.stop()


async def _run_all(consumers: Sequence[Consumer]) -> None:
    """Until all have ended; the first that cannot go on ends the others too, in peace. Raises Gap."""
    tasks = [asyncio.create_task(one.run(), name="input") for one in consumers]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    if any(task.exception() is not None for task in done):
        for one in consumers:
            one.stop()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


async def _tell_metrics(
    tell: Tell | None, consumers: Sequence[Consumer], tally: IngestTally, service: Service, caller: Caller
) -> None:
    """Until cancelled."""
    from zerosum.metrics.readers import CommitterReader, exported_spans, named, pools  # noqa: PLC0415

    committer = CommitterReader(service.committer, service.stats)
    while tell is not None:
        lags = [one.lag for one in consumers if one.lag is not None]
        levels = {
            "ingest_lag_messages": sum(lags),
            "ingest_paused_inputs": float(sum(one.is_paused for one in consumers)),
        }
        levels |= await _set_aside(service.services.ingestion, caller)
        tell(
            {
                **_totals(tally),
                **named(levels, is_total=False),
                **committer.read(),
                **pools("ingest", [service.database]),
                **({} if service.tracing is None else exported_spans(service.tracing.exporter)),
            }
        )
        await asyncio.sleep(METRICS_SECONDS)


def _totals(tally: IngestTally) -> Readings:
    from zerosum.metrics.readers import named  # noqa: PLC0415 - the service takes a second to load

    return named({f"ingest_{name}": float(total) for name, total in asdict(tally).items()}, is_total=True)


async def _set_aside(ingestion: Ingestion, caller: Caller) -> dict[str, float]:
    """The same, whichever consumer tells it. Nothing is told while the database is away."""
    try:
        dead, waiting = await ingestion.set_aside(caller)
    except DomainError:
        return {}
    return {"ingest_dead_letters": float(dead), "ingest_set_aside_messages": float(waiting)}


def _sum_up(tally: IngestTally, seconds: float, *, is_json: bool) -> None:
    rate = round(tally.messages / seconds) if seconds else 0
    if is_json:
        put(json.dumps({**asdict(tally), "seconds": round(seconds, 3), "messages_per_second": rate}) + "\n")
    if tally.late:
        say(f"{tally.late:,} messages came later than the window: they were taken as they came")
    say(
        f"{tally.messages:,} messages: {tally.done:,} done, {tally.refused:,} refused, {tally.dead:,} dead letters; "
        f"{tally.replayed:,} of them were there before; {seconds:.2f} s, {rate:,} messages/s"
    )
