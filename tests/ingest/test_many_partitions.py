"""Partitions of Kafka are taken together: what is asked of the broker does not grow with their number."""

from __future__ import annotations

from tests.ingest.brokers import BYTES_MAX, KafkaMock
from zerosum.adapters.streams.kafka import REBALANCE_MILLISECONDS, KafkaAddress, KafkaInput
from zerosum.domain.messages import Partition, Position

PARTITIONS = 90


async def test_a_topic_of_many_partitions_is_taken_within_a_rebalance(kafka_mock: KafkaMock) -> None:
    kafka_mock.make_topic("wide", PARTITIONS)
    taken: list[Partition] = []

    async def take(partition: Partition, made: str | None = None) -> Position:
        taken.append(partition)
        return Position()

    async def lose(_partitions: object) -> None:
        return None

    source = KafkaInput("test", KafkaAddress(servers=kafka_mock.servers), ["wide"], "group-wide", BYTES_MAX)
    await source.open(take, lose)
    asked = 0
    while len(taken) < PARTITIONS or await source.lag() is None:
        asked += 1
        assert asked * 100 < REBALANCE_MILLISECONDS, "who takes longer is thrown out of the group"
        assert await source.receive(10, 0.1) == []
    await source.close()
