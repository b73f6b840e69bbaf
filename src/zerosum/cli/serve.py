"""`zerosum serve` and `zerosum worker`: with the database and Redis that the settings name."""

from __future__ import annotations

import asyncio
import functools
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from zerosum.adapters.redis_address import RedisAddress
from zerosum.cli.listening import check_side_port, close_all, listen
from zerosum.cli.precautions import (
    check_libraries,
    check_made_up_secrets,
    check_transport,
    name_misspelt_settings,
    private_metrics_dir,
)
from zerosum.cli.processes import SharedByForks, api_process, configured_publications, load_service, worker_process
from zerosum.cli.talk import USAGE, CommandFailed, say, told_plainly
from zerosum.config import Settings, load_settings
from zerosum.embedded import Supervisor

PATIENCE_SECONDS = 1.0
"""For what a process does when its last request is done."""

TRACES_SECONDS = 1.0
"""So long it waits for a collector that does not take its last spans."""


@told_plainly
def run_serve(*, port: int | None, host: str | None, workers: int | None) -> int:
    given: dict[str, object] = {"port": port, "host": host, "workers": workers}
    name_misspelt_settings()
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    check_settings(settings)
    check_database(settings)
    check_secrets(settings)
    check_lane_database(settings)
    sockets = listen(settings.host, settings.port, settings.workers)
    check_side_port(settings.host, settings.metrics_port)
    settings = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
    from zerosum.metrics.folder import forget_process, share_metrics  # noqa: PLC0415 - loads much

    with TemporaryDirectory(prefix="zerosum-metrics-") as made, Supervisor(say) as supervisor:
        share_metrics(private_metrics_dir(settings.metrics_dir) if settings.metrics_dir else Path(made))
        load_service()
        supervisor.at_stop(functools.partial(close_all, sockets))
        shared = SharedByForks(len(sockets))
        for index, own in enumerate(sockets):
            others = [other for other in sockets if other is not own]
            supervisor.add_worker(
                f"API process {index + 1}",
                functools.partial(api_process, settings, own, others, shared, index),
                settings.shutdown_seconds + PATIENCE_SECONDS + (TRACES_SECONDS if settings.otlp_endpoint else 0.0),
                on_end=forget_process,
            )
        say(f"Zerosum serves {settings.url}")
        return supervisor.run()


@told_plainly
def run_worker() -> int:
    name_misspelt_settings()
    settings = load_settings()
    check_libraries()
    check_database(settings)
    settings.master_key_pairs()
    check_made_up_secrets(settings)
    check_secrets(settings)
    settings.outside()
    configured_publications(settings)
    return worker_process(settings)


def check_settings(settings: Settings) -> None:
    """What must be there, told by name before anything starts."""
    settings.required_database_url()
    settings.pepper()
    settings.cursor_key()
    settings.master_key_pairs()
    check_made_up_secrets(settings)
    check_libraries()
    check_certificate(settings)
    check_redis(settings)
    check_issuers(settings)
    settings.outside()
    check_transport(settings)


def check_issuers(settings: Settings) -> None:
    """What is wrong with an issuer of tokens. Raises SettingsError."""
    if settings.trusted_issuers:
        from zerosum.issuers import check_issuers  # noqa: PLC0415 - loads everything, for those who have any

        check_issuers(settings)


def check_redis(settings: Settings) -> None:
    """Whether the certificates that its URL names can be used. Redis itself may be away. Raises CommandFailed."""
    if settings.redis_url:
        try:
            RedisAddress.parse(settings.redis_url).tls()
        except ValueError as error:
            raise CommandFailed(f"ZEROSUM_REDIS_URL: {error}", USAGE) from None


def check_certificate(settings: Settings) -> None:
    """Whether the files are there and belong together. Raises CommandFailed."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return
    for name, path in (("ZEROSUM_TLS_CERTIFICATE", settings.tls_certificate), ("ZEROSUM_TLS_KEY", settings.tls_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise CommandFailed(f"{name}: {path} cannot be read ({error.strerror})", USAGE) from None
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"ZEROSUM_TLS_CERTIFICATE and ZEROSUM_TLS_KEY are no pair ({error})", USAGE) from None
    check_callers_ca(settings)


def check_callers_ca(settings: Settings) -> None:
    """Whether callers' certificates can be judged. Raises CommandFailed."""
    path = settings.tls_client_ca
    if path is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_verify_locations(path)
        except (OSError, ValueError) as error:
            reason = (
                error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "no certificates in PEM"
            )
            raise CommandFailed(f"ZEROSUM_TLS_CLIENT_CA: {path} cannot be read ({reason})", USAGE) from None


def check_secrets(settings: Settings, kept_in: Path | None = None) -> None:
    """Whether they are those the installation was made with."""
    from zerosum.cli.administration import check_secrets  # noqa: PLC0415

    check_secrets(settings, kept_in)


def check_database(settings: Settings) -> None:
    """Whether the database can be trusted with money as it is set up."""
    from zerosum.db.schema.startup_checks import Unfit, check_fitness  # noqa: PLC0415

    try:
        asyncio.run(check_fitness(settings.required_database_url()))
    except Unfit as error:
        raise CommandFailed(f"ZEROSUM_DATABASE_URL: {error}", USAGE) from None


def check_lane_database(settings: Settings) -> None:
    """Whether lanes can live where they are to: a pooler may not let them."""
    from zerosum.db.schema.startup_checks import Unfit, check_lanes  # noqa: PLC0415

    name = "ZEROSUM_LANE_DATABASE_URL" if settings.lane_database_url else "ZEROSUM_DATABASE_URL"
    try:
        asyncio.run(check_lanes(settings.lane_url(), settings.required_database_url()))
    except Unfit as error:
        raise CommandFailed(f"{name}: {error}", USAGE) from None
