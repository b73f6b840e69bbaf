"""What holds of every input, on real brokers: each effect once, order kept, poison aside, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.ingest.brokers import Broker
from tests.ingest.ground import MANY_CONSUMERS, Told, caller_of, consumer, deposit, desk_of, running, transfer, until
from zerosum.api.messages import MessageDesk, Reading
from zerosum.domain.errors import InternalError, Unavailable
from zerosum.domain.messages import Message, MessageOutcome
from zerosum.main import Service
from zerosum.services import ingestion
from zerosum.services.ingestion import ATTEMPTS_MAX


class Sabotaged:
    """A desk that carries out and then does what a test wants, as a crash or an outage would."""

    def __init__(self, desk: MessageDesk) -> None:
        self._desk = desk
        self.is_away = False
        self.loses_answers = 0
        self.breaks_on: set[str] = set()
        self.asked = 0

    def read(self, message: Message) -> Reading:
        return self._desk.read(message)

    def refused(self, message: Message, refusal: Any) -> MessageOutcome:
        return self._desk.refused(message, refusal)

    async def carry_out(self, readings: Sequence[Reading], order_key: int | None = None) -> Sequence[MessageOutcome]:
        self.asked += 1
        if self.is_away:
            away = Unavailable("The ledger is away.")
            return [self._desk.refused(one.message, away, one) for one in readings]
        if self.breaks_on & {one.key for one in readings}:
            defect = InternalError("A defect.")
            if len(readings) == 1:
                return [self._desk.refused(readings[0].message, defect, readings[0])]
            return await type(self._desk)._together_failed(self, readings, defect, order_key)  # type: ignore[arg-type]
        outcomes = await self._desk.carry_out(readings, order_key)
        if self.loses_answers:
            self.loses_answers -= 1
            raise ConnectionAbortedError("killed between commit and settling")
        return outcomes


async def posted(client: Client, account: str) -> str:
    balance: str = (await client.balance(account))["posted"]
    return balance


async def test_messages_become_payments_in_order_and_are_not_read_again(
    broker: Broker, service: Service, client: Client
) -> None:
    a, b = [(await client.open_account())["code"] for _ in range(2)]
    await broker.send([deposit(a, "10.00"), transfer(a, b, "4.00"), transfer(a, b, "100.00"), transfer(a, b, "6.00")])
    told = Told()
    made, tally = consumer(service, client, broker.input(), told=told)
    async with running(made):
        await until(lambda: tally.messages == 4)
    assert told.statuses == ["done", "done", "refused", "done"]
    assert (await posted(client, a), await posted(client, b)) == ("0.00", "10.00")
    await broker.send([deposit(a, "1.00")])
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await until(lambda: tally.messages == 1)
    assert (tally.done, tally.replayed) == (1, 0)
    assert (await posted(client, a)) == "1.00"


@MANY_CONSUMERS
async def test_killed_between_commit_and_settling_the_messages_come_again_and_change_nothing(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    await broker.send([deposit(a) for _ in range(20)])
    for _ in range(3):
        desk = Sabotaged(desk_of(service, client))
        desk.loses_answers = 1
        made, _ = consumer(service, client, broker.input(), desk=desk, batch_max=7)
        with pytest.raises(ConnectionAbortedError):
            await asyncio.wait_for(made.run(), 20)
    made, tally = consumer(service, client, broker.input(), batch_max=7)
    async with running(made):
        await until(lambda: tally.messages == 20 or tally.done == 20)
    assert tally.replayed >= 1
    assert (await posted(client, a)) == "20.00"


async def test_what_can_never_be_carried_out_is_put_aside_and_the_rest_goes_on(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    await broker.send([b"not json", deposit(a), {"command": "fly"}, deposit(a, amount="1e5"), deposit(a)])
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await until(lambda: tally.messages == 5)
    assert (tally.done, tally.dead) == (2, 3)
    assert (await posted(client, a)) == "2.00"


async def test_while_the_ledger_is_away_everything_waits_and_nothing_is_counted(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    desk = Sabotaged(desk_of(service, client))
    desk.is_away = True
    made, tally = consumer(service, client, broker.input(), desk=desk)
    async with running(made):
        await broker.send([deposit(a) for _ in range(5)])
        await until(lambda: desk.asked > 3)
        assert (tally.messages, made.is_paused) == (0, True)
        desk.is_away = False
        await until(lambda: tally.done == 5)
    assert (tally.dead, tally.retried) == (0, 0)
    assert (await posted(client, a)) == "5.00"


@MANY_CONSUMERS
async def test_who_ends_while_the_ledger_is_away_has_not_tried(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    await broker.send([deposit(a) for _ in range(3)])
    for _ in range(ATTEMPTS_MAX + 2):
        desk = Sabotaged(desk_of(service, client))
        desk.is_away = True
        made, tally = consumer(service, client, broker.input(), desk=desk)
        async with running(made):
            await until(lambda desk=desk: desk.asked > 0)
        assert tally.dead == 0
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await until(lambda: tally.done == 3)
    assert (tally.dead, await posted(client, a)) == (0, "3.00")


async def test_one_bad_key_delays_only_itself_and_keeps_its_order(
    broker: Broker, service: Service, client: Client
) -> None:
    a, b = [(await client.open_account())["code"] for _ in range(2)]
    desk = Sabotaged(desk_of(service, client))
    desk.breaks_on = {"bad"}
    told = Told()
    made, tally = consumer(service, client, broker.input(), desk=desk, told=told)
    keys: list[str | None] = ["a", "a", "b", "a", "b"]
    contents = [
        deposit(a, key=f"{broker.url}first"),
        deposit(a, key="bad"),
        deposit(b),
        deposit(a, key="after"),
        deposit(b),
    ]
    contents[0] = deposit(a, key="first")
    async with running(made):
        await broker.send(contents, keys)
        await until(lambda: tally.done == 3)
        assert (await posted(client, b)) == "2.00"
        assert (await posted(client, a)) == "1.00", "what follows the bad one of its key waits"
        await until(lambda: tally.retried >= 1)
        desk.breaks_on = set()
        await until(lambda: tally.done == 5)
    assert [answer["idempotency_key"] for answer in told.answers if answer["idempotency_key"] in ("bad", "after")] == [
        "bad",
        "after",
    ]
    assert (await posted(client, a)) == "3.00"


async def test_what_fails_five_times_is_given_up_and_those_behind_it_go_on(
    broker: Broker, service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "RETRY_SECONDS", [seconds / 10 for seconds in ingestion.RETRY_SECONDS])
    a = (await client.open_account())["code"]
    desk = Sabotaged(desk_of(service, client))
    desk.breaks_on = {"bad"}
    made, tally = consumer(service, client, broker.input(), desk=desk)
    async with running(made):
        await broker.send([deposit(a, key="bad"), deposit(a, key="after")], ["a", "a"])
        await until(lambda: tally.dead == 1 and tally.done == 1, 60)
    assert (await posted(client, a)) == "1.00"


@MANY_CONSUMERS
async def test_a_message_that_ends_the_consumer_is_put_aside_after_five_tries(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    await broker.send([deposit(a, key="before"), deposit(a, key="bomb"), deposit(a, key="after")])

    class Bomb(Sabotaged):
        async def carry_out(self, readings: Sequence[Reading], order_key: int | None = None) -> Any:
            if "bomb" in {one.key for one in readings}:
                raise SystemError("killed")
            return await super().carry_out(readings, order_key)

    crashes = 0
    for _ in range(10):
        made, tally = consumer(service, client, broker.input(), desk=Bomb(desk_of(service, client)))
        task = asyncio.create_task(made.run())
        await asyncio.wait([task], timeout=0.0)
        while not task.done() and not tally.dead:
            await asyncio.sleep(0.02)
        if tally.dead:
            await until(lambda tally=tally: tally.done >= 1)
            made.stop()
            await task
            break
        assert isinstance(task.exception(), SystemError)
        crashes += 1
    assert crashes in (5, 6)
    assert (await posted(client, a)) == "2.00"


@MANY_CONSUMERS
async def test_a_message_that_ends_the_consumer_when_it_is_tried_again_is_put_aside_too(
    broker: Broker, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]

    class LateBomb(Sabotaged):
        """Fails at first, and ends the process whenever it is tried again."""

        async def carry_out(self, readings: Sequence[Reading], order_key: int | None = None) -> Any:
            if self.breaks_on or "bomb" not in {one.key for one in readings}:
                return await super().carry_out(readings, order_key)
            raise SystemError("killed")

    desk = LateBomb(desk_of(service, client))
    desk.breaks_on = {"bomb"}
    made, tally = consumer(service, client, broker.input(), desk=desk)
    async with running(made):
        await broker.send([deposit(a, key="bomb"), deposit(a, key="after")], ["a", "a"])
        await until(lambda: tally.messages == 2)
    desk.breaks_on = set()
    crashes = 0
    while crashes < 10:
        made, tally = consumer(service, client, broker.input(), desk=desk)
        task = asyncio.create_task(made.run())
        await until(lambda task=task, tally=tally: task.done() or tally.done)
        if not task.done():
            assert tally.dead == 1
            made.stop()
            await task
            break
        assert isinstance(task.exception(), SystemError)
        crashes += 1
    assert 1 <= crashes <= 4, "fewer where it was tried again before the first one had ended"
    assert (await posted(client, a)) == "1.00", "what waited behind it goes on"
    letters = await service.services.ingestion.set_aside(caller_of(client))
    assert letters == (1, 0)
