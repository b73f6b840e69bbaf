"""A ledger behind a running service: its accounts and journal entries over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from zerosum.adapters.service_client import LedgerClient, ServiceAway
from zerosum.domain.errors import AccountExists, AccountNotFound, Unavailable

PAGE_ITEMS = 200
CURRENCY_PAGES_MAX = 100


class JournalClient(LedgerClient):
    expected = (AccountNotFound, AccountExists)

    async def time_zone(self) -> str:
        """Of the credential's own ledger, which is the only one that it sees."""
        seen = (await self._ask("GET", "/v1/ledgers?limit=2"))["data"]
        if len(seen) != 1:
            raise ServiceAway("the credential sees several ledgers: an operator's is not for importing")
        zone: str = seen[0]["time_zone"]
        return zone

    async def places(self) -> dict[str, int]:
        """Of the currencies that the ledger has defined for itself, which a list of all of them begins with."""
        found: dict[str, int] = {}
        path = f"/v1/currencies?limit={PAGE_ITEMS}"
        for _ in range(CURRENCY_PAGES_MAX):
            page = await self._ask("GET", path)
            own = [currency for currency in page["data"] if currency["is_custom"]]
            found |= {currency["code"]: currency["exponent"] for currency in own}
            if len(own) < len(page["data"]) or page["next_cursor"] is None:
                break
            path = f"/v1/currencies?limit={PAGE_ITEMS}&cursor={page['next_cursor']}"
        return found

    async def account(self, code: str) -> dict[str, Any]:
        """Raises AccountNotFound."""
        return await self._ask("GET", f"/v1/accounts/{quote(code, safe='')}")

    async def define(self, code: str, places: int) -> None:
        await self._ask("POST", "/v1/currencies", {"code": code, "exponent": places})

    async def open(self, body: Mapping[str, Any]) -> None:
        """Raises AccountExists."""
        await self._ask("POST", "/v1/accounts", body)

    async def post(self, items: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, str, bool]]:
        """Of each item the code of its refusal, or None, why, and whether it was answered before."""
        results = (await self._ask("POST", "/v1/journal-entries/bulk", {"items": list(items)}))["results"]
        told: list[tuple[str | None, str, bool]] = []
        for result in results:
            problem = result.get("problem")
            if problem is not None and problem["retryable"]:
                raise Unavailable(problem["detail"], retry_after=1)
            code, detail = (None, "") if problem is None else (problem["code"], problem["detail"])
            told.append((code, detail, bool(result.get("replayed"))))
        return told
