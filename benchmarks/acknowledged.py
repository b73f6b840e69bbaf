"""Payments whose acknowledgements are written down as they come: what must be there again afterwards."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx

from zerosum.adapters.clock import now
from zerosum.cli.installation import Credentials
from zerosum.domain.identifiers import Prefix, parse_id

TIMEOUT_SECONDS = 10.0
ACCOUNT = {"type": "liability", "currency": "USD"}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    payment_id: UUID
    asked_at: datetime
    answered_at: datetime


@contextmanager
def paying(credentials: Credentials, connections: int) -> Iterator[list[Acknowledged]]:
    """So many pay one after another, in a thread of their own, until the service is gone or the block ends."""
    paid: list[Acknowledged] = []
    is_over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_pay(credentials, connections, paid, is_over)), daemon=True)
    thread.start()
    try:
        yield paid
    finally:
        is_over.set()
        thread.join()


async def _pay(credentials: Credentials, connections: int, paid: list[Acknowledged], is_over: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {credentials.api_key}"}
    async with httpx.AsyncClient(
        base_url=credentials.base_url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as client:
        codes = [f"drill:{secrets.token_hex(4)}" for _ in range(connections)]
        for code in codes:
            answer = await client.post("/v1/accounts", json={**ACCOUNT, "code": code}, headers=_key())
            answer.raise_for_status()
        await asyncio.gather(*(_pay_into(client, code, paid, is_over) for code in codes))


async def _pay_into(client: httpx.AsyncClient, code: str, paid: list[Acknowledged], is_over: threading.Event) -> None:
    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": code}
    while not is_over.is_set():
        asked_at = now()
        try:
            answer = await client.post("/v1/payments", json=body, headers=_key())
        except httpx.HTTPError:
            return
        if answer.status_code == httpx.codes.CREATED:
            payment_id = parse_id(Prefix.PAYMENT, answer.json()["id"])
            paid.append(Acknowledged(payment_id, asked_at, now()))


def _key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16)}
