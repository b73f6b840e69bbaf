"""A ledger behind a running service: clients' transactions over HTTP, in bulk calls."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from zerosum.adapters.service_client import ServiceAway, service_address
from zerosum.domain.errors import ImportDiffers, Unavailable

SECONDS_MAX = 30.0


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


class TransactionsClient:
    """`connect` and `close`, or use it as a context. Every call may be repeated: the service knows the keys."""

    def __init__(self, base_url: str, token: str) -> None:
        """Raises ValueError for an address that is none and a token that cannot be one, in one clear line."""
        if not (token.isascii() and token.isprintable()):
            raise ValueError("the token holds characters that no token has")
        self._http = httpx.AsyncClient(
            base_url=service_address(base_url),
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS_MAX,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def begin(self, name: str, content_sha256: str) -> None:
        """Raises ImportDiffers, ServiceAway for what is not taken at all, Unavailable for what can be tried again."""
        await self._post("/v1/imports", {"name": name, "sha256": content_sha256})

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
        results = (await self._post("/v1/transactions/bulk", body))["results"]
        return [
            (None if result["status"] == 201 else result["problem"]["code"], bool(result.get("replayed")))
            for result in results
        ]

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._http.post(path, json=body)
            content: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"The service does not answer ({type(error).__name__}).", retry_after=1) from None
        if answer.is_success:
            return content
        detail = str(content.get("detail") or answer.reason_phrase)
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable(detail, retry_after=1)
        if content.get("code") == ImportDiffers.code:
            raise ImportDiffers(detail)
        raise ServiceAway(f"the service answers {answer.status_code}: {detail}")
