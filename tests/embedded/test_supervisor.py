"""The supervisor with real processes: a small service is started, hurt and stopped (`supervised_service.py`)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerosum.embedded import Supervisor

from .ground import Ground, Service, children_of, is_running, sql, wait_until

ONLY_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Needs the kernel's death signal.")


def started(ground: Ground, *options: str) -> Service:
    service = ground.serve(*options)
    service.wait_for("worker 1 is ")
    service.wait_for("worker 2 is ")
    return service


def test_killed_worker_is_back_within_a_second(ground: Ground) -> None:
    service = started(ground)
    killed = service.pid_of("worker 1")
    other = service.pid_of("worker 2")
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: service.pid_of("worker 1") != killed, "new worker", 5) < 1
    service.wait_for("worker 1 was killed by SIGKILL; starting it again.")
    assert is_running(other)
    assert service.pid_of("worker 2") == other


def test_killed_database_is_back_within_ten_seconds_with_every_row(ground: Ground) -> None:
    service = started(ground, "with-servers")
    sql(service.dsn, "create table t (n int)")
    sql(service.dsn, "insert into t select generate_series(1, 200)")
    workers = service.pid_of("worker 1"), service.pid_of("worker 2")
    os.kill(service.pid_of("PostgreSQL"), signal.SIGKILL)
    assert service.wait_for("PostgreSQL runs again.") < 10
    assert sql(service.dsn, "select count(*) from t") == "200"
    assert (service.pid_of("worker 1"), service.pid_of("worker 2")) == workers


def test_killed_valkey_is_back_and_the_database_does_not_notice(ground: Ground) -> None:
    service = started(ground, "with-servers")
    os.kill(service.pid_of("Valkey"), signal.SIGKILL)
    assert service.wait_for("Valkey runs again.") < 5
    assert is_running(service.pid_of("PostgreSQL"))


def test_ctrl_c_stops_everything_within_five_seconds(ground: Ground) -> None:
    service = started(ground, "with-servers")
    pids = children_of(service.process.pid)
    assert len(pids) > 8
    began = time.monotonic()
    # As a terminal does: to the whole foreground group, in which there must be nobody else.
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.wait_for_end(5) == 0
    assert time.monotonic() - began < 5
    assert not any(is_running(pid) for pid in pids)
    assert "again" not in service.output.read_text()
    assert "Traceback" not in service.output.read_text()


def test_sigterm_stops_as_well(ground: Ground) -> None:
    service = started(ground)
    service.process.send_signal(signal.SIGTERM)
    assert service.wait_for_end(5) == 0


def test_stop_in_the_middle_of_a_migration_stops_the_servers(ground: Ground) -> None:
    service = ground.serve("with-servers", "migrating")
    service.wait_for("migrating")
    pids = children_of(service.process.pid)
    service.process.send_signal(signal.SIGTERM)
    assert service.wait_for_end(5) == 128 + signal.SIGTERM
    assert not any(is_running(pid) for pid in pids)


def test_worker_that_does_not_listen_is_killed_after_its_grace(ground: Ground) -> None:
    service = started(ground, "stubborn")
    service.process.send_signal(signal.SIGINT)
    assert service.wait_for_end(5) == 0


def test_second_ctrl_c_ends_the_grace(ground: Ground) -> None:
    service = started(ground, "stubborn", "patient")
    began = time.monotonic()
    service.process.send_signal(signal.SIGINT)
    service.wait_for("Stopping.")
    service.process.send_signal(signal.SIGINT)
    assert service.wait_for_end(5) == 0
    assert time.monotonic() - began < 5


def test_worker_that_keeps_crashing_at_the_start_ends_the_service_with_a_clear_line(ground: Ground) -> None:
    service = ground.serve("crashing")
    assert service.wait_for_end(10) == 1
    assert service.lines[-1] == "crasher ended with exit code 3. That was the 5th time: giving up."


@ONLY_LINUX
def test_kill_of_the_supervisor_alone_ends_everything(ground: Ground) -> None:
    service = started(ground, "with-servers")
    pids = children_of(service.process.pid)
    service.process.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids), "everything gone", 5)


def test_kill_of_the_whole_tree_loses_nothing_and_hinders_no_new_start(ground: Ground) -> None:
    service = started(ground, "with-servers")
    sql(service.dsn, "create table t as select generate_series(1, 200) as n")
    for pid in (service.process.pid, *children_of(service.process.pid)):
        with contextlib.suppress(ProcessLookupError):  # The first kills may have taken others along.
            os.kill(pid, signal.SIGKILL)
    service.wait_for_end(5)
    again = started(ground, "with-servers")
    assert again.dsn == service.dsn
    assert sql(again.dsn, "select count(*) from t") == "200"


def test_leftovers_of_a_killed_supervisor_are_ended_by_the_next_start(ground: Ground) -> None:
    service = started(ground, "with-servers")
    leftovers = children_of(service.pid_of("PostgreSQL"))
    postmaster = service.pid_of("PostgreSQL")
    os.kill(postmaster, signal.SIGSTOP)  # So that it cannot follow its parent into death.
    service.process.kill()
    service.wait_for_end(5)
    assert is_running(postmaster)
    again = started(ground, "with-servers")
    assert not any(is_running(pid) for pid in (postmaster, *leftovers))
    assert sql(again.dsn, "select 1") == "1"


def test_data_folder_in_use_is_refused_to_a_second_service(ground: Ground) -> None:
    first = started(ground)
    second = ground.serve()
    assert second.wait_for_end(5) == 1
    assert second.lines[-1].endswith(f"The data folder {ground.path} is in use by process {first.process.pid}.")


class PretendServer:
    """A server whose address the test can change."""

    def __init__(self) -> None:
        self.address = "127.0.0.1:1"
        self.pid: int | None = None
        self.exit_status: int | None = None

    def start(self) -> None: ...
    def tend(self) -> None: ...
    def hurry(self) -> None: ...
    def is_alive(self) -> bool:
        return True

    def starting(self) -> Iterator[None]:
        yield from ()

    stopping = starting


def test_workers_are_started_anew_when_a_server_has_moved(ground: Ground) -> None:
    server = PretendServer()
    notes = ground.folder / "notes"
    notes.touch()

    def work() -> int:
        with notes.open("a") as file:
            file.write(f"{server.address}\n")
        signal.pause()
        return 0

    with Supervisor(ground.said.append) as supervisor:
        supervisor.add_server("server", server)
        supervisor.add_worker("worker", work)

        def worked_at(*addresses: str) -> bool:
            supervisor._tick(time.monotonic())
            return notes.read_text().split() == list(addresses)

        wait_until(lambda: worked_at("127.0.0.1:1"), "first run")
        worked_at()  # A tick without a change.
        server.address = "127.0.0.1:2"
        wait_until(lambda: worked_at("127.0.0.1:1", "127.0.0.1:2"), "second run")
    assert ground.said == ["worker runs again."]


def test_as_process_one_of_a_container_it_clears_away_orphans(ground: Ground) -> None:
    unshare = shutil.which("unshare")
    as_process_one = [unshare or "", "--fork", "--pid", "--mount-proc", "--kill-child"]
    if unshare is None or subprocess.run([*as_process_one, "true"], check=False).returncode:
        pytest.skip("No right to make a process namespace here.")
    service = ground.serve("orphaning", within=as_process_one)
    for name in ("orphaner", "worker 1", "worker 2"):
        service.wait_for(f"{name} is ")
    service.wait_for("orphan ended")
    supervisor = children_of(service.process.pid)[0]
    wait_until(lambda: len(entries_below(supervisor)) == 3, "only its three workers, no zombie", 5)
    os.kill(supervisor, signal.SIGTERM)
    service.wait_for_end(5)


def entries_below(pid: int) -> list[str]:
    """What the kernel lists as children of the process, zombies too."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
