"""A ledger behind a running service: clients' transactions over HTTP, in bulk calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zerosum.adapters.service_client import LedgerClient
from zerosum.domain.errors import ImportDiffers


class SentItem(Protocol):
    """What is sent of one transaction."""

    @property
    def key(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def client(self) -> int: ...
    @property
    def tx(self) -> int: ...
    @property
    def amount(self) -> str | None: ...


class TransactionsClient(LedgerClient):
    """Every call may be repeated: the service knows the keys."""

    expected = (ImportDiffers,)

    async def begin(self, name: str, content_sha256: str) -> None:
        """Raises ImportDiffers, ServiceAway for what is not taken at all, Unavailable for what can be tried again."""
        await self._ask("POST", "/v1/imports", {"name": name, "sha256": content_sha256})

    async def send(self, items: Sequence[SentItem], *, refuse_negative_total: bool) -> list[tuple[str | None, bool]]:
        """Of each item the code of its refusal, or None, and whether it was answered before. Raises as `begin`."""
        more = {"refuse_negative_total": True} if refuse_negative_total else {}
        body = {
            "items": [
                {
                    "type": item.type,
                    "client": item.client,
                    "tx": item.tx,
                    "amount": item.amount,
                    "idempotency_key": item.key,
                    **(more if item.type == "chargeback" else {}),
                }
                for item in items
            ]
        }
        results = (await self._ask("POST", "/v1/transactions/bulk", body))["results"]
        return [
            (None if result["status"] == 201 else result["problem"]["code"], bool(result.get("replayed")))
            for result in results
        ]
