"""The catalogue of bad input, row by row, on real sockets: the listed status and code, and never a 5xx."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.api.bad_input import (
    ACCOUNT,
    CATALOGUE,
    CURSOR,
    FORGED,
    KEY,
    THEIR_CURSOR,
    THEIRS,
    TOKEN,
    Row,
)
from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import check_problem
from tests.campaigns.wire import Answer, read_answer
from tests.committer.ground import assert_books_are_right
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service

WORDS_OF_A_CRASH = (b"Traceback", b'File "', b"zerosum/", b"asyncpg", b"pydantic")


@pytest.fixture(scope="module", params=["lean", "framework"])
def port(request: pytest.FixtureRequest, service_port: int, framework_port: int) -> int:
    return service_port if request.param == "lean" else framework_port


@pytest.fixture
async def values(
    service: Service, ledger_id: LedgerId, client: Client, stranger: Client
) -> AsyncIterator[dict[str, str]]:
    """What stands for the places in the rows: two accounts to pay between, and what only a run can know."""
    account = await client.open_account("a", min_available=None)
    for code, currency in (
        ("b", "USD"),
        ("poor", "USD"),
        ("rich", "USD"),
        ("closed", "USD"),
        ("frozen", "USD"),
        ("eur", "EUR"),
    ):
        await client.open_account(code, currency=currency, min_available=None)
    await client.post("/v1/accounts/closed/close")
    await client.post("/v1/accounts/frozen/freeze")
    theirs = await stranger.open_account("theirs")
    for one, to in ((client, "b"), (client, "b"), (stranger, "theirs"), (stranger, "theirs")):
        await one.deposit(to, "1000.00")
    cursor = (await client.get("/v1/payments", params={"limit": 1})).json()["next_cursor"]
    their_cursor = (await stranger.get("/v1/payments", params={"limit": 1})).json()["next_cursor"]
    narrow = await make_client(service, ledger_id, [Scope.JOURNAL_READ])
    yield {
        TOKEN: client.api_key,
        ACCOUNT: account["id"],
        THEIRS: theirs["id"],
        CURSOR: cursor,
        FORGED: cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1],
        THEIR_CURSOR: their_cursor,
        "<UPPER>": (await client.balance("b"))["account_id"].removeprefix("acc_").upper(),
        "<narrow>": narrow.api_key,
        "<lower>": client.api_key.swapcase(),
        "<cut>": client.api_key[:-1],
    }
    await narrow.http.aclose()


async def exchange(port: int, sent: bytes, values: dict[str, str]) -> Answer:
    """One request on a connection of its own, and the one answer, after which the service closes the connection."""
    length_before = len(sent.partition(b"\r\n\r\n")[2])
    for place, value in values.items():
        sent = sent.replace(place.encode(), value.encode())
    length = len(sent.partition(b"\r\n\r\n")[2])
    sent = sent.replace(b"Content-Length: %d\r\n\r\n" % length_before, b"Content-Length: %d\r\n\r\n" % length)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(15):
            answer = await read_answer(reader)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b"", "a second answer"
        return answer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def check(row: Row, answer: Answer) -> None:
    told = f"{row.number}, {row.what}: {answer.status} {answer.body[:300]!r}"
    assert answer.status < 500, told
    assert answer.status == row.status, told
    if row.code is not None:
        assert answer.code == row.code, told
        assert answer.headers["content-type"] == "application/problem+json", told
        check_problem(answer.content, row.status, row.code)
        assert answer.headers["x-content-type-options"] == "nosniff", told
    for word in WORDS_OF_A_CRASH:
        assert row.code is None or word not in answer.body, told
    assert row.headers.items() <= answer.headers.items(), told


@pytest.mark.parametrize("kind", CATALOGUE)
async def test_every_bad_input_has_its_answer(
    port: int,
    values: dict[str, str],
    kind: str,
    ledger_id: LedgerId,
    superuser: asyncpg.Connection[asyncpg.Record],
) -> None:
    taken = 0
    for row in CATALOGUE[kind]:
        of_row = {**values, KEY: fresh_key()}
        for earlier in row.before:
            await exchange(port, earlier, of_row)
        check(row, await exchange(port, row.sent, of_row))
        taken += row.status == 201 or any(row.before)
    assert (await exchange(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {})).status == 200
    entries = "select count(*) from journal_entries where ledger_id = $1"
    assert await superuser.fetchval(entries, ledger_id) <= 2 + taken
    await assert_books_are_right(superuser, ledger_id)
