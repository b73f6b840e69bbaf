"""A whole `zerosum up` in processes of its own, as a user starts it, and the means to break it."""

from __future__ import annotations

import atexit
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.cli.warm_start import Process, start_in_background
from tests.conftest import FOLDER_OF_THE_RUN

START_SECONDS_MAX = 180.0
BACK_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 120.0
NOWHERE = "http://127.0.0.1:1"
LISTENING, ESTABLISHED = "0A", "01"
"""As /proc/net/tcp writes it."""


class Installation:
    """Started on a free port in a folder of its own; everything it needs to know is read from the folder."""

    def __init__(self, folder: Path, process: Process) -> None:
        self.folder = folder
        self.process = process

    @property
    def credentials(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.folder / "credentials.json").read_text())
        return content

    @property
    def base_url(self) -> str:
        return self.credentials["base_url"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['api_key']}"}

    def api_pids(self) -> list[int]:
        """The forks that hold a listening socket of the service's port."""
        return [pid for pid in children(self.process.pid) if _listens(pid, int(self.base_url.rsplit(":", 1)[1]))]

    def postgres_pid(self) -> int:
        return int((self._servers() / "postgres" / "postmaster.pid").read_text().split("\n")[0])

    def valkey_pid(self) -> int:
        return int((self._servers() / "valkey" / "valkey.pid").read_text())

    def superuser_dsn(self, database: str = "zerosum") -> str:
        password = (self.folder / "secrets" / "postgres-superuser").read_text().strip()
        port = (self.folder / "ports" / "postgres").read_text().strip()
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/{database}"

    async def superuser(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(self.superuser_dsn())

    def wait_until_ready(self, seconds_max: float = BACK_SECONDS_MAX) -> float:
        """Until the service says that it is ready; how long that took."""
        started = time.monotonic()
        while time.monotonic() - started < seconds_max:
            try:
                answer = httpx.get(f"{self.base_url}/readyz", timeout=2.0, trust_env=False, verify=False)
                if answer.status_code == 200:
                    return time.monotonic() - started
            except (httpx.HTTPError, FileNotFoundError):
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"zerosum up ended with {self.process.returncode}: {self.log()}")
            time.sleep(0.05)
        raise AssertionError(f"not ready after {seconds_max} s: {self.log()}")

    def log(self) -> str:
        return (self.folder.parent / "up.log").read_text(errors="replace")[-100_000:]

    def stop(self) -> float:
        """As Ctrl-C does; how long it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return time.monotonic() - started

    def _servers(self) -> Path:
        marker: dict[str, Any] = json.loads((self.folder / "data-dir.json").read_text())
        return Path(marker["server_data"]) if marker.get("server_data") else self.folder / "servers"


def start(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, is_warm: bool = False
) -> Installation:
    """`zerosum up` on a free port. Returns when it is ready. For `is_warm` see `tests.cli.warm_python`."""
    command = ["up", "--data-dir", str(folder), "--port", "0", *arguments]
    with (folder.parent / "up.log").open("ab") as log:
        process = start_in_background(command, environment=environment or {}, output=log.fileno(), is_warm=is_warm)
    installation = Installation(folder, process)
    try:
        installation.wait_until_ready(START_SECONDS_MAX)
    except BaseException:
        installation.stop()
        raise
    return installation


@contextmanager
def installed(
    *arguments: str, environment: dict[str, str] | None = None, is_warm: bool = False, is_new: bool = False
) -> Iterator[Installation]:
    """An installation that leaves nothing behind. Where it `is_new` its folder is made by this start."""
    parent = Path(tempfile.mkdtemp(prefix="zerosum-campaign-"))
    parent.chmod(0o711)  # as root the servers run as another account, which must pass through
    installation = None
    try:
        if not is_new:
            made = _made_folder(is_demo="--no-demo" not in arguments)
            subprocess.run(["cp", "-a", str(made), str(parent / "data")], check=True)  # with their owners
        installation = start(parent / "data", *arguments, environment=environment, is_warm=is_warm)
        yield installation
    finally:
        if installation is not None:
            installation.stop()
        shutil.rmtree(parent, ignore_errors=True)


def _made_folder(*, is_demo: bool) -> Path:
    """What `zerosum up` has made and left, once for all processes of the run."""
    home = _home_of_made_folders()
    made = home / ("demo" if is_demo else "main")
    with (home / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = home / "making"
            making.mkdir(mode=0o711)
            start(making / "data", "--workers", "1", *([] if is_demo else ["--no-demo"]), is_warm=True).stop()
            _forget_where_it_was(making / "data")
            (making / "data").rename(made)
            shutil.rmtree(making)
    return made


def _forget_where_it_was(folder: Path) -> None:
    """Its ports are somebody else's by the time it is started again."""
    for name in ("ports", "logs", "metrics"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "zerosum.lock").unlink(missing_ok=True)
    path = folder / "credentials.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_url": NOWHERE}))


@functools.cache
def _home_of_made_folders() -> Path:
    if FOLDER_OF_THE_RUN in os.environ:
        return Path(os.environ[FOLDER_OF_THE_RUN])
    home = Path(tempfile.mkdtemp(prefix="zerosum-made-"))
    home.chmod(0o711)  # as root the servers run as another account, which must pass through
    atexit.register(shutil.rmtree, home)
    return home


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def answers(pid: int, port: int, caller_port: int) -> bool:
    """Whether it is this process that has taken the connection of that caller."""
    return _has_socket(pid, ESTABLISHED, port, caller_port)


def _listens(pid: int, port: int) -> bool:
    return _has_socket(pid, LISTENING, port, 0)


def _has_socket(pid: int, state: str, port: int, far_port: int) -> bool:
    wanted = _inodes(state, port, far_port)
    try:
        links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(f"socket:[{inode}]" in links for inode in wanted)


def _inodes(state: str, port: int, far_port: int) -> set[str]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = [state, port, far_port]
    return {fields[9] for fields in lines if [fields[3], *(int(end[-4:], 16) for end in fields[1:3])] == wanted}
