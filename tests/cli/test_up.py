"""`zerosum up` as a newcomer meets it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.campaigns.installation import Installation, installed, start
from tests.cli.command import assert_one_clear_line, zerosum

STOP_SECONDS_MAX = 8.0
BACK_SECONDS_MAX = 10.0
HELD = 30
"""Connections that do nothing."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder the servers' account can pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="zerosum-cli-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


on_the_one_installation = pytest.mark.xdist_group("up")
"""One of the test processes starts it, not all."""


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed("--workers", "2", is_new=True) as installation:
        yield installation


@pytest.fixture(scope="module")
def other() -> Iterator[Installation]:
    with installed("--no-demo", "--https", "--workers", "1", is_warm=True, is_new=True) as installation:
        yield installation


@on_the_one_installation
def test_the_credentials_are_written_once_for_their_owner_only(running: Installation) -> None:
    path = running.folder / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(running.credentials) == {"base_url", "ledger", "client_id", "client_secret", "api_key"}


@on_the_one_installation
def test_the_printed_first_payment_works_when_pasted(running: Installation) -> None:
    deadline = time.monotonic() + BACK_SECONDS_MAX
    # It answers before it has greeted.
    while "\n\n" not in running.log().partition("TOKEN=")[2] and time.monotonic() < deadline:
        time.sleep(0.02)
    printed = running.log()
    lines = printed[printed.index("TOKEN=") :].split("\n\n")[0]
    done = subprocess.run(["sh", "-c", lines], capture_output=True, text=True, env={"PATH": os.defpath}, check=False)
    assert '"status":"succeeded"' in done.stdout


@on_the_one_installation
def test_the_demo_ledger_lets_payments_open_accounts_and_no_others(running: Installation) -> None:
    def pay(to: str) -> httpx.Response:
        body = {"type": "deposit", "amount": "1", "currency": "USD", "to": to}
        headers = {**running.headers, "Idempotency-Key": to}
        return httpx.post(f"{running.base_url}/v1/payments", json=body, headers=headers, trust_env=False, verify=False)

    assert pay("customers:first-seen").status_code == 201
    assert "customers:*, revenue:*" in pay("customer:misspelt").json()["detail"]


@on_the_one_installation
def test_a_second_start_in_the_same_folder_is_refused_in_one_line(running: Installation) -> None:
    said = zerosum("up", "--data-dir", str(running.folder), "--port", "0")
    assert_one_clear_line(said, "in use", running.base_url)


def test_a_port_that_is_taken_is_named(open_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_one_clear_line(zerosum("up", "--data-dir", str(open_folder / "data"), "--port", port), port, "in use")


def test_a_wrong_setting_is_named(open_folder: Path) -> None:
    said = zerosum(
        "up", "--data-dir", str(open_folder / "data"), environment={"ZEROSUM_RATE_LIMIT_PER_PRINCIPAL": "fast"}
    )
    assert_one_clear_line(said, "ZEROSUM_RATE_LIMIT_PER_PRINCIPAL")


def test_a_folder_of_somebody_else_is_left_alone(open_folder: Path) -> None:
    (open_folder / "thesis.txt").write_text("years of work")
    assert_one_clear_line(zerosum("up", "--data-dir", str(open_folder), "--port", "0"), "thesis.txt")


def test_an_old_postgresql_is_named(open_folder: Path) -> None:
    for name in ("postgres", "initdb"):
        program = open_folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 12.9'\n")
        program.chmod(0o755)
    said = zerosum(
        "up",
        "--data-dir",
        str(open_folder / "data"),
        "--port",
        "0",
        environment={"ZEROSUM_POSTGRES_BIN": str(open_folder / "bin")},
    )
    assert_one_clear_line(said, "ZEROSUM_POSTGRES_BIN", "12.9", "15")


@pytest.mark.parametrize("name", ["ZEROSUM_POSTGRES_BIN", "ZEROSUM_REDIS_BIN"])
def test_a_server_that_is_not_where_the_setting_says_is_named(open_folder: Path, name: str) -> None:
    said = zerosum("up", "--data-dir", str(open_folder / "data"), "--port", "0", environment={name: "/nowhere"})
    assert_one_clear_line(said, name, "/nowhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may mount.")
@pytest.mark.parametrize("size", ["16k", "24m", "40m"])
def test_a_full_disk_is_told_in_one_line(open_folder: Path, size: str) -> None:
    """Too small for the folder itself, for PostgreSQL's, and for the tables in it."""
    small = open_folder / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(small)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("No right to mount here.")
    try:
        said = zerosum("up", "--data-dir", str(small / "data"), "--port", "0")
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert_one_clear_line(said, "No space left on device")


@on_the_one_installation
def test_what_was_killed_comes_back(running: Installation) -> None:
    for victim in (running.api_pids()[0], running.valkey_pid(), running.postgres_pid()):
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.3)
        running.wait_until_ready(BACK_SECONDS_MAX)
    deadline = time.monotonic() + BACK_SECONDS_MAX
    while len(running.api_pids()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(running.api_pids()) == 2
    paid = httpx.post(
        f"{running.base_url}/v1/payments",
        json={"type": "deposit", "amount": "1.00", "currency": "USD", "to": "customers:alice"},
        headers=running.headers | {"Idempotency-Key": "after-all-of-that"},
        trust_env=False,
        verify=False,
    )
    assert paid.status_code == 201, paid.text
    answer = httpx.get(f"{running.base_url}/v1/trial-balance", headers=running.headers, trust_env=False, verify=False)
    assert answer.json()["currencies"][0]["difference"] == "0.00"


@on_the_one_installation
def test_metrics_sum_over_the_processes(running: Installation) -> None:
    def count() -> float:
        text = httpx.get(f"{running.base_url}/metrics", trust_env=False, verify=False).text
        found = re.findall(r'zerosum_http_requests_total\{.*route="/healthz".*\} ([0-9.]+)', text)
        return sum(float(value) for value in found)

    before = count()
    for _ in range(40):  # each on a connection of its own, so that both processes get some
        httpx.get(f"{running.base_url}/healthz", trust_env=False, verify=False)
    # A process counts when it has answered; the last of them may be about to.
    deadline = time.monotonic() + BACK_SECONDS_MAX
    while (counted := count() - before) < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert counted == 40


@on_the_one_installation
def test_the_levels_of_a_killed_process_no_longer_count(running: Installation) -> None:
    """Its totals stay; but what it had in flight when it died would be in flight for ever."""

    def connections() -> float:
        text = httpx.get(f"{running.base_url}/metrics", trust_env=False, verify=False).text
        return sum(map(float, re.findall(r"^zerosum_connections ([0-9.]+)", text, re.MULTILINE)))

    def wait_until(is_right: Callable[[float], bool]) -> None:
        deadline = time.monotonic() + BACK_SECONDS_MAX
        while not is_right(found := connections()):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    address = running.base_url.removeprefix("http://").split(":")
    held = [socket.create_connection((address[0], int(address[1]))) for _ in range(HELD)]
    wait_until(lambda found: found >= HELD)
    for pid in running.api_pids():
        os.kill(pid, signal.SIGKILL)
    for one in held:
        one.close()
    time.sleep(0.3)
    running.wait_until_ready(BACK_SECONDS_MAX)
    wait_until(lambda found: found < HELD)


def test_it_starts_again_with_its_data_and_stops_at_once() -> None:
    with installed(is_warm=True) as installation:
        folder = installation.folder
        body = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": "customers:alice"}
        headers = {**installation.headers, "Idempotency-Key": "kept"}
        httpx.post(f"{installation.base_url}/v1/payments", json=body, headers=headers, trust_env=False, verify=False)
        assert installation.stop() < STOP_SECONDS_MAX
        again = start(folder, is_warm=True)
        answer = httpx.post(f"{again.base_url}/v1/payments", json=body, headers=headers, trust_env=False, verify=False)
        assert answer.headers["idempotency-replayed"] == "true"
        assert again.stop() < STOP_SECONDS_MAX


@on_the_one_installation
def test_no_demo_makes_an_empty_ledger(other: Installation) -> None:
    answer = httpx.get(f"{other.base_url}/v1/accounts", headers=other.headers, trust_env=False, verify=False)
    assert answer.json()["data"] == []
    ledgers = httpx.get(f"{other.base_url}/v1/ledgers", headers=other.headers, trust_env=False, verify=False)
    assert [ledger["name"] for ledger in ledgers.json()["data"]] == ["main"]


@on_the_one_installation
def test_https_serves_with_a_development_certificate(other: Installation) -> None:
    assert other.base_url.startswith("https://")
    trust = ssl.create_default_context(cafile=other.folder / "tls" / "certificate.pem")
    answer = httpx.get(f"{other.base_url}/v1/accounts", headers=other.headers, verify=trust, trust_env=False)
    assert answer.status_code == 200
    token = zerosum("token", "--data-dir", str(other.folder))
    assert token.out.count(".") == 2


@on_the_one_installation
def test_two_folders_run_side_by_side(running: Installation, other: Installation) -> None:
    assert running.base_url != other.base_url
    assert running.credentials["ledger"] != other.credentials["ledger"]
    for one, stranger in ((running, other), (other, running)):
        answer = httpx.get(f"{one.base_url}/v1/accounts", headers=stranger.headers, trust_env=False, verify=False)
        assert answer.status_code == 401


def test_a_token_needs_an_installation(open_folder: Path) -> None:
    assert_one_clear_line(zerosum("token", "--data-dir", str(open_folder / "none")), "zerosum up")
