"""Reports beside sealed totals are those of the accounts, to the digit, while others post, correct and close."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

from tests.api.conftest import Client, fresh_key
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.balances import Instant, currency_totals
from zerosum.db.queries.branch_totals import find_sealed_totals
from zerosum.db.queries.branches import children_of, children_totals
from zerosum.db.queries.rolled_up import roll_up
from zerosum.db.queries.total_seals import seal_totals
from zerosum.domain.identifiers import LedgerId
from zerosum.services.background.totals_sealing import TotalsSealing
from zerosum.services.balances import by_currency
from zerosum.services.requests.settled_time import CLOCKS_APART_MAX

SEALS = 3
SECONDS_MAX = 30.0
CODES = ("bank:main", "bank:other", "people:ann", "people:bob", "shops:berlin:one", "shops:berlin:two", "equity")


async def _post(client: Client, number: int) -> str:
    debit, credit = CODES[number % len(CODES)], CODES[(number * 3 + 1) % len(CODES)]
    lines = [
        {"account": account, "side": side, "amount": f"{number % 90 + 1}", "currency": "USD"}
        for account, side in ((debit, "debit"), (CODES[0] if credit == debit else credit, "credit"))
    ]
    body: dict[str, Any] = {"reason": "x", "postings": lines}
    if number % 3 == 0:
        body["effective_at"] = (now() - timedelta(hours=number % 50, days=number % 4)).isoformat()
    answer = await client.post("/v1/journal-entries", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _reverse(client: Client, entry: str) -> None:
    answer = await client.post(f"/v1/journal-entries/{entry}/reverse", {"reason": "y"}, key=fresh_key())
    assert answer.status_code == 201, answer.text


async def _must_be_the_same(database: Database, ledger_id: LedgerId, instant: Instant) -> bool:
    """Both ways in one look. Whether anything was sealed in reach."""
    async with database.snapshot(ledger_id) as connection:
        children = await children_of(connection, ledger_id, "", after=None, limit=100)
        sealed = await find_sealed_totals(connection, ledger_id, instant)
        if sealed is None:
            return False
        found = await children_totals(connection, ledger_id, instant, "", children, sealed)
        assert found == await roll_up(connection, ledger_id, instant, prefix="", limit=100), instant
        for is_of_all in (True, False):
            if instant.is_now and not is_of_all:
                continue
            added = await currency_totals(connection, ledger_id, instant, is_of_all=is_of_all)
            assert by_currency(await sealed.whole(connection), is_of_all=is_of_all) == added, instant
    return True


async def test_totals_are_exact_while_others_post_and_correct(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    for number, code in enumerate(CODES):
        await client.open_account(code, type=("asset", "liability", "equity")[number % 3], min_available=None)
    began, instants = now(), list[datetime]()
    seals, until = 0, time.monotonic() + SECONDS_MAX

    async def pays() -> None:
        number = 0
        while seals < SEALS and time.monotonic() < until:
            number += 1
            entry = await _post(client, number)
            instants.append(now())
            if number % 5 == 0:
                await _reverse(client, entry)
            if number == 7:
                await client.open_account(type="liability", min_available=None, currency="EUR")

    async def seal() -> None:
        nonlocal seals
        sealing = TotalsSealing(database, now, entries=4, entries_max=4, kept_accounts=2, behind=CLOCKS_APART_MAX)
        while seals < SEALS and time.monotonic() < until:
            seals += await sealing.seal(ledger_id, 1)

    async def looks() -> None:
        while seals < SEALS and time.monotonic() < until:
            await _must_be_the_same(database, ledger_id, Instant())
            for moment in instants[-1:]:
                await _must_be_the_same(database, ledger_id, Instant(effective=moment - timedelta(hours=3)))

    await asyncio.gather(pays(), pays(), seal(), looks())
    assert seals >= SEALS
    day = (began - timedelta(days=2)).date().isoformat()
    closed = await client.post(f"/v1/periods/{day}/close", key=fresh_key())
    assert closed.status_code == 200, closed.text
    assert await _must_be_the_same(database, ledger_id, Instant())
    for moment in [began, *instants[:: len(instants) // 2 + 1]]:
        for ago in (timedelta(), timedelta(hours=5), timedelta(days=2)):
            await _must_be_the_same(database, ledger_id, Instant(effective=moment - ago))
            await _must_be_the_same(database, ledger_id, Instant(effective=moment - ago, recorded=now()))
    settled = now() - timedelta(seconds=1)
    for moment in [one for one in instants if one < settled][::5]:
        await _must_be_the_same(database, ledger_id, Instant(recorded=moment))


async def test_two_workers_set_each_seal_once(client: Client, database: Database, ledger_id: LedgerId) -> None:
    for code in CODES:
        await client.open_account(code, type="asset", min_available=None)
    for number in range(6):
        await _post(client, number)
    later = now() + timedelta(seconds=2)
    await asyncio.sleep(1.1)  # The database takes nothing for settled that is younger than a second.

    async def seal() -> int:
        async with database.work(ledger_id) as connection:
            return await seal_totals(connection, ledger_id, later, entries=3, accounts=1)

    assert sum(await asyncio.gather(*(seal() for _ in range(4)))) >= 1
    while await seal():
        pass
    assert await _must_be_the_same(database, ledger_id, Instant())
