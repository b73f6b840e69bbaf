"""A broker that deletes what a connected consumer has not read yet: seen, counted, and only accepted when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.conftest import Servers
from tests.ingest.brokers import Broker, KafkaBroker, KafkaMock, NatsBroker, RedisBroker
from tests.ingest.ground import REAL_KAFKA, consumer, deposit, desk_of, running, until
from tests.ingest.test_every_input import Sabotaged, posted
from zerosum.domain.messages import Gap
from zerosum.main import Service

Delete = Callable[[], Awaitable[object]]
"""What was not read, but for the last message."""

FILLER = b"x" * 60_000
"""No message: poison. The mock of Kafka keeps five megabytes of a partition."""


def nats_deletion(broker: NatsBroker) -> Delete:
    return lambda: broker.client.jetstream().purge_stream(broker.stream, keep=1)


def redis_deletion(broker: RedisBroker) -> Delete:
    return lambda: broker.client.xtrim(broker.stream, maxlen=1, approximate=False)


def mock_deletion(broker: KafkaBroker) -> Delete:
    return lambda: broker.send([FILLER] * 120)


def kafka_deletion(broker: KafkaBroker) -> Delete:
    async def delete() -> None:
        from aiokafka import TopicPartition  # noqa: PLC0415
        from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415
        from aiokafka.admin.records_to_delete import RecordsToDelete  # noqa: PLC0415

        admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
        await admin.start()
        await admin.delete_records({TopicPartition(broker.topic, 0): RecordsToDelete(before_offset=4)})
        await admin.close()

    return delete


@pytest.fixture(params=["redis", "nats", "kafka", REAL_KAFKA])
def forgetful(request: pytest.FixtureRequest, servers: Servers) -> tuple[Broker, Delete]:
    if request.param == "redis":
        redis = RedisBroker(servers.redis_url)
        return redis, redis_deletion(redis)
    if request.param == "nats":
        nats = NatsBroker(request.getfixturevalue("nats_address"))
        return nats, nats_deletion(nats)
    if request.param == "kafka":
        mock: KafkaMock = request.getfixturevalue("kafka_mock")
        kafka = KafkaBroker(mock.servers, mock)
        return kafka, mock_deletion(kafka)
    real = KafkaBroker(request.getfixturevalue("kafka_servers"))
    return real, kafka_deletion(real)


@pytest.mark.parametrize("accepts_gaps", [False, True], ids=["stops", "goes on"])
async def test_what_is_deleted_before_a_connected_consumer_has_read_it_is_noticed(
    forgetful: tuple[Broker, Delete], service: Service, client: Client, accepts_gaps: bool
) -> None:
    broker, delete = forgetful
    await broker.make()
    a = (await client.open_account())["code"]
    desk = Sabotaged(desk_of(service, client))
    made, tally = consumer(service, client, broker.input(accepts_gaps=accepts_gaps), desk=desk, in_memory_max=1)
    task = asyncio.create_task(made.run())
    try:
        await broker.send([deposit(a)])
        await until(lambda: tally.done == 1 or task.done())
        desk.is_away = True
        await broker.send([deposit(a)])
        asked = desk.asked
        await until(lambda: desk.asked > asked or task.done())
        await broker.send([deposit(a), deposit(a), deposit(a, key="last")])
        await delete()
        desk.is_away = False
        if accepts_gaps:
            await until(lambda: tally.lost or task.done())
            await until(lambda: tally.messages >= 3 or task.done())
            assert not task.done()
        else:
            with pytest.raises(Gap, match=r"deleted before they were read.*--accept-gaps"):
                await asyncio.wait_for(task, 30)
            assert tally.gaps == 1
        assert tally.lost >= 2
        assert float(await posted(client, a)) >= 2
    finally:
        made.stop()
        await asyncio.wait([task])
        await broker.close()


@pytest.mark.kafka
async def test_marks_of_transactions_are_no_losses(kafka_servers: str, service: Service, client: Client) -> None:
    """They have offsets and are no messages; deleted with all before them they have not been messages either."""
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415

    broker = KafkaBroker(kafka_servers)
    await broker.make()
    a = (await client.open_account())["code"]
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=f"tx-{broker.topic}")
    await producer.start()
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        for number in range(3):
            async with producer.transaction():
                await producer.send_and_wait(broker.topic, b"nonsense", partition=0)
            await until(lambda number=number: tally.messages == number + 1)
        source: Any = made._input
        await source.lag()
        await kafka_deletion(broker)()
        await source.lag()
        await broker.send([deposit(a)])
        await until(lambda: tally.done == 1)
    assert tally.lost == 0
    await producer.stop()
    await broker.close()
