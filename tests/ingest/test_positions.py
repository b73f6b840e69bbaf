"""Positions: the fence against zombies, tries that are counted, and inputs that stop where messages are missing."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.api.conftest import Client
from tests.conftest import Servers
from tests.ingest.brokers import NatsBroker, RedisBroker
from tests.ingest.ground import caller_of, consumer, deposit, running, until
from tests.ingest.test_messages import message
from zerosum.adapters.streams.nats import NatsReplies
from zerosum.adapters.streams.redis_replies import RedisStreamReplies
from zerosum.domain.messages import Gap, Message, Partition
from zerosum.main import Service
from zerosum.services.ingestion import Fenced, Settlement

HERE = Partition("test", "payments")


def one(offset: int) -> Message:
    return message(b"{}", str(offset), offset=offset)


def settled(last: Message, messages: int = 1) -> Settlement:
    return Settlement(last=last, messages=messages, is_whole=True)


async def test_who_has_lost_a_partition_is_told_and_moves_nothing(service: Service, client: Client) -> None:
    ingestion, caller = service.services.ingestion, caller_of(client)
    zombie = await ingestion.take(caller, HERE, "first")
    assert zombie is not None
    await ingestion.begin(caller, zombie, one(0), 10)
    successor = await ingestion.take(caller, HERE, "second")
    assert successor is not None
    for late in (
        ingestion.settle(caller, zombie, settled(one(9))),
        ingestion.begin(caller, zombie, one(0), 10),
        ingestion.renew(caller, zombie, 10.0),
    ):
        with pytest.raises(Fenced):
            await late
    await ingestion.release(caller, zombie)
    await ingestion.settle(caller, successor, settled(one(4), 5))
    taken = await ingestion.take(caller, HERE, "third")
    assert taken is not None
    assert (taken.position.next_offset, taken.position.last_place) == (5, "4")


async def test_a_lease_lasts_as_long_as_the_consumer_is_told(
    service: Service, client: Client, servers: Servers, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    broker = RedisBroker(servers.redis_url)
    await broker.make()
    made, _ = consumer(service, client, broker.input(), lease_seconds=3.0)
    async with running(made):

        async def seconds() -> float | None:
            found: float | None = await superuser.fetchval(
                "select extract(epoch from held_until - updated_at)::float from ingest_positions where topic = $1",
                broker.stream,
            )
            return found

        await until(seconds)
        assert await seconds() == pytest.approx(3.0)
    await broker.close()


async def test_a_lease_is_taken_when_it_is_over_or_given_back(service: Service, client: Client) -> None:
    ingestion, caller = service.services.ingestion, caller_of(client)
    first = await ingestion.take(caller, HERE, "first", 0.3)
    assert first is not None
    assert await ingestion.take(caller, HERE, "second", 10.0) is None
    await asyncio.sleep(0.35)
    second = await ingestion.take(caller, HERE, "second", 10.0)
    assert second is not None
    assert await ingestion.take(caller, HERE, "first", 10.0) is None
    await ingestion.release(caller, second)
    assert await ingestion.take(caller, HERE, "first", 10.0) is not None


async def test_tries_are_counted_for_the_head_and_the_rest_of_a_batch_is_suspect(
    service: Service, client: Client
) -> None:
    ingestion, caller = service.services.ingestion, caller_of(client)
    taken = await ingestion.take(caller, HERE, "first")
    assert taken is not None
    assert not (await ingestion.begin(caller, taken, one(0), 3)).is_suspect
    for tries in (2, 3):
        begun = await ingestion.begin(caller, taken, one(0), 3)
        assert (begun.tries, begun.is_suspect) == (tries, True)
    for offset in range(3):
        await ingestion.settle(caller, taken, settled(one(offset)))
        begun = await ingestion.begin(caller, taken, one(offset + 1), 3)
        assert (begun.tries, begun.is_suspect) == (1, offset < 2)


async def test_a_position_is_of_one_ledger(service: Service, client: Client, stranger: Client) -> None:
    ingestion = service.services.ingestion
    taken = await ingestion.take(caller_of(client), HERE, "first")
    assert taken is not None
    await ingestion.settle(caller_of(client), taken, settled(one(7)))
    other = await ingestion.take(caller_of(stranger), HERE, "first")
    assert other is not None
    assert other.position.next_offset is None


async def test_a_stream_that_was_trimmed_unread_stops_the_input(
    servers: Servers, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    broker = RedisBroker(servers.redis_url)
    await broker.send([deposit(a)])
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await until(lambda: tally.messages == 1)
    await broker.send([deposit(a), deposit(a), deposit(a)])
    await broker.client.xtrim(broker.stream, maxlen=1, approximate=False)
    made, _ = consumer(service, client, broker.input())
    with pytest.raises(Gap, match="2 entries behind"):
        await asyncio.wait_for(made.run(), 20)
    made, tally = consumer(service, client, broker.input(accepts_gaps=True))
    async with running(made):
        await until(lambda: tally.messages == 1)
    await broker.close()


async def test_nats_messages_that_were_deleted_unread_and_streams_made_anew_stop_the_input(
    nats_address: str, service: Service, client: Client
) -> None:
    a = (await client.open_account())["code"]
    broker = NatsBroker(nats_address)
    await broker.make()
    await broker.send([deposit(a), deposit(a)])
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await until(lambda: tally.messages == 2)
    await broker.send([deposit(a), deposit(a)])
    streams = broker.client.jetstream()
    await streams.purge_stream(broker.stream, seq=4)
    made, _ = consumer(service, client, broker.input())
    with pytest.raises(Gap, match="3 to 3 were deleted"):
        await asyncio.wait_for(made.run(), 20)
    await broker.close()
    again = NatsBroker(nats_address)
    again.stream = broker.stream
    await again.make()
    made, _ = consumer(service, client, again.input())
    with pytest.raises(Gap, match="made anew"):
        await asyncio.wait_for(made.run(), 20)
    await again.close()


async def test_nats_work_queues_are_refused(nats_address: str, service: Service, client: Client) -> None:
    broker = NatsBroker(nats_address)
    await broker.make()
    streams = broker.client.jetstream()
    await streams.add_stream(name="WORK", subjects=["work.in"], retention="workqueue")
    broker.stream = "WORK"
    made, _ = consumer(service, client, broker.input())
    with pytest.raises(Gap, match="forgets"):
        await asyncio.wait_for(made.run(), 20)
    await broker.close()


async def test_replies_lie_where_they_were_sent(servers: Servers, nats_address: str) -> None:
    answers: list[Any] = [("key", b'{"status": "done"}'), (None, b'{"status": "refused"}')]
    broker = RedisBroker(servers.redis_url)
    to_redis = RedisStreamReplies(servers.redis_url, broker.stream)
    await to_redis.send(answers)
    await to_redis.close()
    entries: Any = await broker.client.xrange(broker.stream)
    assert [fields[b"body"] for _, fields in entries] == [body for _, body in answers]
    await broker.close()
    nats = NatsBroker(nats_address)
    await nats.make()
    to_nats = NatsReplies(nats_address, f"{nats.stream}.out")
    await to_nats.send(answers)
    await to_nats.close()
    assert (await nats.client.jetstream().stream_info(nats.stream)).state.messages == 2
    await nats.close()
