"""A container engine for the tests: the one that the `docker` client reaches, else a private podman of this run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerosum-containers"
"""Images of the private podman stay here, so that a second run takes minutes less. It may be deleted at any time."""

COMMAND_SECONDS_MAX = 1800.0
SOCKET_SECONDS_MAX = 20.0
PRIVATE_PROGRAMS = ("podman", "runc", "conmon", "debootstrap", "tar")
NETAVARK = Path("/usr/lib/podman/netavark")
INIT = Path("/usr/libexec/podman/catatonit")

CONTAINERS_CONF = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "zerosum"
[engine.runtimes]
zerosum = ["{runtime}"]
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE_CONF = """
[storage]
driver = "{driver}"
graphroot = "{folder}/{driver}"
runroot = "{folder}/run-{driver}"
"""


class NoEngine(Exception):
    """What is missing, by name."""


@dataclass(frozen=True)
class Engine:
    """Commands for one engine. `is_private`: podman without a registry, which takes stand-ins for public images."""

    cli: tuple[str, ...]
    compose: tuple[str, ...]
    environment: Mapping[str, str]
    is_private: bool

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.call((*self.cli, *arguments), stdin=stdin, check=check)

    def call(
        self, command: tuple[str, ...], *, cwd: Path | None = None, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done

    def has_image(self, name: str) -> bool:
        return self.run("image", "inspect", name, check=False).returncode == 0


@contextmanager
def an_engine() -> Iterator[Engine]:
    """Raises NoEngine."""
    compose = _compose()
    if shutil.which("docker") and _succeeds("docker", "info"):
        yield Engine(("docker",), compose, {}, is_private=False)
        return
    missing = [name for name in PRIVATE_PROGRAMS if shutil.which(name) is None]
    missing += [path.name for path in (NETAVARK, INIT) if not path.exists()]
    if os.geteuid() != 0:
        missing.append("root, for an engine of our own")
    if missing:
        raise NoEngine(f"no container engine runs, and to start one there is no {', no '.join(missing)}")
    with _private_podman() as environment:
        yield Engine(("podman",), compose, environment, is_private=True)


def _compose() -> tuple[str, ...]:
    if shutil.which("docker") and _succeeds("docker", "compose", "version"):
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise NoEngine("there is neither `docker compose` nor docker-compose")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@contextmanager
def _private_podman() -> Iterator[dict[str, str]]:
    """Its socket speaks the language of the `docker` client."""
    CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    places = {"folder": CACHE, "runtime": HERE / "runtime.py", "driver": _storage_driver()}
    (CACHE / "containers.conf").write_text(CONTAINERS_CONF.format(**places), encoding="utf-8")
    (CACHE / "storage.conf").write_text(STORAGE_CONF.format(**places), encoding="utf-8")
    socket = CACHE / "api.sock"
    socket.unlink(missing_ok=True)
    environment = {
        "CONTAINERS_CONF": str(CACHE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(CACHE / "storage.conf"),
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_BUILDKIT": "0",
        "COMPOSE_DOCKER_CLI_BUILD": "0",
    }
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{socket}"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    is_over = threading.Event()
    checks = threading.Thread(target=_check_health, args=(environment, is_over))
    try:
        deadline = time.monotonic() + SOCKET_SECONDS_MAX
        while not socket.exists():
            if service.poll() is not None or time.monotonic() > deadline:
                raise NoEngine("podman does not start here")
            time.sleep(0.1)
        checks.start()
        yield environment
    finally:
        is_over.set()
        if checks.is_alive():
            checks.join()
        service.terminate()
        service.wait(timeout=30)


def _storage_driver() -> str:
    """Layers that lie over one another where this machine can; else each is a copy of all below it, which is slow."""
    with TemporaryDirectory(dir=CACHE) as made:
        names = ("lower", "upper", "work", "merged")
        lower, upper, work, merged = (Path(made) / name for name in names)
        for place in (lower, upper, work, merged):
            place.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        if not _succeeds("mount", "-t", "overlay", "overlay", "-o", options, str(merged)):
            return "vfs"
        return "overlay" if _succeeds("umount", str(merged)) else "vfs"


def _check_health(environment: Mapping[str, str], is_over: threading.Event) -> None:
    """Podman leaves that to the timers of systemd, which need not be here."""
    given = {**os.environ, **environment}
    checked = [word for state in ("starting", "healthy", "unhealthy") for word in ("--filter", f"health={state}")]
    while not is_over.wait(1.0):
        listed = subprocess.run(
            ["podman", "ps", "--quiet", *checked], env=given, capture_output=True, text=True, timeout=60, check=False
        )
        for container in listed.stdout.split():
            subprocess.run(
                ["podman", "healthcheck", "run", container], env=given, capture_output=True, timeout=60, check=False
            )


def tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
