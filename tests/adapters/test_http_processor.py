"""The HTTP processor: only what is known is an answer, and everything else is looked up."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from zerosum.adapters.clock import now
from zerosum.adapters.processors import BadCallback, NotSent, ProcessorAnswer, ProcessorOrder, ProcessorOutcome
from zerosum.adapters.processors.http_processor import (
    ANSWER_BYTES_MAX,
    HttpProcessor,
    HttpSettings,
    ProcessorUnclear,
)
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, check_signature, sign

SECRET, OLDER = b"the secret of the processor", b"its older secret, still known"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ORDER = ProcessorOrder(
    key="zs-1", payment_id="pay_1", type="withdrawal", amount="20.00", currency="USD", reference="rent"
)

Reply = Callable[[httpx.Request], httpx.Response]


def processor(reply: Reply, **members: Any) -> HttpProcessor:
    given = {"base_url": "https://acme.example/api", "secrets": (SECRET, OLDER), "timeout_seconds": 1.0, **members}
    return HttpProcessor(HttpSettings(**given), httpx.MockTransport(reply))


def replying(status: int, content: Any) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda _: httpx.Response(status, content=iter([body]))


def test_an_order_is_sent_whole_with_its_key_and_signed() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=iter([b'{"status": "approved"}']))

    processor(reply, pay_path="/v2/transfers", key_header="x-key", headers={"x-client": "we"}).pay(ORDER)
    [request] = seen
    assert (request.method, str(request.url)) == ("POST", "https://acme.example/api/v2/transfers")
    assert (request.headers["x-key"], request.headers["x-client"]) == ("zs-1", "we")
    body = request.read()
    assert json.loads(body) == {
        "key": "zs-1",
        "payment_id": "pay_1",
        "type": "withdrawal",
        "amount": "20.00",
        "currency": "USD",
        "reference": "rent",
    }
    check_signature([SECRET], dict(request.headers), body, now())
    assert "traceparent" not in request.headers


def test_an_order_that_is_part_of_a_trace_names_it() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=iter([b'{"status": "approved"}']))

    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    processor(reply).pay(replace(ORDER, traceparent=traceparent))
    assert seen[0].headers["traceparent"] == traceparent
    assert b"traceparent" not in seen[0].read()


@pytest.mark.parametrize(
    ("status", "content", "answer"),
    [
        (
            200,
            {"status": "approved", "approved": "19.00", "id": "po_1"},
            ProcessorAnswer(outcome=ProcessorOutcome.APPROVED, amount="19.00", processor_payment_id="po_1"),
        ),
        (402, {"status": "declined", "reason": "x"}, ProcessorAnswer(outcome=ProcessorOutcome.DECLINED, reason="x")),
        (202, {"status": "pending"}, ProcessorAnswer(outcome=ProcessorOutcome.PENDING)),
    ],
)
def test_a_status_that_is_known_is_an_answer(status: int, content: Any, answer: ProcessorAnswer) -> None:
    assert processor(replying(status, content)).pay(ORDER) == answer
    assert processor(replying(status, content)).look_up("zs-1") == answer


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, {"status": "paid"}),
        (200, {"state": "approved"}),
        (200, {"status": ["approved"]}),
        (200, {"status": "approved", "approved": 19}),
        (200, ["approved"]),
        (200, b"approved"),
        (200, b"[" * 10_000),
        (500, {"status": "approved"}),
        (503, {"status": "declined"}),
        (400, {"error": "x"}),
        (302, b""),
        (200, b" " * (ANSWER_BYTES_MAX + 1)),
    ],
)
def test_everything_else_is_unclear(status: int, content: Any) -> None:
    with pytest.raises(ProcessorUnclear):
        processor(replying(status, content)).pay(ORDER)


def test_what_a_processor_calls_things_is_a_setting() -> None:
    content = {"state": "paid", "sum": "19.00", "transfer": "t1"}
    made = processor(
        replying(200, content),
        members={"status": "state", "approved": "sum", "id": "transfer"},
        statuses={"approved": ["paid", "done"]},
    )
    answer = ProcessorAnswer(outcome=ProcessorOutcome.APPROVED, amount="19.00", processor_payment_id="t1")
    assert made.pay(ORDER) == answer


def test_a_look_up_that_finds_nothing_says_so_and_a_payment_that_finds_nothing_does_not() -> None:
    made = processor(replying(404, {"error": "not_found"}))
    assert made.look_up("zs-1") == ProcessorAnswer(outcome=ProcessorOutcome.ABSENT)
    with pytest.raises(ProcessorUnclear):
        made.pay(ORDER)


def test_redirects_are_not_followed() -> None:
    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://elsewhere.example/"}, content=iter([b""]))

    with pytest.raises(ProcessorUnclear):
        processor(reply).pay(ORDER)
    assert asked == ["https://acme.example/api/payments"]


CALLBACK = {"event_id": "ev_1", "key": "zs-1", "status": "declined", "reason": "x"}


def called_back(content: Any, secret: bytes = SECRET, at: datetime = NOON, header: str | None = None) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {SIGNATURE_HEADER: header if header is not None else sign(secret, body, at)}
    return processor(replying(200, {})).parse_callback(headers, body, NOON)


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_a_callback_is_believed_by_either_secret(secret: bytes) -> None:
    told = called_back(CALLBACK, secret)
    assert (told.event_id, told.key) == ("ev_1", "zs-1")
    assert told.answer == ProcessorAnswer(outcome=ProcessorOutcome.DECLINED, reason="x")


@pytest.mark.parametrize("seconds", [301, -301])
def test_a_callback_that_is_old_or_of_the_future_is_not(seconds: int) -> None:
    assert called_back(CALLBACK, at=NOON - timedelta(seconds=seconds * 299 / 301)).key == "zs-1"
    with pytest.raises(BadCallback):
        called_back(CALLBACK, at=NOON - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "v1=00",
        "t=1",
        "t=x,v1=00",
        "t=²,v1=00",
        f"t={'9' * 400},v1=00",
        "t=1767355200,v1=é",
        "t=1767355200",
    ],
)
def test_a_header_that_is_no_signature_is_not(header: str) -> None:
    with pytest.raises(BadCallback):
        called_back(CALLBACK, header=header)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        {},
        {**CALLBACK, "event_id": 1},
        {**CALLBACK, "key": None},
        {**CALLBACK, "status": "gone"},
        b"[" * 9999,
    ],
)
def test_what_is_signed_and_says_nothing_is_not_either(content: Any) -> None:
    with pytest.raises(BadCallback):
        called_back(content)


def test_nothing_is_sent_once_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it has given up by then, and others may go by that nothing was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                heard.append(line.recv(4_096))

        def slow(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.5)
            return found(*args, **kwargs)

        found = socket.getaddrinfo
        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        port = listener.getsockname()[1]
        settings = HttpSettings(base_url=f"http://127.0.0.1:{port}", secrets=[SECRET], timeout_seconds=0.2)
        with pytest.raises(NotSent):
            HttpProcessor(settings).pay(ORDER)
        thread.join(5)
    assert heard == [b""]
