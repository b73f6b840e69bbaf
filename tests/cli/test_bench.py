"""`zerosum bench` against a real service, for a moment; and what it says when money is missing."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.cli.command import assert_one_clear_line, zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.conftest import Servers, TestDatabase
from zerosum.adapters.clock import now
from zerosum.cli.load import LoadReport
from zerosum.cli.load.ledger import Books
from zerosum.cli.load.result import BenchOptions, Result, complaints, plain, table_rows
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import ALL_SCOPES
from zerosum.services.credentials.api_keys import ApiKeys

SECRET = bytes(range(32))
READY_SECONDS_MAX = 30.0
SMALL = ("--seconds", "0.5", "--accounts", "20", "--connections", "4")

pytestmark = pytest.mark.xdist_group("bench")  # one of the test processes starts the service, not all


@contextmanager
def _serving(test_database: TestDatabase, servers: Servers) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = base64.b64encode(SECRET).decode()
    settings = {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": secret,
        "ZEROSUM_CURSOR_SECRET": secret,
        "ZEROSUM_MASTER_KEYS": f"test:{secret}",
        "ZEROSUM_RATE_LIMIT_PER_PRINCIPAL": "off",
        "ZEROSUM_RATE_LIMIT_PER_ADDRESS": "off",
    }
    words = ["serve", "--port", str(port), "--workers", "1"]
    with Path(os.devnull).open("wb") as nobody:
        process = start_in_background(words, environment=settings, output=nobody.fileno())
    url = f"http://127.0.0.1:{port}"
    try:
        _await_ready(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)


def _await_ready(process: Process, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False, verify=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("the service did not start")


@pytest.fixture(scope="module")
def url(test_database: TestDatabase, servers: Servers) -> Iterator[str]:
    with _serving(test_database, servers) as address:
        yield address


@pytest.fixture
async def token(database: Database, ledger_id: LedgerId) -> str:
    scopes = sorted(scope.value for scope in ALL_SCOPES)
    return (await ApiKeys(database, SECRET, now).create(ledger_id, "bench", scopes))[1]


@pytest.mark.parametrize("mode", [(), ("--hot",), ("--bulk", "50"), ("--rate", "50")])
async def test_what_was_acknowledged_is_in_the_books(url: str, token: str, mode: tuple[str, ...]) -> None:
    said = zerosum("bench", "--url", url, "--token", token, "--json", *SMALL, *mode)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["is_right"]
    assert found["acknowledged"] == found["in_the_books"] > 0
    assert found["trial_balance_differences"] == {"USD": "0.00"}
    assert (found["failures"], found["unknown"], found["money_missing"]) == ({}, 0, "0.00")
    assert set(found["statuses"]) == {"200" if "--bulk" in mode else "201"}


async def test_in_a_pipe_the_result_is_plain_text_and_the_talk_is_elsewhere(url: str, token: str) -> None:
    said = zerosum("bench", *SMALL, environment={"ZEROSUM_URL": url, "ZEROSUM_TOKEN": token})
    assert said.code == 0, said.err
    assert said.out.startswith("mode               single payments, uniform over 20 accounts\n")
    assert "(right)" in said.out
    assert "\x1b" not in said.out + said.err
    (line,) = said.err.splitlines()
    assert line.startswith("Opening 20 accounts in the ledger `bench` (led_")
    assert line.endswith(f" of {url}; they stay there with their money …")


async def test_it_pays_in_a_ledger_of_its_own_with_a_key_that_does_not_stay(url: str, token: str) -> None:
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, verify=False
    ) as http:
        before = http.get("/v1/accounts", params={"code_prefix": "bench:"}).json()["data"]
        for _ in range(2):
            assert zerosum("bench", "--url", url, "--token", token, *SMALL).code == 0
        assert http.get("/v1/accounts", params={"code_prefix": "bench:"}).json()["data"] == before == []
        ledgers = [
            item for item in http.get("/v1/ledgers", params={"limit": 200}).json()["data"] if item["name"] == "bench"
        ]
        assert len(ledgers) == 1
        keys = http.get("/v1/api-keys", params={"ledger": ledgers[0]["id"]}).json()["data"]
    assert len(keys) >= 2
    assert all(key["revoked_at"] and key["expires_at"] for key in keys)


async def test_in_a_ledger_that_is_not_for_that_it_pays_only_when_told_so(
    url: str, database: Database, ledger_id: LedgerId
) -> None:
    scopes = ["accounts:read", "accounts:write", "payments:read", "payments:write", "reports:read"]
    token = (await ApiKeys(database, SECRET, now).create(ledger_id, "no administrator", scopes))[1]
    said = zerosum("bench", "--url", url, "--token", token, *SMALL)
    assert_one_clear_line(said, "leaves accounts and money behind", "--yes")
    said = zerosum("bench", "--url", url, "--token", token, *SMALL, "--yes", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["is_right"]
    assert "in the ledger of this credential" in said.err


def test_a_wrong_token_and_no_service_are_one_clear_line_each(url: str) -> None:
    said = zerosum("bench", "--url", url, "--token", "wrong", *SMALL)
    assert (said.code, said.out) == (1, "")
    assert "401" in said.err.splitlines()[-1]
    said = zerosum("bench", "--url", "http://127.0.0.1:1", "--token", "any", *SMALL)
    assert said.code == 1
    assert "cannot connect to 127.0.0.1:1" in said.err.splitlines()[-1]


def test_it_has_to_know_where_and_how() -> None:
    assert_one_clear_line(zerosum("bench", "--url", "http://127.0.0.1:1"), "--token")
    assert_one_clear_line(zerosum("bench", "--data-dir", "/nonexistent"), "zerosum up")


def _result(
    *, acknowledged: int, in_books: int, unknown: int = 0, missing: str = "0", difference: str = "0.00"
) -> Result:
    load = LoadReport.empty()
    load.window.acknowledged = acknowledged
    load.window.statuses.update({201: acknowledged, 504: unknown})
    books = Books(in_books, Decimal(missing), {"USD": difference})
    return Result(BenchOptions(), "http://test", 4, load, books)


def test_every_payment_acknowledged_must_be_in_the_books_and_no_other() -> None:
    assert _result(acknowledged=10, in_books=10).is_right
    assert not _result(acknowledged=10, in_books=9).is_right
    assert not _result(acknowledged=10, in_books=11).is_right


def test_what_nobody_knows_of_may_be_in_the_books_or_not() -> None:
    assert _result(acknowledged=10, in_books=10, unknown=2).is_right
    assert _result(acknowledged=10, in_books=12, unknown=2).is_right
    assert not _result(acknowledged=10, in_books=13, unknown=2).is_right


def test_lost_money_is_told_loudly() -> None:
    assert complaints(_result(acknowledged=10, in_books=10)) == []
    assert "MONEY WAS LOST OR DOUBLED: 10 acknowledged, 9 in the books" in complaints(
        _result(acknowledged=10, in_books=9)
    )
    assert complaints(_result(acknowledged=10, in_books=10, missing="0.01"))
    assert complaints(_result(acknowledged=10, in_books=10, difference="0.01"))
    wrong = _result(acknowledged=10, in_books=9)
    assert ("in the books", "9 (WRONG)") in table_rows(wrong)
    assert plain(wrong)["is_right"] is False
