"""A database filled by revision 646632a comes to the newest schema with nothing lost and nothing told otherwise."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, service_settings
from tests.cli.command import zerosum
from tests.committer.ground import assert_books_are_right
from tests.conftest import Servers, TestDatabase
from tests.db.catalogue import describe
from tests.db.servers import connected, drop_database, empty_database
from tests.upgrade.readings import differences, read_everything
from zerosum.db.schema.migrations import HEAD
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.main import Service

pytestmark = pytest.mark.xdist_group("upgrade")  # one test process restores it, not all

HERE = Path(__file__).parent
OLD_SCHEMA = "0002"
LEDGERS = ("shop", "clients", "empty")

TOLD: dict[str, Any] = json.loads(gzip.decompress((HERE / "filled_646632a.json.gz").read_bytes()))
"""What that revision has told of each ledger, and its API key."""


@pytest.fixture(scope="module")
async def upgraded_once(servers: Servers, worker_id: str) -> AsyncIterator[str]:
    """Filled by the old revision, found right, and brought up by the command."""
    name = f"zerosum_upgraded_{worker_id}"
    async with empty_database(servers, name) as dsn:
        await _command("migrate", "--revision", OLD_SCHEMA, ZEROSUM_MIGRATION_DATABASE_URL=dsn)
        await _restore(dsn)
        await _must_be_what_was_left(dsn)
        said = await _command("migrate", ZEROSUM_MIGRATION_DATABASE_URL=dsn)
        assert f"at revision {HEAD}" in said
        yield name


@pytest.fixture
async def upgraded(servers: Servers, upgraded_once: str) -> AsyncIterator[TestDatabase]:
    """A copy of it, for a test to write into."""
    name = f"{upgraded_once}_copy"
    async with connected(servers.superuser_dsn) as connection:
        await connection.execute(f'create database "{name}" template "{upgraded_once}"')
    yield TestDatabase(name, servers.dsn(name), servers.dsn(name, superuser=True))
    await drop_database(servers, name)


async def _command(*words: str, **environment: str) -> str:
    said = await asyncio.to_thread(zerosum, *words, environment=environment)
    assert said.code == 0, said
    return said.out + said.err


async def _restore(dsn: str) -> None:
    """As `pg_restore --disable-triggers` does: the rows come in any order, with nobody to judge them."""
    dump = gzip.decompress((HERE / "filled_646632a.sql.gz").read_bytes()).decode()
    lines = dump.split("\n")
    first = next(place for place, line in enumerate(lines) if line.startswith("INSERT INTO "))
    async with connected(dsn) as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute("\n".join(lines[first:]))


async def _must_be_what_was_left(dsn: str) -> None:
    """What the old `zerosum verify` has counted and found right; the sums are made again, in SQL."""
    async with connected(dsn) as connection:
        for told in TOLD.values():
            ledger_id = parse_id(Prefix.LEDGER, told["ledger"])
            await assert_books_are_right(connection, ledger_id)
            counted = [
                await connection.fetchval(f"select count(*) from {table} where ledger_id = $1", ledger_id)
                for table in ("accounts", "postings")
            ]
            assert counted == told["verified"]


@asynccontextmanager
async def _serving(database: TestDatabase, servers: Servers) -> AsyncIterator[dict[str, Client]]:
    """The service of today, and its callers with the API keys of then."""
    service = Service(service_settings(database, servers, redis_url=None))
    await service.start()
    try:
        transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
            yield {name: _caller(http, told) for name, told in TOLD.items()}
    finally:
        await service.stop()


def _caller(http: httpx.AsyncClient, told: dict[str, Any]) -> Client:
    own = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    own.headers["Authorization"] = f"Bearer {told['api_key']}"
    return Client(own, told["ledger"], told["api_key"])


async def _verify(database: TestDatabase) -> str:
    return await _command("verify", ZEROSUM_DATABASE_URL=database.service_dsn)


def _keys(readings: dict[str, Any]) -> list[str]:
    prefix = "/v1/idempotency-keys/"
    return [path.removeprefix(prefix) for path in readings if path.startswith(prefix)]


async def test_the_upgraded_schema_is_that_of_a_new_database(
    upgraded: TestDatabase, servers: Servers, worker_id: str
) -> None:
    async with empty_database(servers, f"zerosum_anew_{worker_id}") as dsn:
        await _command("migrate", ZEROSUM_MIGRATION_DATABASE_URL=dsn)
        async with connected(dsn) as new, connected(upgraded.superuser_dsn) as old:
            assert await describe(old) == await describe(new)


async def test_the_upgraded_books_are_right_and_tell_what_they_told(upgraded: TestDatabase, servers: Servers) -> None:
    said = await _verify(upgraded)
    for told in TOLD.values():
        accounts, postings = told["verified"]
        assert f"{told['ledger']}: right ({accounts} accounts, {postings} postings)" in said
    async with _serving(upgraded, servers) as clients:
        for name in LEDGERS:
            readings = TOLD[name]["readings"]
            now_told = await read_everything(clients[name], _keys(readings))
            assert differences(readings, now_told) == []
            assert now_told.keys() == readings.keys()


async def test_money_moves_on_from_where_it_was(upgraded: TestDatabase, servers: Servers) -> None:
    async with _serving(upgraded, servers) as clients:
        await _old_keys_are_remembered(clients["shop"])
        await _the_shop_goes_on(clients["shop"])
        await _the_clients_go_on(clients["clients"])
    assert "WRONG" not in await _verify(upgraded)
    async with connected(upgraded.superuser_dsn) as connection:
        for told in TOLD.values():
            await assert_books_are_right(connection, parse_id(Prefix.LEDGER, told["ledger"]))


def _first_payment(amount: str = "1000.00") -> dict[str, Any]:
    members = {"to": "user:alice", "reference": "order 1", "description": "The first one"}
    return {"type": "deposit", "amount": amount, "currency": "USD", **members}


async def _old_keys_are_remembered(shop: Client) -> None:
    """Of what was done, of what was refused, and of an entry: each with the answer of then."""
    told = TOLD["shop"]["readings"]
    replayed = await shop.pay(_first_payment(), "d-1")
    assert (replayed.status_code, replayed.headers["idempotency-replayed"]) == (201, "true"), replayed.text
    assert differences(told[f"/v1/payments/{replayed.json()['id']}"], replayed.json()) == []
    other = await shop.pay(_first_payment("1000.01"), "d-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    refused = await shop.transfer("user:carol", "user:bob", "9999", "poor")
    assert (refused.json()["code"], refused.headers["idempotency-replayed"]) == ("insufficient_funds", "true")
    path = f"/v1/journal-entries/{_entry_of(told, 'r-1')['reverses']}/reverse"
    reversal = await shop.post(path, {"reason": "Posted twice"}, key="r-1")
    assert (reversal.status_code, reversal.headers["idempotency-replayed"]) == (201, "true"), reversal.text


def _entry_of(told: dict[str, Any], reason_key: str) -> dict[str, Any]:
    reason = {"r-1": "Posted twice", "e-1": "Opening, in two currencies"}[reason_key]
    [entry] = [entry for entry in told["/v1/journal-entries"]["data"] if entry["reason"] == reason]
    return dict(entry)


async def _the_shop_goes_on(shop: Client) -> None:
    before = await shop.balance("user:bob")
    paid = await shop.transfer("user:alice", "user:bob", "1.25")
    assert paid.status_code == 201, paid.text
    after = await shop.balance("user:bob")
    assert (after["version"], float(after["posted"]) - float(before["posted"])) == (before["version"] + 1, 1.25)
    frozen = await shop.transfer("user:alice", "user:erin", "1")
    assert frozen.json()["code"] == "account_frozen"
    first = _entry_of(TOLD["shop"]["readings"], "e-1")
    reversal = await shop.post(f"/v1/journal-entries/{first['id']}/reverse", {"reason": "At last"}, key="r-new")
    assert (reversal.status_code, reversal.json()["reverses"]) == (201, first["id"]), reversal.text


async def _the_clients_go_on(clients: Client) -> None:
    async def send(key: str, type_: str, client: int, tx: int, **members: str) -> str:
        body = {"type": type_, "client": client, "tx": tx, **members}
        answer = await clients.post("/v1/transactions", body, key=key)
        return str(answer.json()["status" if answer.status_code == 201 else "code"])

    assert await send("row-0", "deposit", 1, 1, amount="100.0000") == "carried_out"  # a replay
    assert await send("n-1", "dispute", 2, 4) == "disputed"  # resolved then
    assert await send("n-2", "chargeback", 1, 3) == "charged_back"  # disputed then
    assert await send("n-3", "deposit", 4, 300, amount="1") == "client_locked"  # charged back then
    assert await send("n-4", "deposit", 2, 4, amount="1") == "tx_exists"
    assert await send("n-5", "deposit", 2, 301, amount="1") == "carried_out"
    read = (await clients.get("/v1/clients/1")).json()
    assert (read["held"], read["total"], read["locked"]) == ("0.0000", "87.5000", True)
