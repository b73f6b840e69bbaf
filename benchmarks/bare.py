"""What the web alone costs: a bare FastAPI route and a bare ASGI one that take and give the same JSON, and do nothing.

Same server, same options, same number of processes, same sockets as the service has; no authentication, no database.
"""

from __future__ import annotations

import functools
import gc
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import orjson
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from benchmarks.service import ServiceFailed
from zerosum.cli.listening import listen
from zerosum.cli.processes import GC_THRESHOLDS
from zerosum.embedded.worker import Worker

PROCESSES = 2
"""As many as the machine for which this is meant has processors: the most that bare routes can do."""

READY_SECONDS_MAX = 20.0
PATH = "/v1/payments"

ANSWER: dict[str, Any] = {
    "id": "pay_019a1fc3-2de5-7493-b59e-330d39038927",
    "type": "transfer",
    "status": "succeeded",
    "amount": "1.23",
    "currency": "USD",
    "from": "acc_019a1fc3-2de5-7493-b59e-330d39038927",
    "from_code": "bench:0123456789:00001",
    "to": "acc_019a1fc3-2df9-7517-883b-e78c34b307bb",
    "to_code": "bench:0123456789:00002",
    "reference": "invoice 123",
    "description": None,
    "processor": "internal",
    "refunded": "0.00",
    "disputed": "0.00",
    "journal_entry_ids": ["je_019a1fc3-2de5-7493-b59e-330d39038927"],
    "account_versions": {
        "acc_019a1fc3-2de5-7493-b59e-330d39038927": 101,
        "acc_019a1fc3-2df9-7517-883b-e78c34b307bb": 102,
    },
    "effective_at": "2026-11-21T03:41:00.123456Z",
    "created_at": "2026-11-21T03:41:00.123456Z",
    "metadata": {},
}


class PaymentIn(BaseModel):
    """What the benchmark sends."""

    type: Literal["transfer", "deposit", "withdrawal"]
    amount: str
    currency: str
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None


class PaymentOut(BaseModel):
    """What the service answers."""

    id: str
    type: Literal["transfer", "deposit", "withdrawal"]
    status: str
    amount: str
    currency: str
    from_: str = Field(alias="from")
    from_code: str
    to: str
    to_code: str
    reference: str | None
    description: str | None
    processor: str
    refunded: str
    disputed: str
    journal_entry_ids: list[str]
    account_versions: dict[str, int]
    effective_at: str
    created_at: str
    metadata: dict[str, str]


def fastapi_app() -> Any:
    app = FastAPI(openapi_url=None)

    @app.post(PATH, status_code=201, response_model=PaymentOut)
    async def pay(payment: PaymentIn) -> dict[str, Any]:
        return {**ANSWER, "amount": payment.amount, "reference": payment.reference}

    return app


async def asgi_app(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    payment = orjson.loads(body)
    answer = orjson.dumps({**ANSWER, "amount": payment["amount"], "reference": payment["reference"]})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


APPS: dict[str, Callable[[], Any]] = {"FastAPI": fastapi_app, "raw ASGI": lambda: asgi_app}


@dataclass(frozen=True, slots=True)
class BareServer:
    name: str
    port: int
    pids: tuple[int, ...]


@contextmanager
def running_bare_server(name: str) -> Iterator[BareServer]:
    sockets = listen("127.0.0.1", 0, PROCESSES)
    port = sockets[0].getsockname()[1]
    workers = [Worker(functools.partial(_serve, name, own, sockets), grace_seconds=3.0) for own in sockets]
    try:
        for worker in workers:
            for _ in worker.starting():
                pass
        for listening in sockets:
            listening.close()
        _await_ready(port)
        yield BareServer(name, port, tuple(worker.pid or 0 for worker in workers))
    finally:
        for worker in workers:
            for _ in worker.stopping():
                time.sleep(0.01)


def _serve(name: str, own: socket.socket, sockets: list[socket.socket]) -> int:
    for other in sockets:
        if other is not own:
            other.close()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    config = uvicorn.Config(
        APPS[name](),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[own])
    return 0


def _await_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    body = {"type": "transfer", "amount": "1.23", "currency": "USD", "from": "a", "to": "b", "reference": "r"}
    while time.monotonic() < deadline:
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", json=body, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.05)
            continue
        if answer.status_code == 201:
            return
        raise ServiceFailed(f"a bare server answers {answer.status_code}: {answer.text}")
    raise ServiceFailed("a bare server did not start")
