"""The outside record of a campaign: what was sent and what was answered, kept where no crash of the service reaches.

`ok` is a 2xx fully received; `fail` a 4xx or 503, which promise that nothing was done; everything else is indefinite
and is asked again with its key until it is definite.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.committer.ground import assert_books_are_right

DEFINITE_FAILURES = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429, 503})
ATTEMPTS_MAX = 200


@dataclass
class Operation:
    """One payment that was meant to be made."""

    key: str
    payer: str
    payee: str
    amount: str
    outcome: str = "unsent"
    payment_id: str | None = None


@dataclass
class Campaign:
    """Callers that keep paying, a record of every word, and the verdict."""

    base_url: str
    headers: dict[str, str]
    record_path: Path
    accounts: list[str]
    operations: list[Operation] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def pay_until_stopped(self, callers: int, seed: int) -> None:
        await asyncio.gather(*(self._caller(number, random.Random(seed + number)) for number in range(callers)))

    async def settle(self) -> int:
        """Ask again for everything that is not definite; how many there were."""
        open_ones = [operation for operation in self.operations if operation.outcome not in ("ok", "fail")]
        async with self._client() as client:
            for operation in open_ones:
                for _ in range(ATTEMPTS_MAX):
                    await self._send(client, operation)
                    if operation.outcome in ("ok", "fail"):
                        break
                    await asyncio.sleep(0.1)
                assert operation.outcome in ("ok", "fail"), f"{operation.key} stays {operation.outcome}"
        return len(open_ones)

    async def judge(self, superuser: asyncpg.Connection[asyncpg.Record], ledger_id: Any) -> dict[str, int]:
        """Acknowledged means there, once, as it was sent; refused means not there; nothing else is there."""
        rows = await superuser.fetch(
            "select entry.idempotency_key as key, payment.id, payment.amount::text, payer.code as payer, "
            "payee.code as payee from payments payment "
            "join journal_entries entry on entry.ledger_id = payment.ledger_id and entry.id = payment.id "
            "join accounts payer on payer.id = payment.payer_id join accounts payee on payee.id = payment.payee_id "
            "where payment.ledger_id = $1 and entry.idempotency_key like 'campaign-%'",
            ledger_id,
        )
        stored = {row["key"]: row for row in rows}
        assert len(stored) == len(rows), "a key has two payments"
        sent = {operation.key: operation for operation in self.operations}
        assert set(stored) <= set(sent), "a payment nobody asked for"
        for operation in self.operations:
            row = stored.get(operation.key)
            if operation.outcome == "fail":
                assert row is None, f"{operation.key} was refused and is there"
                continue
            assert row is not None, f"{operation.key} was acknowledged and is lost"
            found = (f"pay_{row['id']}", row["amount"], row["payer"], row["payee"])
            assert found == (operation.payment_id, operation.amount, operation.payer, operation.payee)
        await assert_books_are_right(superuser, ledger_id)
        return {
            "operations": len(self.operations),
            "acknowledged": sum(operation.outcome == "ok" for operation in self.operations),
            "refused": sum(operation.outcome == "fail" for operation in self.operations),
        }

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.base_url, headers=self.headers, timeout=10.0, trust_env=False, verify=False
        )

    async def _caller(self, number: int, generator: random.Random) -> None:
        client = self._client()
        try:
            for index in range(1_000_000):
                if self.stop.is_set():
                    return
                payer, payee = generator.sample(self.accounts, 2)
                operation = Operation(
                    f"campaign-{number}-{index}", payer, payee, f"0.{generator.randrange(1, 100):02d}"
                )
                self.operations.append(operation)
                self._note(operation)
                await self._send(client, operation)
                self._note(operation)
        finally:
            await client.aclose()

    async def _send(self, client: httpx.AsyncClient, operation: Operation) -> None:
        body = {
            "type": "transfer",
            "amount": operation.amount,
            "currency": "USD",
            "from": operation.payer,
            "to": operation.payee,
        }
        try:
            answer = await client.post("/v1/payments", json=body, headers={"Idempotency-Key": operation.key})
        except httpx.HTTPError:
            operation.outcome = "indefinite"
            return
        if answer.status_code == 201:
            operation.outcome, operation.payment_id = "ok", answer.json()["id"]
        else:
            operation.outcome = "fail" if answer.status_code in DEFINITE_FAILURES else "indefinite"

    def _note(self, operation: Operation) -> None:
        with self.record_path.open("a") as record:
            record.write(json.dumps(vars(operation)) + "\n")


async def prepared_accounts(base_url: str, headers: dict[str, str], number: int) -> list[str]:
    codes = [f"campaign:{index}" for index in range(number)]
    async with httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, verify=False) as client:
        for code in codes:
            body = {"code": code, "currency": "USD", "type": "liability", "min_available": None}
            answer = await client.post("/v1/accounts", json=body)
            assert answer.status_code == 201, answer.text
    return codes
