"""An export that comes while it is read: of one instant, in bounded pieces, and over when its reader has left."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, over_socket
from tests.api.reading import refused
from zerosum.adapters.clock import now
from zerosum.domain.errors import Overloaded
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.limits import streams
from zerosum.main import Service
from zerosum.services.journal_export import JournalExport, RunningExport
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.settled_time import SettledTime

BULKY = {f"key{number}": "x" * 500 for number in range(50)}
"""Of an entry that is 25 kB in the export."""


async def post_entries(client: Client, number: int, metadata: dict[str, str] | None = None, **more: Any) -> None:
    lines = [
        {"account": account, "side": side, "amount": "1", "currency": "USD"}
        for account, side in (("in", "debit"), ("out", "credit"))
    ]
    for start in range(0, number, 100):
        items = [
            {
                "reason": f"entry {start + place}",
                "postings": lines,
                "metadata": metadata or {},
                "idempotency_key": fresh_key(),
                **more,
            }
            for place in range(min(100, number - start))
        ]
        answer = await client.post("/v1/journal-entries/bulk", {"items": items})
        assert {result["status"] for result in answer.json()["results"]} == {201}, answer.text


@pytest.fixture
async def books(client: Client) -> Client:
    for code in ("in", "out"):
        await client.open_account(code, min_available=None)
    return client


async def test_what_is_written_meanwhile_is_on_no_page(books: Client, service: Service, ledger_id: LedgerId) -> None:
    await post_entries(books, 7)
    database = service.services.journal_export._database
    settled = SettledTime(database, now)
    export = JournalExport(database, service.services.ledgers, settled, entries_at_once=3)
    running = await export.begin(Caller(ledger_id, "test"), {})
    pages = [await running.next_page()]
    await post_entries(books, 5)
    await post_entries(books, 1, effective_at="2020-01-01T00:00:00Z")
    while pages[-1] is not None:
        pages.append(await running.next_page())
    sizes = [len(page.entries) for page in pages if page is not None]
    assert sizes == [3, 3, 1]
    assert [entry.reason for page in pages if page for entry in page.entries] == [f"entry {at}" for at in range(7)]
    assert [[account.code for account in page.accounts] for page in pages if page] == [["in", "out"], [], []]
    text = (await books.get("/v1/journal-export", params={"format": "hledger"})).text
    assert text.splitlines()[-1] == "; The end: 13 entries"


class Reader:
    """Asks for an export over a socket of small buffers, and reads as little as it is told to."""

    def __init__(self, port: int, client: Client) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", port))
        head = (
            "GET /v1/journal-export?format=beancount HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {client.api_key}\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        self._socket.setblocking(False)

    async def read(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, size)

    def leave(self) -> None:
        self._socket.close()


async def until(is_so: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.02)


async def test_a_slow_reader_holds_no_transaction_and_one_who_leaves_ends_the_work(
    books: Client, service: Service, service_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post_entries(books, 600, BULKY)
    export = service.services.journal_export
    monkeypatch.setattr(export, "_entries_at_once", 10)
    running = service.streams
    reader = Reader(service_port, books)
    try:
        assert (await reader.read(12)) == b"HTTP/1.1 200"
        await until(lambda: running.running == 1)
        pool = export._database._engine.pool
        await asyncio.sleep(1)  # It has written what the buffers take, and waits.
        await until(lambda: pool.checkedout() == 0)  # type: ignore[attr-defined] # Others have one for moments.
        assert running.running == 1
        assert (await books.get("/v1/trial-balance")).status_code == 200, "its turn is others' meanwhile"
    finally:
        reader.leave()
    await until(lambda: running.running == 0)


async def test_a_ledger_has_few_at_once(books: Client, service: Service, service_port: int) -> None:
    await post_entries(books, 600, BULKY)
    running = service.streams
    readers = [Reader(service_port, books) for _ in range(streams.OF_A_LEDGER_MAX)]
    try:
        for reader in readers:
            assert (await reader.read(12)) == b"HTTP/1.1 200"
        refused(await books.get("/v1/journal-export", params={"format": "hledger"}), 503, "overloaded")
    finally:
        for reader in readers:
            reader.leave()
    await until(lambda: running.running == 0)
    whole = await books.get("/v1/journal-export", params={"format": "hledger"})
    assert whole.text.count("\n2") == 600


async def test_a_head_is_answered_without_reading_the_journal(books: Client) -> None:
    answer: httpx.Response = await books.http.head("/v1/journal-export", params={"format": "hledger"})
    assert (answer.status_code, answer.text) == (200, "")


async def test_an_export_may_take_longer_than_other_calls(
    books: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post_entries(books, 3)
    monkeypatch.setattr("zerosum.gateway.app.REQUEST_SECONDS_MAX", 1.5)
    monkeypatch.setattr(service.services.journal_export, "_entries_at_once", 1)
    monkeypatch.setattr("zerosum.api.routes.journal_export.TURNS_ASKED_FOR_MAX", 3)
    next_page = RunningExport.next_page

    async def slowly(self: RunningExport) -> Any:
        if self.entries:
            await asyncio.sleep(0.7)
        return await next_page(self)

    monkeypatch.setattr(RunningExport, "next_page", slowly)
    answer = await books.get("/v1/journal-export", params={"format": "hledger"})
    assert answer.text.endswith("; The end: 3 entries\n")


async def test_what_fails_half_way_is_not_taken_for_a_whole(
    books: Client, service: Service, service_port: int, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post_entries(books, 3)
    monkeypatch.setattr(service.services.journal_export, "_entries_at_once", 1)
    next_page = RunningExport.next_page

    async def failing(self: RunningExport) -> Any:
        if self.entries:
            raise RuntimeError("the disk is gone")
        return await next_page(self)

    monkeypatch.setattr(RunningExport, "next_page", failing)
    async with AsyncExitStack() as stack:
        client = await over_socket(stack, service, ledger_id, service_port)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/v1/journal-export", params={"format": "hledger"})
    assert service.streams.running == 0


async def test_a_page_that_finds_the_ledger_busy_is_read_later(
    books: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post_entries(books, 2)
    monkeypatch.setattr(service.services.journal_export, "_entries_at_once", 1)
    monkeypatch.setattr("zerosum.api.routes.journal_export.PAUSE_SECONDS", 0.01)
    next_page, times = RunningExport.next_page, []

    async def busy(self: RunningExport) -> Any:
        times.append(self.entries)
        if times.count(self.entries) < 3 and self.entries:
            raise Overloaded("Too many.", retry_after=1)
        return await next_page(self)

    monkeypatch.setattr(RunningExport, "next_page", busy)
    answer = await books.get("/v1/journal-export", params={"format": "hledger"})
    assert answer.text.endswith("; The end: 2 entries\n")
    assert times == [0, 1, 1, 1, 2, 2, 2]
