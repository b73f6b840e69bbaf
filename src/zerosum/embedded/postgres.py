"""A private PostgreSQL for one machine: real, durable, reachable on the loopback address only.

For trying out, for tests and for small installations. In production use a managed or packaged PostgreSQL: this one has
no replica and (from a wheel) no TLS. What is backed up of it, and how it is restored, is in `backups`.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from zerosum.adapters.whole_files import sync_folder
from zerosum.embedded.account_work import done_as
from zerosum.embedded.binaries import PostgresBinaries, find_postgres
from zerosum.embedded.child_processes import exit_text, pid_in, spawn
from zerosum.embedded.data_dir import DataDir
from zerosum.embedded.durable_files import keep_written, make_folder, write_durably
from zerosum.embedded.errors import EmbeddedError
from zerosum.embedded.ownership import read_untrusted
from zerosum.embedded.postgres_probe import ask_postgres
from zerosum.embedded.postgres_settings import SETTINGS_NAME, postgres_settings, socket_folder_within_limit
from zerosum.embedded.server import EmbeddedServer, Notify

SUPERUSER = "postgres"
CONNECTIONS_MAX = 100

REMOVAL_ATTEMPTS_MAX = 100

PID_FILE_BYTES_MAX = 4096
VERSION_BYTES_MAX = 16
PID_FILE_STATUS_LINE = 8
PID_FILE_READY = "ready"
"""In the last line of postmaster.pid since PostgreSQL 10: written once it listens and takes connections."""


class EmbeddedPostgres(EmbeddedServer):
    """Started in the data folder, initialised there on first use. All waiting is bounded (see `server`).

    `bin_path` is the folder of `postgres` and `initdb` to use; by default one is found (see `binaries`).
    """

    name = "postgres"
    title = "PostgreSQL"
    # Fast shutdown takes 0.02 s as a rule. The next two cost a recovery at the next start, but never data.
    stop_steps = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 0.5), (signal.SIGKILL, 2.0))
    death_signal = signal.SIGINT
    passing_failures = ("pre-existing shared memory block", 'postmaster.pid" already exists', '.lock" already exists')

    def __init__(
        self,
        data_dir: DataDir,
        *,
        bin_path: Path | None = None,
        max_connections: int = CONNECTIONS_MAX,
        notify: Notify,
    ) -> None:
        super().__init__(data_dir, notify=notify)
        self._bin_path = bin_path
        self._max_connections = max_connections
        self._binaries: PostgresBinaries | None = None

    @property
    def superuser_dsn(self) -> str:
        return self.dsn(SUPERUSER, self.data_dir.superuser_password, database="postgres")

    def dsn(self, role: str, password: str, *, database: str) -> str:
        """Valid once started, and as long as `address` stays the same."""
        words = [quote(word, safe="") for word in (role, password, database)]
        return f"postgresql://{words[0]}:{words[1]}@{self.address}/{words[2]}"

    @property
    def binaries(self) -> PostgresBinaries:
        """Which PostgreSQL this is. Found at the first call, then kept."""
        if self._binaries is None:
            major = self._major_of_database()
            found = find_postgres(self._bin_path, major=major)
            if self._bin_path is not None and (self._bin_path / "postgres").resolve() != found.postgres.resolve():
                self._notify(f"The database was made by PostgreSQL {major}: using the one in {found.bin_path}.")
            self._binaries = self.data_dir.machine_state.runnable_postgres(found, self.data_dir.account)
        return self._binaries

    @property
    def _program(self) -> Path:
        return self.binaries.postgres.resolve()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    @property
    def _socket_folder(self) -> Path:
        return self.folder.with_name("run")

    def _prepare(self) -> Iterator[None]:
        make_folder(self._socket_folder, mode=0o700, account=self.data_dir.account)
        if not self.folder.exists():
            yield from self._initialise()
        if read_untrusted(self._pid_file, 1) == b"":
            # Cut off by a crash before PostgreSQL wrote its first line; it refuses to judge that by itself.
            done_as(self.data_dir.account, self._pid_file.unlink)

    def _initialise(self) -> Iterator[None]:
        """Make the database beside its place, then move it there in one step: a killed initdb leaves nothing behind."""
        account, new = self.data_dir.account, self.folder.with_name("postgres.new")
        if self.data_dir.is_elsewhere and account is not None:
            self._notify(
                f"The database is kept in {self.folder.parent}: "
                f"the account `{account.name}`, which it runs as, cannot get into {self.data_dir.path}."
            )
        yield from self._end_leftovers(new)
        for _ in range(REMOVAL_ATTEMPTS_MAX):
            if not new.exists():
                break
            # A last process of the killed initdb may still be writing there.
            done_as(account, lambda: _empty(new))
            with contextlib.suppress(OSError):
                new.rmdir()
            yield
        make_folder(new, mode=0o700, account=account)
        password_file = self.folder.with_name("initdb-password")
        write_durably(password_file, self.data_dir.superuser_password + "\n", account=account)
        try:
            yield from self._run_initdb(new, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        done_as(account, lambda: _include_settings(new / "postgresql.conf"))
        new.rename(self.folder)
        sync_folder(self.folder.parent)

    def _run_initdb(self, folder: Path, password_file: Path) -> Iterator[None]:
        command = [str(self.binaries.initdb), "-D", str(folder), "-U", SUPERUSER, f"--pwfile={password_file}"]
        # The C locale sorts alike on all machines, whatever is installed there.
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
        with self._log.open_for_new_start() as output:
            initdb = spawn(command, account=self.data_dir.account, death_signal=signal.SIGKILL, output=output)
        try:
            while initdb.poll() is None:
                yield
        finally:
            if initdb.poll() is None:
                initdb.kill()
            initdb.wait()
        if initdb.returncode != 0:
            raise self._failure(f"initdb {exit_text(initdb.returncode)}")

    def _command(self) -> list[str]:
        folder = socket_folder_within_limit(self._socket_folder, self.port)
        text = postgres_settings(port=self.port, max_connections=self._max_connections, socket_folder=folder)
        done_as(self.data_dir.account, lambda: keep_written(self.folder / SETTINGS_NAME, text))
        return [str(self.binaries.postgres), "-D", str(self.folder)]

    def _environment(self) -> dict[str, str]:
        """PostgreSQL refuses a pid file whose process lives, though the number may long belong to another program.

        `_end_leftovers` has found that no server runs here, so the number is stale. Told that it was its grandparent's,
        PostgreSQL takes it for stale too, and still makes its own check of the shared memory: removing the file
        instead would switch that check off.
        """
        stale = pid_in(self._pid_file)
        return {"PG_GRANDPARENT_PID": str(stale)} if stale is not None else {}

    def _why_not_ready(self) -> str | None:
        answer = ask_postgres(self.port)
        if not answer.is_accepting:
            return answer.words
        # Another PostgreSQL may have taken the port a moment ago: ours is about to end then.
        lines = (read_untrusted(self._pid_file, PID_FILE_BYTES_MAX) or b"").decode(errors="replace").splitlines()
        is_ready = len(lines) >= PID_FILE_STATUS_LINE and lines[PID_FILE_STATUS_LINE - 1].strip() == PID_FILE_READY
        if is_ready and lines[0].strip() == str(self.pid):
            return None
        return "another server answers on its port"

    def _major_of_database(self) -> int | None:
        if not self.folder.exists():
            return None
        try:
            return int(read_untrusted(self.folder / "PG_VERSION", VERSION_BYTES_MAX) or b"")
        except ValueError:
            raise EmbeddedError(f"{self.folder} is no database of a PostgreSQL this version knows.") from None


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _include_settings(path: Path) -> None:
    write_durably(path, f"{path.read_text(encoding='utf-8')}\ninclude '{SETTINGS_NAME}'\n")
