"""Lines of the log: nobody waits for who reads them, and every request that is asked for gets one."""

from __future__ import annotations

import fcntl
import io
import json
import logging
import os
import threading
import time
from typing import Any

import pytest

from tests.api.conftest import make_client, service_settings
from tests.conftest import Servers, TestDatabase
from tests.logs.test_canaries import logged
from zerosum.domain.identifiers import LedgerId
from zerosum.logs.setting_up import log_formatter
from zerosum.logs.writing import LINES_MAX, LineWriter
from zerosum.main import Service

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def writing_to(descriptor: int) -> tuple[logging.Logger, LineWriter]:
    writer = LineWriter(descriptor)
    writer.setFormatter(log_formatter("json"))
    logger = logging.Logger("zerosum.test")
    logger.addHandler(writer)
    return logger, writer


async def test_a_pipe_that_nobody_reads_costs_requests_nothing_and_its_lines_are_counted(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    reader, pipe = os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    logger, writer = writing_to(pipe)
    begun = time.monotonic()
    for number in range(LINES_MAX + 1_000):
        logger.info("line %d", number)
    assert time.monotonic() - begun < 20  # it would hang for ever
    assert writer.dropped >= 900
    ours = logging.getLogger("zerosum")
    ours.addHandler(writer)
    ours.setLevel(logging.INFO)
    service = Service(service_settings(test_database, servers, log_requests="all"))
    await service.start()
    try:
        client = await make_client(service, ledger_id)
        await client.open_account("a")
        dropped = writer.dropped
        for _ in range(20):
            await client.deposit("a", "1.00")
        await client.http.aclose()
    finally:
        await service.stop()
        ours.removeHandler(writer)
        ours.setLevel(logging.NOTSET)
    assert writer.dropped >= dropped + 20
    writer.flush_within(0.05)  # nor does the end of a process wait for long
    read = b""
    while b"lines of the log were dropped" not in read:
        read = read[-1_000:] + os.read(reader, 65_536)
    os.close(reader)
    told = json.loads(read.rstrip().splitlines()[-1])
    assert told["dropped"] == writer.dropped


def test_all_that_was_logged_is_there_when_the_process_ends() -> None:
    reader, pipe = os.pipe()
    logger, writer = writing_to(pipe)
    for number in range(100):
        logger.info("line %d", number)
    writer.flush_within()
    os.close(pipe)
    with os.fdopen(reader, "rb") as lines:
        assert [json.loads(line)["event"] for line in lines] == [f"line {number}" for number in range(100)]
    logger.info("nobody is there any more")


def test_lines_of_several_writers_stay_whole() -> None:
    """Processes of a service write into one pipe, each many lines at once."""
    reader, pipe = os.pipe()
    writers = [writing_to(pipe) for _ in range(3)]

    def write(number: int) -> None:
        logger, writer = writers[number]
        for line in range(200):
            logger.info("%d says %d %s", number, line, "x" * (line * 7 % 900))
        writer.flush_within(20)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(writers))]
    for thread in threads:
        thread.start()

    def end() -> None:
        for thread in threads:
            thread.join()
        os.close(pipe)

    ended = threading.Thread(target=end)
    ended.start()
    with os.fdopen(reader, "rb") as lines:
        told = [json.loads(line)["event"].split()[:3] for line in lines]
    ended.join()
    for number in range(len(writers)):
        assert [int(line) for who, _, line in told if who == str(number)] == list(range(200))


@pytest.mark.parametrize(("log_requests", "number"), [("off", 0), ("slow", 0), ("refused", 2), ("all", 5)])
async def test_requests_are_told_as_it_was_asked(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, log_requests: str, number: int
) -> None:
    with logged() as log:
        records = await told(log, test_database, servers, ledger_id, log_requests=log_requests)
    assert len(records) == number
    if log_requests != "all":
        return
    *_, paid, strange, refused = records
    assert (paid["event"], paid["status"], paid["route"]) == ("a request was answered", 201, "/v1/payments")
    assert (paid["trace_id"], paid["request_id"]) == (TRACE, "mine-1")
    assert paid["payment"].startswith("pay_")
    assert paid["ledger"].startswith("led_")
    assert (strange["status"], strange["code"], strange["action"]) == (
        401,
        "unauthenticated",
        "check_the_credential",
    )
    assert (refused["event"], refused["code"]) == ("a request was refused", "account_not_found")


async def test_a_slow_request_is_told_whatever_it_was(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    with logged() as log:
        records = await told(log, test_database, servers, ledger_id, log_slow_seconds=0.000001)
    assert {(one["is_slow"], one["level"]) for one in records} == {(True, "warning")}
    assert len(records) == 5


async def told(
    log: io.StringIO, database: TestDatabase, servers: Servers, ledger_id: LedgerId, **settings: Any
) -> list[dict[str, Any]]:
    """What the log says of some requests."""
    service = Service(service_settings(database, servers, **{"log_slow_seconds": 60, **settings}))
    await service.start()
    client = await make_client(service, ledger_id)
    await client.open_account("a")
    await client.deposit("a", "1")
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
    headers = {"X-Request-Id": "mine-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    await client.post("/v1/payments", body, key="k1", headers=headers)
    await client.get("/v1/payments", headers={"Authorization": "Bearer nonsense"})
    await client.get("/v1/accounts/nobody")
    await client.http.aclose()
    await service.stop()
    records = [json.loads(line) for line in log.getvalue().splitlines()]
    return [one for one in records if one["logger"] == "zerosum.logs.requests"]
