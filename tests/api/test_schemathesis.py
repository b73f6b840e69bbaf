"""Schemathesis reads the manual and tries everything it says, and what it does not say: no check may fail.

All its checks are on, in all its phases, with every scope. Three of its expectations are widened in the settings below.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from tests.api.conftest import Client
from tests.api.every_route import documented
from tests.at_length import as_many_as
from tests.committer.ground import assert_books_are_right

EXAMPLES = as_many_as(2, at_length=4)
CAMPAIGN_EXAMPLES = 300

FEWER_CASES = Path(__file__).with_name("fewer_cases.py")

SETTINGS = """{hooks}
[checks.positive_data_acceptance]
# Valid by its form, refused by the books: 409 and 422.
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
"""
CURSORS = """
[[operations]]
include-path = {paths}
# Nobody can make up a cursor: 400 invalid_cursor.
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429"]
"""
BULK = """
[[operations]]
include-path = {paths}
# What is wrong with an item is told beside it: 200 with a 422 inside.
checks.negative_data_rejection.expected-statuses = ["200", "400", "401", "403", "404", "405", "413", "415", "422"]
"""


async def schemathesis_finds_nothing(
    client: Client,
    port: int,
    folder: Path,
    examples: int,
    superuser: asyncpg.Connection[asyncpg.Record],
    hooks: str = "",
) -> None:
    # Accounts of the examples in the manual, so that those reach the books.
    for code in ("customers:alice", "customers:bob", "revenue:fees"):
        await client.open_account(code, min_available=None)
    routes = await documented(client.http)
    with_cursor = [route.path for route in routes if "cursor" in route.query]
    bulk = [route.path for route in routes if route.is_bulk]
    assert len(with_cursor) > 5
    assert len(bulk) > 1
    settings = folder / "schemathesis.toml"
    settings.write_text(
        SETTINGS.format(hooks=hooks)
        + CURSORS.format(paths=json.dumps(with_cursor))
        + BULK.format(paths=json.dumps(bulk))
    )
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(settings)]
    command += [
        "run",
        f"http://127.0.0.1:{port}/openapi.json",
        "--header",
        f"Authorization: Bearer {client.api_key}",
    ]
    command += ["--checks", "all", "--max-examples", str(examples), "--generation-deterministic", "--seed", "1"]
    command += ["--continue-on-failure", "--no-color"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout[-20_000:]
    assert (await client.get("/v1/accounts")).status_code == 200, "it has revoked its own key"
    await assert_books_are_right(superuser, UUID(client.ledger.removeprefix("led_")))


@pytest.mark.timeout(600)
async def test_what_the_manual_says_is_so(
    client: Client, service_port: int, tmp_path: Path, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await schemathesis_finds_nothing(
        client, service_port, tmp_path, EXAMPLES, superuser, f"hooks = {json.dumps(str(FEWER_CASES))}"
    )


@pytest.mark.campaign
@pytest.mark.timeout(3600)
async def test_what_the_manual_says_is_so_at_length(
    client: Client, service_port: int, tmp_path: Path, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await schemathesis_finds_nothing(client, service_port, tmp_path, CAMPAIGN_EXAMPLES, superuser)
