"""Spans without a service: collectors that are away, batches, logs, and no trace of tracing where it is off."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.gateway.ground import MONEY, Ground
from tests.tracing.collector import attributes, collecting
from zerosum.domain.errors import InternalError, Unavailable
from zerosum.domain.traces import TraceOrigin, origin_now
from zerosum.gateway.request_state import RequestState
from zerosum.logs.setting_up import log_formatter
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.committing.work import Work
from zerosum.tracing import export
from zerosum.tracing.batches import LINKS_MAX, BatchTracing
from zerosum.tracing.export import QUEUE_MAX, SEND_MAX
from zerosum.tracing.requests import RequestTracing as Tracing
from zerosum.tracing.told import beginning

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())


async def nothing(*_: Any) -> None:
    """Neither brings nor takes."""


def exchange(path: str = "/x", **scope: Any) -> RequestState:
    return RequestState({"method": "GET", "path": path, "headers": (), **scope}, nothing, nothing)


def request(tracing: Tracing, path: str = "/x", status: int = 200) -> TraceOrigin | None:
    """The span of a whole request."""
    made = exchange(path)
    trace = tracing.begin_request(made)
    assert trace is not None
    trace.enter()
    origin = origin_now()
    trace.leave()
    made.status = status
    trace.end()
    return origin


def work(*origins: TraceOrigin | None) -> Work:
    return Work((), False, asyncio.get_running_loop().create_future(), 0.0, UnknownKeys(), origins)


def ended(tracing: Tracing) -> None:
    """Waits for what the end of a process would not."""
    for thread in threading.enumerate():
        if thread.name == export.THREAD:
            thread.join(10)
    assert not tracing.exporter._waiting


def of_the_exporter(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Without what a service of other tests says meanwhile, in this process."""
    return [record for record in caplog.records if record.name == export.__name__]


# --- Collectors ------------------------------------------------------------------------------------------------------


async def test_a_collector_that_refuses_is_told_once_and_once_more_when_it_takes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with collecting() as collector:
        collector.status = 400
        tracing = Tracing(collector.url, 1.0)
        tracing.start()
        for times in range(1, 4):
            for _ in range(SEND_MAX):
                request(tracing)
            while tracing.exporter.lost < times * SEND_MAX:
                await asyncio.sleep(0.005)
        collector.status = 200
        request(tracing)
        await tracing.stop()
    assert len(collector.spans) == 1
    assert (tracing.exporter.exported, tracing.exporter.lost) == (1, 3 * SEND_MAX)
    warned, relieved = of_the_exporter(caplog)
    assert (warned.levelname, relieved.levelname) == ("WARNING", "INFO")
    assert "does not take traces" in warned.getMessage()
    assert "400" in warned.getMessage()
    assert "again" in relieved.getMessage()


async def test_a_collector_that_is_not_there_slows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        tracing = Tracing(f"http://127.0.0.1:{nobody.getsockname()[1]}", 1.0, flush_seconds=0.05)
        tracing.start()
        for _ in range(QUEUE_MAX + SEND_MAX + 1):
            request(tracing)
        while not tracing.exporter._reason.text:
            await asyncio.sleep(0.005)
        begun = time.monotonic()
        await tracing.stop()
        assert time.monotonic() - begun < 2.0
        ended(tracing)
    assert [record.levelname for record in of_the_exporter(caplog)] == ["WARNING"]
    assert "Connection refused" in caplog.text
    assert tracing.exporter.lost == QUEUE_MAX + SEND_MAX + 1, "those that were pushed out are among them"
    assert tracing.exporter.exported == 0


async def test_a_collector_that_never_answers_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracing = Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0, flush_seconds=0.05)
        tracing.start()
        request(tracing)
        begun = time.monotonic()
        await tracing.stop()
        assert time.monotonic() - begun < 2.0
    ended(tracing)
    assert len(of_the_exporter(caplog)) <= 1


async def test_what_was_never_started_can_be_stopped() -> None:
    await Tracing("http://127.0.0.1:1", 1.0).stop()


async def test_an_address_may_name_the_path_itself() -> None:
    with collecting() as collector:
        tracing = Tracing(f"{collector.url}/v1/traces", 1.0)
        tracing.start()
        request(tracing)
        await tracing.stop()
    assert collector.paths == ["/v1/traces"]


# --- Spans -----------------------------------------------------------------------------------------------------------


async def test_a_batch_names_so_many_of_its_requests_and_says_how_many_there_were() -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url, 1.0)
        tracing.start()
        origins = [request(tracing) for _ in range(LINKS_MAX + 1)]
        works = [*(work(origin) for origin in (*origins, origins[0], None)), work()]
        with tracing._batches.batch(works):
            works[1].refuse(Unavailable("x"))
            works[2].answer.cancel()
        await tracing.stop()
        assert works[1].answer.exception() is not None
    (batch,) = collector.batches
    assert [link.span_id for link in batch.links] == [span.span_id for span in collector.requests[:LINKS_MAX]]
    assert attributes(batch) == {
        "zerosum.batch.commands": 0,
        "zerosum.batch.works": LINKS_MAX + 4,
        "zerosum.batch.failed_works": 1,
    }
    assert batch.status.code == Status.STATUS_CODE_ERROR


async def test_a_fault_in_telling_costs_no_batch(caplog: pytest.LogCaptureFixture) -> None:
    def tell(written: bytes, spans: int = 1) -> None:
        raise ValueError

    batches, one = BatchTracing(tell), work(beginning())
    with batches.batch([one]):
        end = batches.tell_commit("commit")
        end(False)
    assert not one.answer.done()
    assert [record.message for record in caplog.records] == ["a span could not be told"] * 2


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_of_a_head_that_brings_no_trace_nobody_who_is_not_drawn_is_told(ratio: float) -> None:
    """Not even its heads are read again."""
    made = exchange(headers=[PARENT])
    made.brings_trace = False
    trace = Tracing("http://127.0.0.1:1", ratio).begin_request(made)
    assert ((trace is not None), made.is_recorded, made.trace_id != "") == (bool(ratio),) * 3
    assert made.trace_id != TRACE


async def test_what_a_caller_names_itself_cannot_spoil_the_message() -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url, 1.0)
        tracing.start()
        request(tracing, "/\udcff" + "x" * 5000)
        request(tracing, status=0)
        await tracing.stop()
    odd, unanswered = collector.requests
    assert "url.path" not in attributes(odd)
    assert (attributes(unanswered)["error.type"], unanswered.status.code) == ("unanswered", Status.STATUS_CODE_ERROR)


async def test_a_request_that_is_given_up_is_over_too() -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url, 1.0)
        tracing.start()
        ground = Ground(takes_forever=True, begin_trace=tracing.begin_request)
        running = asyncio.create_task(ground.ask("POST", "/slow/pay", MONEY, b"{}"))
        while not ground.admission.in_flight:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await tracing.stop()
    (span,) = collector.requests
    assert attributes(span)["error.type"] == "unanswered"


# --- Logs ------------------------------------------------------------------------------------------------------------


async def logged(ground: Ground, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """The log records of one request, as they are written."""
    stream = io.StringIO()
    writer = logging.StreamHandler(stream)
    writer.setFormatter(log_formatter("json"))
    logging.getLogger("zerosum").addHandler(writer)
    try:
        await ground.ask("POST", "/pay", [*MONEY, *headers], b"{}")
    finally:
        logging.getLogger("zerosum").removeHandler(writer)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Failing(Ground):
    error: Exception = RuntimeError("a secret of ours")

    async def endpoint(self, call: Any) -> Any:
        logging.getLogger("zerosum.elsewhere").warning("on the way")
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("x"), InternalError("The command could not be carried out.")])
async def test_a_request_that_failed_is_logged_with_the_trace_it_was_given(error: Exception) -> None:
    ground = Failing()
    ground.error = error
    for said in await logged(ground, [PARENT]):
        assert (said["trace_id"], said["request_id"]) == (TRACE, "made-here")
    _, failed = await logged(ground, [(b"traceparent", b"nonsense"), (b"x-request-id", b"zsk_mine")])
    assert "trace_id" not in failed
    assert failed["request_id"] == "***"


async def test_all_that_is_logged_for_a_request_names_it() -> None:
    for headers, ratio in (([PARENT], 0.0), ([], 1.0), ([], 0.0), ([], None)):
        begin_trace = None if ratio is None else Tracing("http://127.0.0.1:1", ratio).begin_request
        records = await logged(Failing(begin_trace=begin_trace), headers)
        assert len(records) == 2
        assert {record["request_id"] for record in records} == {"made-here"}
        (trace_id,) = {record.get("trace_id") for record in records}
        assert (trace_id == TRACE) is bool(headers)
        assert (trace_id is None) is (not headers and not ratio), "nobody could look up what nobody collects"


# --- Off -------------------------------------------------------------------------------------------------------------

# The framework and the Redis library load OpenTelemetry's interface and metrics whether we want them or not; traces
# and all that sends them is ours to load.
BUILD = """
import base64, sys
from zerosum.config import load_settings
from zerosum.main import Service
secret = base64.b64encode(bytes(32)).decode()
service = Service(load_settings(
    database_url="postgresql://x@127.0.0.1:1/x", api_key_pepper=secret, cursor_secret=secret, master_keys=f"a:{secret}",
))
import fastapi.telemetry._runtime  # what the framework loads when it starts
assert service.tracing is None and service.app._begin_trace is None
of_traces = ("zerosum.tracing", "opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "requests")
print([name for name in sys.modules if name.startswith(of_traces)])
"""


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    said = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
