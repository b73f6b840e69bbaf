"""A place names a message within its input, and inputs use it again: a line of tomorrow's file, an order's number."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.ingest.brokers import NatsBroker
from tests.ingest.ground import as_lines, consumer, deposit, desk_of, running, until
from tests.ingest.test_every_input import Sabotaged
from tests.ingest.test_lines import BYTES_MAX, read_to_the_end
from zerosum.adapters.streams.lines import StandardInput
from zerosum.domain.messages import Gap
from zerosum.ingest.streams.port import IngestTally
from zerosum.main import Service

NAME = "daily"


async def dead(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/v1/dead-letters", params={"limit": 200})).json()["data"]
    return found


async def test_another_message_under_a_place_used_before_is_put_aside_too(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    for amount, is_new in (("0.001", True), ("0.002", True), ("0.002", False)):
        lines = as_lines([deposit(a, amount, key=f"of {amount}".replace(" ", "-"))])
        tally, _ = await read_to_the_end(service, client, lines, name=NAME)
        assert tally.dead == is_new
    assert [one["status"] for one in await dead(client)] == ["dead", "dead"]


async def test_what_was_dropped_and_comes_again_is_there_again(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    lines = as_lines([deposit(a, "0.001", key="wrong")])
    await read_to_the_end(service, client, lines, name=NAME)
    [letter] = await dead(client)
    assert (await client.post(f"/v1/dead-letters/{letter['id']}/drop", {})).status_code == 200
    await read_to_the_end(service, client, lines, name=NAME)
    [again] = await dead(client)
    assert (again["id"], again["status"]) == (letter["id"], "dead")


@pytest.mark.parametrize("amount", ["5.00", "0.001"], ids=["another message", "the same one"])
async def test_what_fails_for_a_moment_under_a_place_used_before_is_carried_out(
    service: Service, client: Client, amount: str
) -> None:
    """The same one was poison then, and is tried once more; it ends as poison again, and the input ends."""
    a = (await client.open_account())["code"]
    await read_to_the_end(service, client, as_lines([deposit(a, "0.001", key="one")]), name=NAME)
    desk = Sabotaged(desk_of(service, client))
    desk.breaks_on = {"one" if amount == "0.001" else "other"}
    reading, writing = os.pipe()
    os.write(writing, as_lines([deposit(a, amount, key="one" if amount == "0.001" else "other")]))
    os.close(writing)
    source = StandardInput(NAME, BYTES_MAX, has_positions=True, descriptor=reading)
    made, _ = consumer(service, client, source, desk=desk)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.3)
    desk.breaks_on = set()
    await asyncio.wait_for(task, 30)
    assert (await client.balance(a))["posted"] == ("5.00" if amount == "5.00" else "0.00")


async def test_two_that_read_under_one_name_at_once_lose_no_line(
    service: Service, client: Client, tmp_path: Path
) -> None:
    a = (await client.open_account())["code"]

    async def read(tag: str) -> IngestTally:
        path = tmp_path / tag
        path.write_bytes(as_lines([deposit(a, "1.00", key=f"{tag}-{number}") for number in range(300)]))
        with path.open("rb") as file:
            source = StandardInput(NAME, BYTES_MAX, has_positions=True, descriptor=file.fileno())
            made, tally = consumer(service, client, source, batch_max=20, in_memory_max=100, lease_seconds=3.0)
            async with asyncio.timeout(60):
                await made.run()
        return tally

    tallies = await asyncio.gather(read("first"), read("second"))
    assert [tally.done for tally in tallies] == [300, 300]
    assert (await client.balance(a))["posted"] == "600.00"


async def test_whoever_loses_his_lines_to_another_ends_with_an_error(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    reading, writing = os.pipe()
    source = StandardInput(NAME, BYTES_MAX, has_positions=True, descriptor=reading)
    made, tally = consumer(service, client, source)
    task = asyncio.create_task(made.run())
    os.write(writing, as_lines([deposit(a, key="one")]))
    await until(lambda: tally.done == 1)
    [work] = made._works.values()
    assert work.taken is not None
    ingestion, caller = service.services.ingestion, made._caller
    await ingestion.release(caller, work.taken)  # As one that was stopped for longer than its lease.
    assert await ingestion.take(caller, work.taken.partition, "another", 10.0) is not None
    os.write(writing, as_lines([deposit(a, key="two")]))
    os.close(writing)
    with pytest.raises(Gap, match="send it once more"):
        await asyncio.wait_for(task, 20)


async def test_a_nats_stream_made_anew_is_not_taken_for_the_one_before(
    nats_address: str, service: Service, client: Client
) -> None:
    """Its new messages stand where old ones were settled, also where there are more of them than before."""
    broker = NatsBroker(nats_address)
    await broker.make()
    a = (await client.open_account())["code"]
    made, tally = consumer(service, client, broker.input())
    async with running(made):
        await broker.send([deposit(a, key=f"old-{number}") for number in range(3)])
        await until(lambda: tally.done == 3)
    streams = broker.client.jetstream()
    await streams.delete_stream(broker.stream)
    await streams.add_stream(name=broker.stream, subjects=[f"{broker.stream}.>"])
    await broker.send([deposit(a, key=f"new-{number}") for number in range(6)])
    made, _ = consumer(service, client, broker.input())
    with pytest.raises(Gap, match="made anew"):
        await asyncio.wait_for(made.run(), 20)
    other, tally = consumer(service, client, broker.input("another"))
    async with running(other):
        await until(lambda: tally.done == 6)
    await broker.close()
