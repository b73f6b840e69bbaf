"""python -m benchmarks.walk (or `make walk`): the way of one payment, from the socket to its answer.

The service runs in this process, warm, with servers of its own. Of several payments, one at a time over a socket, the
shortest way is told: each file and function of `zerosum` in the order in which it is first met.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
import uvicorn
import uvloop

import zerosum
from benchmarks.service import DATABASE, fresh_folder, running_service
from benchmarks.service import Service as Servers
from zerosum.config import Settings, load_settings
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.server.guarded_server import GuardedServer
from zerosum.gateway.server_options import server_options
from zerosum.main import Service

ROOT = str(Path(zerosum.__file__).parent) + "/"
FILES_MAX = 25
FUNCTIONS_MAX = 90
WARM_UPS = 200
WALKS = 20


class PaymentFailed(Exception):
    """What was walked was no payment."""


@dataclass(slots=True)
class Walk:
    """Each call of a function of `zerosum`, in order. A coroutine that goes on is called again."""

    calls: list[CodeType] = field(default_factory=list)
    is_on: bool = False

    def hear(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # Comprehensions are part of the function that has them.
        if self.is_on and event == "call" and code.co_filename.startswith(ROOT) and not code.co_name.startswith("<"):
            self.calls.append(code)

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(code.co_filename.removeprefix(ROOT) for code in self.calls))

    @property
    def functions(self) -> list[CodeType]:
        return list(dict.fromkeys(self.calls))

    @property
    def switches(self) -> int:
        return sum(one.co_filename != other.co_filename for one, other in pairwise(self.calls))

    def told(self) -> Iterator[str]:
        last = ""
        for code in self.functions:
            file = code.co_filename.removeprefix(ROOT)
            if file != last:
                yield file
            yield f"    {code.co_qualname}:{code.co_firstlineno}"
            last = file
        yield f"{len(self.files)} files (wanted: {FILES_MAX}), {len(self.functions)} functions ({FUNCTIONS_MAX}), "
        yield f"{len(self.calls)} calls, {self.switches} switches between files"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="end with 1 where the way is longer than wanted")
    options = parser.parse_args()
    with fresh_folder() as folder, running_service(folder) as servers:
        walk = uvloop.run(_shortest(servers))
    print(*walk.told(), sep="\n")
    is_short = len(walk.files) <= FILES_MAX and len(walk.functions) <= FUNCTIONS_MAX
    return 1 if options.check and not is_short else 0


async def _shortest(servers: Servers) -> Walk:
    """What else the process does now and then is not a part of the way. Only the thread of the loop is heard."""
    async with served(servers) as (service, _, port):
        ledger = await service.services.ledgers.create("walk")
        _, key = await service.services.api_keys.create(
            LedgerId(ledger.id), "walk", ["accounts:write", "payments:write", "accounts:read", "payments:read"]
        )
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            await _open_accounts(client)
            for _ in range(WARM_UPS):
                await _pay(client)
            return min([await _walked(client) for _ in range(WALKS)], key=lambda walk: len(walk.functions))


async def _walked(client: httpx.AsyncClient) -> Walk:
    walk = Walk(is_on=True)
    sys.setprofile(walk.hear)
    try:
        await _pay(client)
    finally:
        sys.setprofile(None)
    return walk


async def _open_accounts(client: httpx.AsyncClient) -> None:
    for code in ("walk:payer", "walk:payee"):
        body = {"code": code, "currency": "USD", "type": "asset", "min_available": None}
        answer = await client.post("/v1/accounts", json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
        if answer.status_code != 201:
            raise PaymentFailed(answer.text)


async def _pay(client: httpx.AsyncClient) -> None:
    body = {"type": "transfer", "amount": "1.00", "currency": "USD", "from": "walk:payer", "to": "walk:payee"}
    answer = await client.post("/v1/payments", json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    if answer.status_code != 201:
        raise PaymentFailed(answer.text)


@contextlib.asynccontextmanager
async def served(servers: Servers, **settings: Any) -> AsyncIterator[tuple[Service, GuardedServer, int]]:
    """The service of this process, and the port on which it listens meanwhile."""
    service = Service(_settings(servers, **settings))
    await service.start()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    options: dict[str, Any] = server_options(lifespan="off")
    server = GuardedServer(uvicorn.Config(service.app, **options), service.connections)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield service, server, listening.getsockname()[1]
    server.should_exit = True
    await serving
    await service.stop()


def _settings(servers: Servers, **settings: Any) -> Settings:
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return load_settings(
        database_url=servers.dsn(DATABASE),
        redis_url=servers.redis_url,
        api_key_pepper=secret,
        cursor_secret=secret,
        master_keys=f"walk:{secret}",
        **settings,
    )


if __name__ == "__main__":
    sys.exit(main())
