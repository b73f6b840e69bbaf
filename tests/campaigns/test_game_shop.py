"""`docs/GAME-SHOP.md` as it stands: purchases from a stream, a consumer killed, and everybody counts the same."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, installed
from tests.cli.command import zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.conftest import Servers
from tests.ingest.broker_servers import nats, served
from tests.ingest.brokers import Broker, NatsBroker, RedisBroker
from tests.webhooks.receiver import receiving

pytestmark = pytest.mark.xdist_group("ingest")

PAGE = Path(__file__).parents[2] / "docs" / "GAME-SHOP.md"
SHOP = "shop:sales"
SENT_AT_ONCE = 200
LAG = re.compile(r"^zerosum_ingest_lag_messages(?:{.*})? ([0-9.e+]+)$", re.M)


def block(name: str) -> dict[str, Any]:
    found = re.search(rf"^```json {name}\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert found is not None, f"the page has no block {name}"
    content: dict[str, Any] = json.loads(found[1])
    return content


class Game:
    """Orders as a game would send them, and what should come of them: players and the shop as plain numbers."""

    def __init__(self, purchases: int, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self.purses: Counter[str] = Counter()
        self.paid: dict[str, Decimal] = {}
        self.refused = 0
        self.orders: list[tuple[str, dict[str, Any]]] = []
        for number in range(purchases):
            player = f"players:{self._chance.randrange(max(10, purchases // 50))}"
            if self.purses[player] < 50 and self._chance.random() < 0.4:
                self._order(number, player, "purse", Decimal("5.00"))
            else:
                self._order(number, player, "purchase", Decimal(self._chance.randint(1, 199)) / 100)

    def _order(self, number: int, player: str, kind: str, amount: Decimal) -> None:
        order, side = block(kind), "to" if kind == "purse" else "from"
        order |= {"idempotency_key": f"order-{number}", "amount": str(amount), side: player}
        self.orders.append((player, order))
        cents = int(amount * 100)
        if kind == "purchase" and cents > self.purses[player]:
            self.refused += 1
            return
        self.purses[player] += cents if kind == "purse" else -cents
        self.paid[order["idempotency_key"]] = amount if kind == "purchase" else Decimal(0)

    async def play(self, broker: Broker) -> None:
        """Every tenth order is sent twice."""
        sent = [one for place, one in enumerate(self.orders) for _ in range(2 if place % 10 == 0 else 1)]
        for at in range(0, len(sent), SENT_AT_ONCE):
            some = sent[at : at + SENT_AT_ONCE]
            await broker.send([order for _, order in some], [player for player, _ in some])


@pytest.fixture(params=["nats", pytest.param("redis", marks=pytest.mark.campaign)])
async def broker(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Broker]:
    if request.param == "redis":
        made: Broker = RedisBroker(servers.redis_url)
        await made.make()
        yield made
        await made.close()
        return
    with served(nats(Path(tmp_path_factory.mktemp("game")))) as server:
        made = NatsBroker(server.address)
        await made.make()
        yield made
        await made.close()


def consumer(installation: Installation, broker: Broker, environment: dict[str, str]) -> Process:
    words = ["ingest", "--from", broker.url, "--data-dir", str(installation.folder)]
    with (installation.folder.parent / "ingest.log").open("ab") as log:
        return start_in_background(words, environment=environment, output=log.fileno(), is_warm=True)


async def until(is_so: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.2)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("orders", [as_many_as(300, at_length=600), pytest.param(100_000, marks=pytest.mark.campaign)])
async def test_the_books_and_the_receiver_agree_with_the_game(orders: int, broker: Broker) -> None:
    game = Game(int(os.environ.get("ORDERS", orders)))
    seconds_max = 120 + len(game.orders) / 50
    environment = {"ZEROSUM_WEBHOOK_ALLOW_PRIVATE": "true"}
    with installed("--no-demo", environment=environment, is_warm=True) as shop:
        async with (
            receiving() as receiver,
            httpx.AsyncClient(base_url=shop.base_url, headers=shop.headers, timeout=30, trust_env=False) as http,
        ):
            assert (await http.put("/v1/chart", json=block("chart"))).status_code == 200
            endpoint = block("endpoint") | {"url": receiver.url}
            assert (await http.post("/v1/webhook-endpoints", json=endpoint)).status_code == 201

            def told() -> set[str]:
                return set(receiver.ids)

            async def sales() -> Decimal:
                answer = await http.get(f"/v1/accounts/{SHOP}/balance")
                return Decimal(answer.json()["posted"]) if answer.status_code == 200 else Decimal(0)

            metrics = {"ZEROSUM_METRICS_DIR": str(shop.folder / "metrics")}
            running = [consumer(shop, broker, metrics), consumer(shop, broker, metrics)]
            begun = time.monotonic()
            try:
                playing = asyncio.create_task(game.play(broker))
                await until(lambda: len(receiver.received) >= len(game.paid) / 3, seconds_max)
                await kill_one_that_works(running, http)
                await playing
                async with asyncio.timeout(seconds_max):
                    while await sales() < sum(game.paid.values()):
                        await asyncio.sleep(0.2)
                carried_out = time.monotonic() - begun
                await until(lambda: len(told()) >= len(game.paid), seconds_max)
            finally:
                for process in running:
                    process.kill()
            took = time.monotonic() - begun
            await must_agree(game, http, [one.event for one in receiver.received])
            assert await sales() == sum(game.paid.values())
        said = zerosum("verify", "--data-dir", str(shop.folder))
        assert said.code == 0, said.err
    twice = len(receiver.received) - len(told())
    print(f"\n{len(game.orders)} orders, {game.refused} refused; carried out in {carried_out:.0f} s "
          f"({len(game.orders) / carried_out:.0f} a second), "
          f"told in {took:.0f} s, {twice} events twice")  # fmt: skip


async def kill_one_that_works(running: list[Process], http: httpx.AsyncClient) -> None:
    """With kill -9: the first, and if it was the one that stood by, the other goes on as before."""
    running[0].send_signal(signal.SIGKILL)
    running[0].wait(10)
    text = (await http.get("/metrics")).text
    print(f"\nat the kill: lag {[float(number) for number in LAG.findall(text)]}")


async def must_agree(game: Game, http: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
    first: dict[str, dict[str, Any]] = {}
    for event in events:
        assert first.setdefault(event["id"], event) == event, "what comes twice is the same"
    told = [event["data"] for event in first.values()]
    assert len({payment["id"] for payment in told}) == len(told) == len(game.paid)
    from_players = sum(Decimal(payment["amount"]) for payment in told if payment["type"] == "transfer")
    assert from_players == sum(game.paid.values())
    balances: dict[str, Decimal] = {}
    after: str | None = None
    while True:
        page = (await http.get("/v1/accounts", params={"limit": 200, **({"cursor": after} if after else {})})).json()
        for account in page["data"]:
            if account["code"].startswith("players:"):
                balance = (await http.get(f"/v1/accounts/{account['code']}/balance")).json()
                balances[account["code"]] = Decimal(balance["posted"])
        after = page.get("next_cursor")
        if not after:
            break
    wanted = {player: Decimal(cents) / 100 for player, cents in game.purses.items() if player in balances or cents}
    assert balances == wanted
