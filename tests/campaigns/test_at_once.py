"""Many clients at once, over HTTP, on the two API processes of a real `zerosum up`."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, installed
from tests.campaigns.wire import Answer, CutOff, Wire
from tests.cli.command import zerosum
from tests.committer.ground import assert_books_are_right, transactions_left_open

CLIENTS = 64
ACCOUNTS = 20
MANY_UNITS = as_many_as(200, at_length=1_000)

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_numbers = count(1)


pytestmark = pytest.mark.xdist_group("at once")  # one of the test processes starts the service, not all


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed("--workers", "2", is_warm=True) as installation:
        assert len(installation.api_pids()) == 2
        yield installation


@pytest.fixture
async def superuser(running: Installation) -> AsyncIterator[Superuser]:
    connection = await running.superuser()
    yield connection
    await connection.close()


@pytest.fixture
def wires(running: Installation) -> Iterator[list[Wire]]:
    """Each on a connection of its own: the kernel spreads them over the processes."""
    made = [Wire(running.base_url, running.credentials["api_key"]) for _ in range(CLIENTS)]
    yield made
    for wire in made:
        wire.close()


def ledger_id(installation: Installation) -> UUID:
    return UUID(installation.credentials["ledger"].removeprefix("led_"))


async def opened(wire: Wire, **members: Any) -> str:
    """The code of a new account in USD, with a floor of zero unless `members` say otherwise."""
    code = f"at-once:{next(_numbers)}"
    body = {"code": code, "currency": "USD", "type": "liability", **members}
    answer = await wire.ask("POST", "/v1/accounts", body)
    assert answer.status == 201, answer.content
    return code


async def balance_of(wire: Wire, account: str) -> dict[str, Any]:
    found: dict[str, Any] = (await wire.ask("GET", f"/v1/accounts/{account}/balance")).content
    return found


# --- Draining --------------------------------------------------------------------------------------------------------


async def _funded(wire: Wire, units: int) -> tuple[str, dict[str, str]]:
    code = await opened(wire)
    body = {"type": "deposit", "amount": f"{units}.00", "currency": "USD", "to": code}
    assert (await wire.ask("POST", "/v1/payments", body, key=f"fund-{code}")).status == 201
    return code, {"type": "transfer", "currency": "USD", "from": code, "to": await opened(wire)}


async def _brand_new(wire: Wire, units: int) -> tuple[str, dict[str, str]]:
    """Never posted to, and may go down to its limit."""
    code = await opened(wire, min_available=f"-{units}.00")
    return code, {"type": "transfer", "currency": "USD", "from": code, "to": await opened(wire)}


async def _with_a_new_counterpart(wire: Wire, units: int) -> tuple[str, dict[str, str]]:
    """Neither it nor the clearing account it pays into was ever posted to: the latter is made by the first payment."""
    currency = f"NEW{units}"
    assert (await wire.ask("POST", "/v1/currencies", {"code": currency, "exponent": 2})).status == 201
    code = await opened(wire, currency=currency, min_available=f"-{units}.00")
    return code, {"type": "withdrawal", "currency": currency, "from": code}


@pytest.mark.parametrize("prepare", [_funded, _brand_new, _with_a_new_counterpart])
@pytest.mark.parametrize("units", [1, 7, MANY_UNITS])
async def test_64_clients_drain_an_account_of_n_units_by_exactly_n_payments(
    running: Installation, superuser: Superuser, wires: list[Wire], units: int, prepare: Any
) -> None:
    code, payment = await prepare(wires[0], units)
    before = Decimal((await balance_of(wires[0], code))["available"])
    tries = iter(range(max(2 * CLIENTS, units + 2 * CLIENTS)))

    async def client(wire: Wire) -> Counter[tuple[int, str | None]]:
        seen: Counter[tuple[int, str | None]] = Counter()
        for number in tries:
            answer = await wire.ask("POST", "/v1/payments", {**payment, "amount": "1.00"}, key=f"{code}-{number}")
            seen[answer.status, answer.code] += 1
        return seen

    seen = sum(await asyncio.gather(*(client(wire) for wire in wires)), Counter[tuple[int, str | None]]())
    assert seen == {(201, None): units, (422, "insufficient_funds"): 2 * CLIENTS}
    assert Decimal((await balance_of(wires[0], code))["available"]) == before - units
    await assert_books_are_right(superuser, ledger_id(running))


# --- One key ---------------------------------------------------------------------------------------------------------


async def test_50_clients_with_one_key_make_one_payment(
    running: Installation, superuser: Superuser, wires: list[Wire]
) -> None:
    """All others get the same answer, or 409 and the time to come again.

    Where a machine stands still for seconds the outcome may be unknown (504): then the key tells it.
    """
    payer, payee = await opened(wires[0], min_available=None), await opened(wires[0])
    clients = wires[:50]
    for wire in clients:
        await wire.connect()
    rounds = as_many_as(8, at_length=20)

    async def pay(wire: Wire, key: str) -> tuple[Answer, bool]:
        answer = await wire.pay(payer, payee, "5.00", key)
        is_unknown = answer.status == 504
        return await wire.pay(payer, payee, "5.00", key) if is_unknown else answer, is_unknown

    for number in range(rounds):
        told = await asyncio.gather(*(pay(wire, f"{payer}-one-key-{number}") for wire in clients))
        answers, unknown = [answer for answer, _ in told], sum(is_unknown for _, is_unknown in told)
        paid = [answer for answer in answers if answer.status == 201]
        busy = [answer for answer in answers if answer.status != 201]
        assert len({answer.body for answer in paid}) == 1
        made = sum("idempotency-replayed" not in answer.headers for answer in paid)
        assert made == 1 or (unknown and not made)
        assert {(answer.status, answer.code) for answer in busy} <= {(409, "idempotency_in_progress")}
        assert all("retry-after" in answer.headers for answer in busy)
    assert (await balance_of(wires[0], payee))["version"] == rounds
    await assert_books_are_right(superuser, ledger_id(running))


# --- Random transfers ------------------------------------------------------------------------------------------------


async def transfers_in_adversarial_order(
    running: Installation, superuser: Superuser, wires: list[Wire], number: int
) -> None:
    """Every client pays to and fro between the same few accounts, so that any two meet in opposite orders."""
    accounts = [await opened(wires[0], min_available=None) for _ in range(ACCOUNTS)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = await superuser.fetchval(deadlocks)
    left = iter(range(number // 2))

    async def client(wire: Wire, chance: random.Random) -> None:
        for pair in left:
            one, other = chance.sample(accounts, 2)
            for way, (payer, payee) in enumerate(((one, other), (other, one))):
                amount = f"0.{chance.randrange(1, 100):02}"
                answer = await wire.pay(payer, payee, amount, f"{accounts[0]}-{pair}-{way}")
                assert answer.status == 201, answer.content

    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(client(wire, random.Random(seed)) for seed, wire in enumerate(wires)))
    print(f"\n{number} transfers in {loop.time() - began:.1f} s")
    postings = [(await balance_of(wires[0], account))["version"] for account in accounts]
    assert sum(postings) == 2 * number
    assert await superuser.fetchval(deadlocks) == before
    await assert_books_are_right(superuser, ledger_id(running))
    said = await asyncio.to_thread(zerosum, "verify", "--data-dir", str(running.folder))
    assert said.code == 0, said.out


async def test_transfers_in_adversarial_order_neither_deadlock_nor_drift(
    running: Installation, superuser: Superuser, wires: list[Wire]
) -> None:
    await transfers_in_adversarial_order(running, superuser, wires, as_many_as(1_500, at_length=4_000))


@pytest.mark.campaign
async def test_100_000_transfers_in_adversarial_order(
    running: Installation, superuser: Superuser, wires: list[Wire]
) -> None:
    await transfers_in_adversarial_order(running, superuser, wires, 100_000)


# --- Clients that go away --------------------------------------------------------------------------------------------


async def test_600_clients_that_hang_up_leave_nothing_half_done(running: Installation, superuser: Superuser) -> None:
    """What was acknowledged is there, what was not is whole or absent, and no session stays in a transaction."""
    chance = random.Random(7)
    wire = Wire(running.base_url, running.credentials["api_key"])
    accounts = [await opened(wire, min_available=None) for _ in range(10)]
    acknowledged: dict[str, str] = {}

    async def call_and_hang_up(number: int) -> None:
        caller = Wire(running.base_url, running.credentials["api_key"])
        await caller.connect()
        loop = asyncio.get_running_loop()
        hang_up = loop.call_later(chance.uniform(0, 0.06), caller.close)
        try:
            payer, payee = chance.sample(accounts, 2)
            answer = await caller.pay(payer, payee, "0.01", f"{accounts[0]}-left-{number}")
        except CutOff:
            return
        finally:
            hang_up.cancel()
            caller.close()
        assert answer.status == 201
        acknowledged[f"{accounts[0]}-left-{number}"] = answer.content["id"]

    for start in range(0, 600, 50):
        await asyncio.gather(*(call_and_hang_up(start + index) for index in range(50)))
    assert 0 < len(acknowledged) < 600
    # The next answer comes after everything that was accepted before it on these accounts.
    last = await wire.pay(accounts[0], accounts[1], "0.01", f"{accounts[0]}-last")
    assert last.status == 201
    rows = await superuser.fetch(
        "select idempotency_key as key, id from journal_entries where ledger_id = $1 and idempotency_key like $2",
        ledger_id(running),
        f"{accounts[0]}-left-%",
    )
    kept = {row["key"]: f"pay_{row['id']}" for row in rows}
    assert len(kept) == len(rows)
    print(f"\n{len(acknowledged)} acknowledged, {len(kept) - len(acknowledged)} carried out for nobody")
    assert acknowledged.items() <= kept.items()
    assert not await transactions_left_open(superuser)
    await assert_books_are_right(superuser, ledger_id(running))
    wire.close()
