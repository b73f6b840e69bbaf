"""What the tests of the embedded servers stand on: real servers in a folder per test, and a look at processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.embedded.made_once import copy_of_a_data_folder

from zerosum.embedded import DataDir, EmbeddedPostgres, EmbeddedValkey, find_postgres, find_valkey

SCRIPT = Path(__file__).with_name("supervised_service.py")
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
"""For Python scripts that import what we can import, and know of no setting."""

WAIT_SECONDS_MAX = 20.0


def wait_until(is_so: Callable[[], object], what: str, seconds: float = WAIT_SECONDS_MAX) -> float:
    """Seconds it took until the condition held."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            pytest.fail(f"Not within {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - began


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """The process's running children and theirs."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_running(int(entry.name)):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in children_of(child)]


def processes_about(folder: Path) -> list[str]:
    """Running processes that work in the folder or name it on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((entry / "cwd").readlink())
        except OSError:
            continue
        if entry.name != str(os.getpid()) and (str(folder) in words or place.startswith(str(folder))):
            found.append(f"{entry.name} {words}")
    return found


@dataclass
class Service:
    """`supervised_service.py`, running."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def pid_of(self, name: str) -> int:
        """The latest process of a child, as it has said itself."""
        return int(next(line for line in reversed(self.lines) if line.startswith(f"{name} is ")).rsplit(" ", 1)[1])

    @property
    def dsn(self) -> str:
        return next(line for line in self.lines if line.startswith("dsn ")).removeprefix("dsn ")

    def wait_for(self, text: str, seconds: float = WAIT_SECONDS_MAX) -> float:
        return wait_until(
            lambda: any(text in line for line in self.lines), f"{text!r} in {self.output.read_text()}", seconds
        )

    def wait_for_end(self, seconds: float) -> int:
        wait_until(lambda: self.process.poll() is not None, f"end of the service; {self.output.read_text()}", seconds)
        assert self.process.returncode is not None
        return self.process.returncode


@dataclass
class Ground:
    """A folder of the test's own, and ways to put servers into it."""

    folder: Path
    state_root: Path
    said: list[str] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    on_clear: list[Callable[[], object]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "data"

    def open(self, path: Path | None = None) -> DataDir:
        """A folder that is made now."""
        data_dir = DataDir(path or self.path, state_root=self.state_root)
        self.on_clear.append(data_dir.close)
        return data_dir

    def open_copy(self, path: Path | None = None) -> DataDir:
        """One in which a database is already."""
        copy_of_a_data_folder(path or self.path)
        return self.open(path)

    def postgres(self, data_dir: DataDir, *, bin_path: Path | None = None) -> EmbeddedPostgres:
        server = EmbeddedPostgres(data_dir, bin_path=bin_path, notify=self.said.append)
        self.on_clear.append(server.stop)
        return server

    def valkey(self, data_dir: DataDir) -> EmbeddedValkey:
        binary = find_valkey()
        assert binary is not None
        server = EmbeddedValkey(data_dir, binary, notify=self.said.append)
        self.on_clear.append(server.stop)
        return server

    def serve(self, *options: str, within: Sequence[str] = ()) -> Service:
        """Start the small service with these options, as an argument of the command `within` if there is one."""
        if "with-servers" in options and not self.path.exists():
            copy_of_a_data_folder(self.path)
        output = self.folder / f"output-{len(self.services)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*within, sys.executable, str(SCRIPT), str(self.path), str(self.state_root), *options],
                env=ENVIRONMENT,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )
        service = Service(process, output)
        self.services.append(service)
        return service

    def clear(self) -> None:
        for service in self.services:
            if service.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(service.process.pid, signal.SIGTERM)
                service.wait_for_end(10)
        for step in reversed(self.on_clear):
            step()


def sql(dsn: str, statement: str) -> str:
    """What psql prints for it."""
    psql = find_postgres().bin_path / "psql"
    done = subprocess.run(
        [str(psql), "-X", "-Atq", "-v", "ON_ERROR_STOP=1", dsn, "-c", statement],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_as(uid: int, gid: int, work: Callable[[], object]) -> str:
    """What `work` returns or raises, as text, done by a fork of this process under another account.

    A fork, because the interpreter itself may lie where that account cannot start it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.write(writing, str(work()).encode())
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(pid, 0)
    return text
