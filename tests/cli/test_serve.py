"""`zerosum serve`, `worker` and `migrate`: with a database and Redis that the settings name."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.cli.command import assert_one_clear_line, zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.conftest import Servers, TestDatabase, clone_database
from tests.tracing.collector import attributes, collecting
from zerosum.config import SettingsError, load_settings
from zerosum.db.schema.provisioning import SERVICE_ROLE

SECRET = base64.b64encode(bytes(range(32))).decode()
READY_SECONDS_MAX = 30.0


@pytest.fixture
def environment(test_database: TestDatabase, servers: Servers) -> dict[str, str]:
    return {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": SECRET,
        "ZEROSUM_CURSOR_SECRET": SECRET,
        "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
    }


@contextmanager
def serving(environment: dict[str, str], *arguments: str, is_warm: bool = True) -> Iterator[tuple[str, Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "--port", str(port), "--workers", "2", *arguments]
    with Path(os.devnull).open("wb") as nobody:
        process = start_in_background(words, environment=environment, output=nobody.fileno(), is_warm=is_warm)
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, verify=False).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)


def test_it_serves_and_ends_well_on_sigterm(environment: dict[str, str]) -> None:
    with serving(environment, is_warm=False) as (url, process):
        assert httpx.get(f"{url}/.well-known/jwks.json", trust_env=False, verify=False).json()["keys"]
        assert httpx.get(f"{url}/v1/accounts", trust_env=False, verify=False).status_code == 401
        # Each process tells the others once a second what it has counted.
        deadline = time.monotonic() + READY_SECONDS_MAX
        while "zerosum_http_requests_total" not in httpx.get(f"{url}/metrics", trust_env=False, verify=False).text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert process.returncode == 0


def test_its_last_traces_are_sent_before_it_ends(environment: dict[str, str]) -> None:
    with collecting() as collector:
        with serving({**environment, "ZEROSUM_OTLP_ENDPOINT": collector.url, "ZEROSUM_TRACE_RATIO": "1"}) as (
            url,
            process,
        ):
            httpx.get(f"{url}/v1/accounts", headers={"X-Request-Id": "the-last"}, trust_env=False, verify=False)
        assert process.returncode == 0
    assert "the-last" in {attributes(span)["zerosum.request_id"] for span in collector.requests}


def test_it_ends_well_without_the_collector_it_was_promised(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving({**environment, "ZEROSUM_OTLP_ENDPOINT": url}) as (_, process):
            begun = time.monotonic()
        assert process.returncode == 0
        assert time.monotonic() - begun < 8.0


def test_the_first_ledger_is_made_by_a_command(environment: dict[str, str]) -> None:
    said = zerosum("ledgers", "create", "main", environment=environment)
    assert said.code == 0, said.err
    credentials = json.loads(said.out)
    with serving(environment) as (url, _):
        found = httpx.get(
            f"{url}/v1/ledgers", headers={"Authorization": f"Bearer {credentials['api_key']}"}, trust_env=False
        ).json()
    assert {"id": credentials["ledger"], "name": "main"}.items() <= found["data"][0].items()


def test_a_ledger_needs_a_name_that_can_be_one(environment: dict[str, str]) -> None:
    said = zerosum("ledgers", "create", "", environment=environment)
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "name",
    ["ZEROSUM_DATABASE_URL", "ZEROSUM_API_KEY_PEPPER", "ZEROSUM_CURSOR_SECRET", "ZEROSUM_MASTER_KEYS"],
)
def test_a_missing_setting_is_named(environment: dict[str, str], name: str) -> None:
    del environment[name]
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZEROSUM_PORT", "eighty"),
        ("ZEROSUM_WORKERS", "0"),
        ("ZEROSUM_API_KEY_PEPPER", "short"),
        ("ZEROSUM_API_KEY_PEPPER", "A" * 43 + "="),
        ("ZEROSUM_CURSOR_SECRET", base64.b64encode(b"change-me, please, before you serve").decode()),
        ("ZEROSUM_MASTER_KEYS", f"test:{base64.b64encode(b'12345' * 6 + b'12').decode()}"),
        ("ZEROSUM_MASTER_KEYS", "no-colon"),
        ("ZEROSUM_RATE_LIMIT_PER_ADDRESS", "10 per second"),
        ("ZEROSUM_TRUSTED_PROXIES", "everybody"),
        ("ZEROSUM_TRUSTED_ISSUERS", "not json"),
        ("ZEROSUM_TRUSTED_ISSUERS", '[{"issuer": "a", "audience": "b", "hs256_secret": "short"}]'),
        ("ZEROSUM_TRUSTED_ISSUERS", '[{"issuer": "a|b", "audience": "b", "jwks_url": "https://a.test/jwks"}]'),
        ("ZEROSUM_TRUSTED_ISSUERS", '[{"issuer": "a", "audience": "b", "jwks_url": "http://a.test/jwks"}]'),
        ("ZEROSUM_TRUSTED_ISSUERS", '[{"issuer": "a", "audience": "b", "jwks": {"keys": []}}]'),
        (
            "ZEROSUM_TRUSTED_ISSUERS",
            '[{"issuer": "a", "audience": "b", "jwks_url": "https://a.test/jwks", "scopes": ["everything"]}]',
        ),
        (
            "ZEROSUM_TRUSTED_ISSUERS",
            '[{"issuer": "a", "audience": "b", "jwks_url": "https://a.test/jwks", "ledgers": ["mine"]}]',
        ),
        ("ZEROSUM_SHUTDOWN_SECONDS", "1"),
        ("ZEROSUM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"),
        ("ZEROSUM_REDIS_URL", "localhost:6379"),
        ("ZEROSUM_TLS_CERTIFICATE", "/nowhere/certificate.pem"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], name: str, value: str) -> None:
    assert_one_clear_line(zerosum("serve", environment={**environment, name: value}), name)


def test_a_certificate_that_is_no_certificate_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    files = {"ZEROSUM_TLS_CERTIFICATE": tmp_path / "certificate.pem", "ZEROSUM_TLS_KEY": tmp_path / "key.pem"}
    for path in files.values():
        path.write_text("nonsense")
    given = {name: str(path) for name, path in files.items()}
    assert_one_clear_line(zerosum("serve", "--port", "0", environment={**environment, **given}), "ZEROSUM_TLS_KEY")
    missing = {**given, "ZEROSUM_TLS_KEY": str(tmp_path / "none")}
    assert_one_clear_line(zerosum("serve", "--port", "0", environment={**environment, **missing}), "ZEROSUM_TLS_KEY")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "nonsense"),
        ("database_url", "mysql://a@b/c"),
        ("database_url", "postgresql://a@b:port/c"),
        ("migration_database_url", "nonsense"),
        ("redis_url", "http://localhost"),
        ("base_url", "pay.example.com"),
        ("base_url", "https://"),
    ],
)
def test_an_address_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^ZEROSUM_{name.upper()}: must be written like "):
        load_settings(**{name: value})


@pytest.mark.parametrize("command", [["migrate"], ["verify"], ["keys", "rotate-signing"]])
def test_every_command_names_the_setting_of_a_database_that_cannot_be_reached(
    environment: dict[str, str], command: list[str]
) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    given = {**environment, "ZEROSUM_DATABASE_URL": url, "ZEROSUM_MIGRATION_DATABASE_URL": url}
    assert_one_clear_line(zerosum(*command, environment=given), "DATABASE_URL")


async def test_a_migration_without_the_rights_for_it_ends_in_one_line(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.superuser_dsn)
    await connection.execute("drop database if exists zerosum_forbidden with (force)")
    await connection.execute("create database zerosum_forbidden")
    await connection.close()
    said = zerosum("migrate", environment={"ZEROSUM_MIGRATION_DATABASE_URL": servers.dsn("zerosum_forbidden")})
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "permission denied" in said.err


def test_serving_beyond_this_machine_needs_tls(environment: dict[str, str]) -> None:
    assert_one_clear_line(zerosum("serve", "--host", "0.0.0.0", environment=environment), "ZEROSUM_TLS_CERTIFICATE")


def test_a_superuser_is_refused(environment: dict[str, str], test_database: TestDatabase) -> None:
    environment["ZEROSUM_DATABASE_URL"] = test_database.superuser_dsn
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), "superuser")


async def test_an_owner_is_refused(environment: dict[str, str], servers: Servers) -> None:
    owned = await clone_database(servers, "zerosum_owned")
    connection = await asyncpg.connect(owned.superuser_dsn)
    # In this database only: what a role is a member of would be so for the tests beside this one too.
    await connection.execute(f'alter table ledgers owner to "{SERVICE_ROLE}"')
    await connection.close()
    environment["ZEROSUM_DATABASE_URL"] = owned.service_dsn
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), "owns the tables")


async def test_a_server_that_could_lose_payments_is_refused(environment: dict[str, str], servers: Servers) -> None:
    careless = await clone_database(servers, "zerosum_careless")
    connection = await asyncpg.connect(careless.superuser_dsn)
    await connection.execute("alter database zerosum_careless set synchronous_commit = off")
    await connection.close()
    environment["ZEROSUM_DATABASE_URL"] = careless.service_dsn
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), "synchronous_commit=off")


async def test_migrate_makes_an_empty_database_fit_to_serve(environment: dict[str, str], servers: Servers) -> None:
    connection = await asyncpg.connect(servers.superuser_dsn)
    await connection.execute("drop database if exists zerosum_empty with (force)")
    await connection.execute("create database zerosum_empty")
    await connection.close()
    environment["ZEROSUM_DATABASE_URL"] = servers.dsn("zerosum_empty")
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), "zerosum migrate")
    said = zerosum(
        "migrate", environment={"ZEROSUM_MIGRATION_DATABASE_URL": servers.dsn("zerosum_empty", superuser=True)}
    )
    assert (said.code, said.out) == (0, "")
    with serving(environment) as (url, _):
        assert httpx.get(f"{url}/healthz", trust_env=False, verify=False).json() == {"status": "ok"}


def test_migrate_needs_to_know_where() -> None:
    assert_one_clear_line(zerosum("migrate"), "ZEROSUM_MIGRATION_DATABASE_URL")


def test_the_worker_runs_until_it_is_told_to_stop(environment: dict[str, str]) -> None:
    process = subprocess.Popen([sys.executable, "-m", "zerosum", "worker"], env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not _handles(process.pid, signal.SIGTERM):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=READY_SECONDS_MAX) == 0
    finally:
        process.kill()
        process.wait()


async def test_a_version_of_a_file_that_only_the_worker_goes_by_is_told(
    environment: dict[str, str], servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "processors.json"
    described = {"kind": "http", "base_url": "http://127.0.0.1:9", "secret": "a secret of nobody else"}
    file.write_text(json.dumps({"processors": {f"only_{tmp_path.name[:20].lower()}": described}}), encoding="utf-8")
    told = {**os.environ, **environment, "ZEROSUM_PROCESSORS_FILE": str(file)}
    connection = await asyncpg.connect(
        servers.dsn(environment["ZEROSUM_DATABASE_URL"].rpartition("/")[2], superuser=True)
    )
    newest = "select facts->>'version' from audit_log where type = 'processors_file.changed' order by id desc limit 1"
    before = await connection.fetchval(newest)
    process = subprocess.Popen([sys.executable, "-m", "zerosum", "worker"], env=told)
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while (after := await connection.fetchval(newest)) == before:
            assert process.poll() is None
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert after == hashlib.sha256(file.read_bytes()).hexdigest()[: len(after)]
    finally:
        process.kill()
        process.wait()
        await connection.close()


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether the process does something of its own when the signal comes."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)
