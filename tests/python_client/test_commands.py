"""The commands for daily work, as they are typed and as other programs read them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Said, zerosum
from tests.python_client.conftest import CUT, Line, Place
from tests.python_client.test_broken_lines import PAYMENTS, posted
from zerosum.client import AsyncClient


async def run(place: Place, *words: str, url: str | None = None) -> Said:
    environment = {"ZEROSUM_URL": url or place.url, "ZEROSUM_TOKEN": place.api_key}
    return await asyncio.to_thread(zerosum, *words, environment=environment)


async def told(place: Place, *words: str) -> list[dict[str, Any]]:
    said = await run(place, *words)
    assert said.code == 0, said
    return [json.loads(line) for line in said.out.splitlines()]


async def on_a_terminal(place: Place, *words: str) -> str:
    """What it writes to a terminal of 60 columns."""
    reading, terminal = pty.openpty()
    environment = {**os.environ, "ZEROSUM_URL": place.url, "ZEROSUM_TOKEN": place.api_key, "COLUMNS": "60"}
    command = [sys.executable, "-m", "zerosum", *words]
    process = subprocess.Popen(command, stdout=terminal, stderr=subprocess.PIPE, env=environment)
    os.close(terminal)
    shown = await asyncio.to_thread(_read_all, reading)
    _, complaints = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, complaints
    return shown.replace("\r\n", "\n")


def _read_all(descriptor: int) -> str:
    found = b""
    try:
        while part := os.read(descriptor, 65_536):
            found += part
    except OSError:
        pass  # The other end is closed.
    os.close(descriptor)
    return found.decode()


async def test_a_day_in_a_shop(place: Place) -> None:
    [alice] = await told(place, "accounts", "open", "customers:alice", "--currency", "USD", "--name", "Alice")
    await told(place, "accounts", "open", "shop", "--currency", "USD", "--floor", "none", "--key", "shop-1")
    await told(place, "pay", "--to", "customers:alice", "--amount", "100", "--currency", "USD", "--key", "in-1")
    words = ("pay", "--from", "customers:alice", "--to", "shop", "--amount", "12.34", "--currency", "USD")
    [first], [again] = [await told(place, *words, "--key", "order-1", "--metadata", "order=1") for _ in range(2)]
    assert (first["id"], first["metadata"]) == (again["id"], {"order": "1"})
    [refund] = await told(place, "payments", "refund", first["id"], "--amount", "2.34", "--reason", "Returned")
    [hold] = await told(
        place, "holds", "place", "--from", "customers:alice", "--to", "shop", "--amount", "50", "--currency", "USD"
    )
    await told(place, "holds", "capture", hold["id"], "--amount", "10", "--final")
    [entry] = await told(
        place, "entries", "post", "--reason", "A fee", "--debit", "customers:alice 0.10 USD",
        "--credit", "shop 0.10 USD", "--key", "fee-1",
    )  # fmt: skip
    await told(place, "entries", "reverse", entry["id"], "--reason", "Not this one")
    [seen] = await told(place, "accounts", "show", alice["id"])
    assert (refund["amount"], seen["balance"]["available"]) == ("2.34", "80.00")
    assert [one["type"] for one in await told(place, "payments", "list", "--limit", "2")] == ["transfer", "transfer"]
    assert len(await told(place, "accounts", "postings", "customers:alice", "--limit", "3")) == 3
    assert (await told(place, "accounts", "freeze", "shop", "--reason", "Closed for today"))[0]["status"] == "frozen"


async def test_people_see_tables_whole_ids_and_nothing_that_steers_their_terminal(
    place: Place, client: AsyncClient
) -> None:
    await client.accounts.open("customers:ines", currency="USD", type="liability", name="[red]Ines")
    paid = await client.payments.create(
        type="deposit", amount="5", currency="USD", to="customers:ines", reference="\u202eevil [bold]"
    )
    shown = await on_a_terminal(place, "payments", "list", "--account", "customers:ines")
    head, row = shown.splitlines()
    assert re.split(r"\s{2,}", head)[:3] == ["payment", "at", "type"]
    assert re.split(r"\s{2,}", row)[0] == paid.id
    assert "\\u202eevil [bold]" in row
    assert "\x1b" not in shown
    one = await on_a_terminal(place, "accounts", "show", "customers:ines")
    assert re.search(r"^name +\[red\]Ines$", one, re.MULTILINE)
    assert re.search(r"^balance +posted=5.00  held=0.00  available=5.00$", one, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("payments", "show", "pay_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"), 1, "payment_not_found"),
        (("pay", "--from", "nobody", "--amount", "1", "--currency", "USD", "--key", "x"), 1, "account_not_found"),
        (("pay", "--amount", "1", "--currency", "USD"), 2, "--from"),
        (("pay", "--to", "a", "--amount", "1,5", "--currency", "USD", "--key", "x"), 2, "an amount has"),
        (("pay", "--to", "a", "--amount", "1", "--currency", "USD", "--key", "a key"), 2, "an idempotency key"),
        (("pay", "--to", "a", "--amount", "1", "--currency", "USD", "--key", "x", "--metadata", "y"), 2, "NAME=VALUE"),
        (("entries", "post", "--reason", "x", "--debit", "a 1"), 2, "'ACCOUNT AMOUNT CURRENCY'"),
        (("holds", "list", "--status", "odd"), 1, "invalid_parameter"),
        (("accounts", "open", "a b", "--currency", "USD"), 1, "/code: "),
    ],
)
async def test_what_goes_wrong_is_one_line(place: Place, words: tuple[str, ...], code: int, line: str) -> None:
    said = await run(place, *words)
    assert (said.code, said.out) == (code, ""), said
    assert re.fullmatch(rf"zerosum: [^\n]*{re.escape(line)}[^\n]*\n", said.err), said.err


async def test_where_nobody_can_say_the_key_is_told_and_the_same_words_with_it_pay_once(
    place: Place, client: AsyncClient, line: Line
) -> None:
    await client.accounts.open("customers:gina", currency="USD", type="liability")
    line.instead = [(PAYMENTS, CUT)] * 6
    words = ("pay", "--to", "customers:gina", "--amount", "5", "--currency", "USD")
    said = await run(place, *words, url=line.url)
    assert (said.code, said.out) == (3, ""), said
    [key] = set(re.findall(r"--key ([0-9a-f]+)", said.err))
    again = await run(place, *words, "--key", key, url=line.url)
    assert (again.code, json.loads(again.out)["amount"], await posted(client)) == (0, "5.00", 5)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (("payments", "refund", "pay_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", "--amount", "5"), b"POST /v1/payments/"),
        (
            ("entries", "post", "--reason", "x", "--debit", "a 1 USD", "--credit", "b 1 USD"),
            b"POST /v1/journal-entries",
        ),
        (("holds", "place", "--from", "a", "--to", "b", "--amount", "1", "--currency", "USD"), b"POST /v1/holds"),
        (("holds", "capture", "hold_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", "--amount", "1"), b"POST /v1/holds/"),
    ],
)
async def test_what_could_be_done_twice_tells_its_key_before_it_is_sent(
    place: Place, line: Line, words: tuple[str, ...], sent: bytes
) -> None:
    """Whoever is killed in the middle, or stops it, says the same again with it."""
    said = await run(place, *words, url=line.url)
    assert said.code == 1, said
    assert re.match(r"zerosum: under --key [0-9a-f]{32}, with which it can be said again\n", said.err), said.err
    assert any(one.startswith(sent) for one in line.seen)
    assert "under --key" not in (await run(place, *words, "--key", "own", url=line.url)).err


async def test_events_are_carried_on_from_the_place_that_is_kept(
    place: Place, client: AsyncClient, tmp_path: Path
) -> None:
    words = ("events", "tail", "--type", "account.opened", "--state", str(tmp_path / "place"))
    codes: list[str] = []
    for code in ("one", "two"):
        await client.accounts.open(code, currency="USD", type="liability")
        while code not in codes:  # the feed ends below the oldest transaction that runs anywhere on the server
            codes += [event["data"]["code"] for event in await told(place, *words)]
    assert codes == ["one", "two"]
    shown = await on_a_terminal(place, "events", "tail", "--account", "two")
    assert re.search(r"account\.opened +acc_\S+ +two USD open", shown), shown


async def test_a_service_that_is_away_is_told(place: Place) -> None:
    said = await run(place, "accounts", "list", url="http://127.0.0.1:9")
    assert (said.code, said.out) == (1, "")
    assert re.fullmatch(r"zerosum: the service does not answer \(ConnectError\) at http://127.0.0.1:9\n", said.err)
