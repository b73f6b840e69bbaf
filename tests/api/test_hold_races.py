"""Two verbs at one hold at the same moment, at two services: it ends once, and no money is lost or made."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from itertools import combinations_with_replacement
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.proofs.whole_ledger import verify_ledger

ROUNDS = 4

VERBS: dict[str, tuple[str, Any]] = {
    "capture all": ("capture", None),
    "capture a part": ("capture", {"amount": "3"}),
    "capture the last": ("capture", {"amount": "3", "final": True}),
    "increment": ("increment", {"amount": "2"}),
    "extend": ("extend", {"expires_at": (now() + timedelta(days=20)).isoformat()}),
    "void": ("void", None),
}
ENDS = {"capture all", "capture the last", "void"}
PAIRS = list(combinations_with_replacement(VERBS, 2))


async def placed(client: Client) -> str:
    body = {"from": "guest", "to": "hotel", "amount": "10", "currency": "USD"}
    answer = await client.post("/v1/holds", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    hold: str = answer.json()["id"]
    return hold


async def race(clients: tuple[Client, Client], pair: tuple[str, str]) -> None:
    hold = await placed(clients[0])
    calls = []
    for client, name in zip(clients, pair, strict=True):
        verb, body = VERBS[name]
        calls.append(client.post(f"/v1/holds/{hold}/{verb}", body, key=fresh_key()))
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert set(statuses) <= {200, 409}, (pair, statuses)
    after = (await clients[1].get(f"/v1/holds/{hold}")).json()
    done = [name for name, status in zip(pair, statuses, strict=True) if status == 200]
    ended = [name for name in done if name in ENDS]
    assert len(ended) == min(1, len(ENDS.intersection(pair))), "it ends exactly once"
    assert (after["status"] == "open") is (not ended), (pair, statuses, after)
    assert len(done) == 2 or len(ended) == 1, "only an end stands in the way of the other one"
    amount = Decimal(10) + 2 * done.count("increment")
    paid = 3 * (done.count("capture a part") + done.count("capture the last"))
    if ended == ["capture all"]:
        assert Decimal(after["captured"]) == amount
    else:
        assert Decimal(after["captured"]) == paid
    assert Decimal(after["amount"]) == amount
    if after["status"] == "open":
        answer = await clients[0].post(f"/v1/holds/{hold}/void", key=fresh_key())
        assert answer.status_code == 200, answer.text


async def must_be_right(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """Nothing is held any more, and what was captured is what the guest has less and the hotel more."""
    guest, hotel = await client.balance("guest"), await client.balance("hotel")
    assert (guest["held"], hotel["held"]) == ("0.00", "0.00")
    assert Decimal(guest["posted"]) == -Decimal(hotel["posted"])
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


@pytest.fixture
async def both(neighbours: tuple[Client, Client]) -> tuple[Client, Client]:
    for code in ("guest", "hotel"):
        await neighbours[0].open_account(code, min_available=None)
    return neighbours


async def test_of_each_pair_of_verbs_one_ends_it(
    both: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    for pair in PAIRS:
        turned = both[1], both[0]
        await asyncio.gather(*(race(both if number % 2 else turned, pair) for number in range(ROUNDS)))
    await must_be_right(both[0], database, ledger_id)


async def test_two_workers_at_once_release_each_hold_once(
    both: tuple[Client, Client],
    service: Service,
    framework_service: Service,
    database: Database,
    ledger_id: LedgerId,
) -> None:
    """And callers try to capture them at the same moment."""
    body = {"from": "guest", "to": "hotel", "amount": "10", "currency": "USD"}
    moment = now() + timedelta(seconds=4)  # On a busy machine it takes a while to place them all.
    ends = {"expires_at": moment.isoformat()}
    answers = await asyncio.gather(*(both[0].post("/v1/holds", body | ends, key=fresh_key()) for _ in range(30)))
    holds = [answer.json()["id"] for answer in answers]
    await asyncio.sleep((moment - now()).total_seconds() - 0.1)
    workers = [HoldExpiry(one.database, one.committer, now) for one in (service, framework_service)]

    async def sweep(worker: HoldExpiry) -> int:
        released = 0
        for _ in range(12):
            released += await worker.run_once()
            await asyncio.sleep(0.03)
        return released

    sweeping = [asyncio.create_task(sweep(worker)) for worker in workers]
    captures = [client.post(f"/v1/holds/{hold}/capture", key=fresh_key()) for hold in holds for client in both]
    captured = sum(answer.status_code == 200 for answer in await asyncio.gather(*captures))
    released = sum(await asyncio.gather(*sweeping))
    assert released + captured == len(holds)
    statuses = [(await both[0].get(f"/v1/holds/{hold}")).json()["status"] for hold in holds]
    assert (statuses.count("expired"), statuses.count("captured")) == (released, captured)
    await must_be_right(both[0], database, ledger_id)


async def test_an_account_is_not_closed_under_a_hold_that_is_being_placed(
    both: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    """Either the hold finds it closed, or who closes it finds the hold; also where both come in one batch."""
    ends = set()
    for number in range(24):
        shop = f"shop:{number}"
        await both[0].open_account(shop)
        body = {"from": "guest", "to": shop, "amount": "10", "currency": "USD"}
        place = both[0].post("/v1/holds", body, key=fresh_key())
        close = both[number % 2].post(f"/v1/accounts/{shop}/close", {}, key=fresh_key())
        calls = (place, close) if number % 4 < 2 else (close, place)
        first, second = await asyncio.gather(*calls)
        placed, closed = (first, second) if number % 4 < 2 else (second, first)
        ends.add((placed.status_code, closed.status_code))
        if placed.status_code == 201:
            refused(closed, 409, "invalid_state", facts={"open_holds": "1"})
            answer = await both[1].post(f"/v1/holds/{placed.json()['id']}/capture", key=fresh_key())
            assert answer.status_code == 200, answer.text
        else:
            refused(placed, 409, "account_closed", "/to")
            assert closed.status_code == 200, closed.text
    assert ends <= {(201, 409), (409, 200)}
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
