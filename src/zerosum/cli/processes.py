"""What runs in the forks of the supervisor: an API process, and the background worker."""

from __future__ import annotations

import contextlib
import gc
import resource
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from zerosum.adapters.under_way import SharedUnderWay
from zerosum.cli.publish_targets import PublishWords, make_orders
from zerosum.config import Settings
from zerosum.logs.setting_up import flush_logs, set_up_logging
from zerosum.services.committing.unknown_keys import UnknownKeys

if TYPE_CHECKING:
    from zerosum.metrics.metrics import Readings

    # The database takes a while to load.
    from zerosum.services.publications.publisher import PublicationOrder

GC_THRESHOLDS = (50_000, 50, 100)
"""A batch makes tens of thousands of short-lived objects at once, none of them in cycles."""


OTHER_DESCRIPTORS = 200
"""For the database, Redis, files and the listening sockets of one process."""


def load_service() -> None:
    """Load all code the forks need, once, so that each of them starts in a moment and shares its memory."""
    import zerosum.main  # noqa: PLC0415
    import zerosum.worker  # noqa: F401, PLC0415


def collect_seldom() -> None:
    """Called once all is loaded, by whatever carries out batches."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def allow_descriptors(connections_max: int) -> None:
    """As many as there may be connections, where the machine lets us; many start programs with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class SharedByForks:
    """What the API processes of a service and its worker know together. Made before they are forked."""

    def __init__(self, api_processes: int) -> None:
        self.unknown_keys = UnknownKeys()
        self.under_way = SharedUnderWay(api_processes + 1)
        self.worker = api_processes
        """Its number among the processes."""


def api_process(
    settings: Settings, listening: socket.socket, others: list[socket.socket], shared: SharedByForks, number: int
) -> int:
    """Serve until SIGTERM, then finish what was accepted."""
    import uvicorn  # noqa: PLC0415

    from zerosum.gateway.server.lingering_server import LingeringServer  # noqa: PLC0415
    from zerosum.gateway.server_options import server_options  # noqa: PLC0415
    from zerosum.main import Service  # noqa: PLC0415

    for other in others:
        other.close()
    set_up_logging(settings.log_level, settings.log_format)
    collect_seldom()
    servers: list[uvicorn.Server] = []
    service = Service(
        settings,
        is_draining=lambda: any(server.should_exit for server in servers),
        unknown=shared.unknown_keys,
        under_way=shared.under_way.of(number),
    )
    server = LingeringServer(
        uvicorn.Config(
            service.app,
            **server_options(timeout_graceful_shutdown=int(settings.shutdown_seconds), **service.tls),
        ),
        service.connections,
    )
    servers.append(server)
    try:
        server.run(sockets=[listening])
    finally:
        flush_logs()
    return 0


def configured_publications(settings: Settings) -> list[PublicationOrder]:
    """Raises CommandFailed."""
    return make_orders(settings.publish_to, PublishWords()) if settings.publish_to else []


def worker_process(settings: Settings, shared: SharedByForks | None = None) -> int:
    """The background work, until SIGTERM; beside API processes of the same machine, or by itself."""
    from zerosum.api.schemas.events import event_body  # noqa: PLC0415 - what is sent is what the feed shows
    from zerosum.worker import run_worker  # noqa: PLC0415

    set_up_logging(settings.log_level, settings.log_format)
    publications = configured_publications(settings)
    under_way = None if shared is None else shared.under_way.of(shared.worker)
    try:
        return run_worker(settings, teller(settings, "worker"), event_body, publications, under_way)
    finally:
        flush_logs()


Tell = Callable[["Readings"], None]


def teller(settings: Settings, process: str) -> Tell | None:
    """Into the folder in which the API processes count; None where there is none, for nobody could read it."""
    from zerosum.metrics.folder import join_metrics  # noqa: PLC0415 - with the database
    from zerosum.metrics.metrics import Metrics  # noqa: PLC0415

    if not settings.metrics or not join_metrics(settings.metrics_dir):
        return None
    from zerosum.metrics.readers import log_lines  # noqa: PLC0415

    metrics = Metrics(process)
    return lambda readings: metrics.tell({**readings, **log_lines()})
