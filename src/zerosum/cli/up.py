"""`zerosum up`: everything on this machine, with one command."""

from __future__ import annotations

import asyncio
import functools
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from zerosum.cli.archiving import archive_log
from zerosum.cli.certificate import development_certificate
from zerosum.cli.installation import (
    DATABASE,
    SERVICE_ROLE,
    Credentials,
    chosen_data_dir,
    installation_settings,
)
from zerosum.cli.listening import check_side_port, close_all, listen
from zerosum.cli.precautions import check_libraries, check_transport, name_misspelt_settings
from zerosum.cli.processes import SharedByForks, api_process, configured_publications, load_service, worker_process
from zerosum.cli.serve import check_certificate, check_issuers, check_secrets
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import Settings, load_settings
from zerosum.domain.errors import DomainError
from zerosum.embedded import (
    CREDENTIALS_NAME,
    DataDir,
    EmbeddedError,
    EmbeddedPostgres,
    EmbeddedValkey,
    Supervisor,
    find_postgres,
    find_valkey,
)
from zerosum.embedded.backups import BackupFolder

POLL_SECONDS = 0.02
LAUNCHED_STEPS = 3
"""After so many steps the servers are launched and need no attention for a while."""

WORKER_GRACE_SECONDS = 4.0
"""Ctrl-C ends everything within five seconds; what an API process has accepted is done long before."""

MANY = 2000
"""Connections from one address: a laptop trial comes from one alone."""

GENEROUS_LIMIT = "50000/s"
"""A trial on one's own machine is not throttled, unless the settings say so."""


@told_plainly
def run_up(
    *,
    data_dir: Path | None,
    port: int | None,
    host: str | None,
    workers: int | None,
    is_demo: bool,
    is_https: bool,
) -> int:
    given: dict[str, object] = {"port": port, "host": host, "workers": workers}
    chosen = {name: value for name, value in given.items() if value is not None}
    name_misspelt_settings()
    check_libraries()
    # Before a folder is made for what cannot be.
    if load_settings().postgres_bin is None:
        find_postgres()
    if not is_https:
        check_transport(load_settings(**chosen))
    folder = chosen_data_dir(data_dir)
    with DataDir(folder) as locked, Supervisor(say) as supervisor:
        installation = _Installation(locked, supervisor)
        if is_https:
            chosen |= development_certificate(locked.path, host)
        settings = _with_generous_limits(installation_settings(locked.path, **chosen))
        check_transport(settings)
        check_certificate(settings)
        check_issuers(settings)
        settings.outside()
        configured_publications(settings)
        sockets = listen(settings.host, settings.port, settings.workers)
        check_side_port(settings.host, settings.metrics_port)
        settings = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
        backups = None if settings.backup_dir is None else BackupFolder(settings.backup_dir)
        installation.start_servers()
        installation.archive(backups)
        credentials = _prepared(installation, settings, is_demo=is_demo)
        locked.announce(settings.url)
        link = installation.console_link(settings)
        installation.add_processes(settings, sockets)
        _greet(settings, credentials, locked.path, link)
        return supervisor.run()


def _prepared(installation: _Installation, settings: Settings, *, is_demo: bool) -> Credentials:
    """On a full disk, say, anything in it can fail."""
    from zerosum.db.schema.startup_checks import Unfit, told_in_one_line  # noqa: PLC0415 - loaded while the servers come up

    try:
        with told_in_one_line("prepare the data folder"):
            return installation.prepare(settings, is_demo=is_demo)
    except Unfit as error:
        raise CommandFailed(str(error), USAGE) from None
    except DomainError as error:
        raise CommandFailed(f"cannot prepare the data folder: {error.detail}", USAGE) from None


class _Installation:
    """The servers and processes of one data folder."""

    def __init__(self, data_dir: DataDir, supervisor: Supervisor) -> None:
        self._data_dir = data_dir
        self._supervisor = supervisor
        environment = load_settings()
        if environment.postgres_bin is not None:
            with _naming("ZEROSUM_POSTGRES_BIN"):
                find_postgres(environment.postgres_bin)
        self._postgres = EmbeddedPostgres(data_dir, bin_path=environment.postgres_bin, notify=say)
        supervisor.add_server("PostgreSQL", self._postgres)
        with _naming("ZEROSUM_REDIS_BIN"):
            binary = find_valkey(environment.redis_bin)
        self._valkey = None if binary is None else EmbeddedValkey(data_dir, binary, notify=say)
        if self._valkey is None:
            say("No Redis was found: the service runs without cache, and each process counts rate limits for itself.")
        else:
            supervisor.add_server("Valkey", self._valkey)

    def start_servers(self) -> None:
        from zerosum.metrics.folder import share_metrics  # noqa: PLC0415 - loads much

        say(f"Starting PostgreSQL and Redis in {self._data_dir.path} …")
        share_metrics(self._data_dir.path / "metrics")
        _start_together([server for server in (self._postgres, self._valkey) if server is not None])

    def archive(self, backups: BackupFolder | None) -> None:
        """From the first transaction on, if there is a folder for it."""
        archive = archive_log(self._data_dir, self._postgres, backups)
        if archive is not None:
            self._supervisor.add_server("the archive of PostgreSQL's log", archive)

    def prepare(self, settings: Settings, *, is_demo: bool) -> Credentials:
        """The newest schema, and credentials for a first ledger."""
        from zerosum.cli.first_ledger import (  # noqa: PLC0415 - loaded while the servers come up
            make_first_ledger,
            with_every_scope,
        )
        from zerosum.db.schema.migrations import HEAD, current_revision, migrate  # noqa: PLC0415
        from zerosum.db.schema.provisioning import OWNER_ROLE, provision  # noqa: PLC0415

        owner_url = self._postgres.dsn("postgres", self._data_dir.superuser_password, database=DATABASE)
        superuser = self._postgres.superuser_dsn
        asyncio.run(provision(superuser, database=DATABASE, service_password=self._data_dir.app_password))
        if asyncio.run(current_revision(owner_url)) != HEAD:
            asyncio.run(migrate(owner_url, role=OWNER_ROLE))
        located = self._located(settings)
        check_secrets(located, kept_in=self._data_dir.path / "secrets")
        found = Credentials.read(self._data_dir.path)
        if found is None:
            credentials = asyncio.run(make_first_ledger(located, is_demo=is_demo))
        else:
            credentials = replace(asyncio.run(with_every_scope(located, found)), base_url=settings.url)
        if credentials != found:
            credentials.write(self._data_dir.path)
        return credentials

    def console_link(self, settings: Settings) -> str:
        from zerosum.cli.console import demo_link  # noqa: PLC0415 - loaded while the servers come up

        return asyncio.run(demo_link(self._located(settings)))

    def add_processes(self, settings: Settings, sockets: list[socket.socket]) -> None:
        """API processes and the worker: forks of this one, which has loaded everything they need."""
        from zerosum.metrics.folder import forget_process  # noqa: PLC0415 - as above

        self._supervisor.at_stop(functools.partial(close_all, sockets))
        shared = SharedByForks(len(sockets))
        for index, own in enumerate(sockets):
            others = [other for other in sockets if other is not own]
            self._supervisor.add_worker(
                f"API process {index + 1}",
                functools.partial(self._serve, settings, own, others, shared, index),
                WORKER_GRACE_SECONDS,
                on_end=forget_process,
            )
        self._supervisor.add_worker(
            "worker", functools.partial(self._work, settings, sockets, shared), WORKER_GRACE_SECONDS
        )

    def _work(self, settings: Settings, sockets: list[socket.socket], shared: SharedByForks) -> int:
        close_all(sockets)
        return worker_process(self._located(settings), shared)

    def _serve(
        self, settings: Settings, own: socket.socket, others: list[socket.socket], shared: SharedByForks, number: int
    ) -> int:
        return api_process(self._located(settings), own, others, shared, number)

    def _located(self, settings: Settings) -> Settings:
        """With the addresses the servers have at this moment."""
        url = self._postgres.dsn(SERVICE_ROLE, self._data_dir.app_password, database=DATABASE)
        redis = None if self._valkey is None else self._valkey.url
        return settings.model_copy(update={"database_url": url, "lane_database_url": None, "redis_url": redis})


@contextmanager
def _naming(variable: str) -> Iterator[None]:
    try:
        yield
    except EmbeddedError as error:
        raise CommandFailed(f"{variable}: {error}", USAGE) from None


def _start_together(servers: list[EmbeddedPostgres | EmbeddedValkey]) -> None:
    """Start the servers, and load the service's code while they come up: the longer half of a quick start."""
    starts = [server.starting() for server in servers]
    steps = 0
    while starts:
        starts = [start for start in starts if next(start, starts) is None]
        steps += 1
        if steps == LAUNCHED_STEPS:
            load_service()
        time.sleep(POLL_SECONDS)
    load_service()


def _with_generous_limits(settings: Settings) -> Settings:
    given = settings.model_fields_set
    names = ("rate_limit_per_principal", "rate_limit_per_ledger", "rate_limit_per_address", "costly_reads_per_ledger")
    counts = ("connections_per_address_max", "new_connections_per_address")
    limits: dict[str, object] = dict.fromkeys(names, GENEROUS_LIMIT) | dict.fromkeys(counts, MANY)
    return settings.model_copy(update={name: limit for name, limit in limits.items() if name not in given})


def _greet(settings: Settings, credentials: Credentials, folder: Path, link: str) -> None:
    """Where everything is, and a first call to paste."""
    shown = Path(os.path.relpath(folder)) if folder.is_relative_to(Path.cwd()) else folder
    option = "" if folder == Path(".zerosum").absolute() else f" --data-dir {shlex.quote(str(shown))}"
    certificate = f" --cacert {shlex.quote(str(shown / 'tls/certificate.pem'))}" if settings.is_tls else ""
    put(f"""
Zerosum serves {credentials.base_url}

  the console   {link}
                (signs in once, within a quarter of an hour; another: {_command()} console-link{option})
  the manual    {credentials.base_url}/docs   (Authorize with client_id and client_secret)
  credentials   {shown / CREDENTIALS_NAME}   (for you alone)
  health        {credentials.base_url}/readyz

A first payment, in another terminal:

  TOKEN=$({_command()} token{option})
  curl -gs{certificate} {credentials.base_url}/v1/payments \\
    -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: first-payment" -H "Content-Type: application/json" \\
    -d '{{"type": "deposit", "amount": "100.00", "currency": "USD", "to": "customers:alice"}}'

The token lives {_duration(settings.token_seconds)}. Answered 401, get a new one by the first of these lines again.
Ctrl-C stops everything.
""")


def _duration(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds % 60 == 0 and seconds > 60 else f"{seconds} seconds"


def _command() -> str:
    """How whoever started us can run another command, as it is to be pasted."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return f"{_pasted(Path(sys.executable))} -m zerosum"
    return _pasted(program) if len(program.parts) > 1 else "zerosum"


def _pasted(program: Path) -> str:
    """As seen from here, where it lies below; not by a way up and around."""
    path = program.absolute()
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
