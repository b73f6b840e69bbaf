"""The accounts of one run, and what the ledger says of them afterwards: a benchmark that loses money has failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from zerosum.cli.load.generator import run_load
from zerosum.cli.load.payments import Target, count_bulk
from zerosum.cli.load.plan import LoadFailed, Plan

OPENING_CONNECTIONS = 8
FUNDING_ITEMS = 200
FUNDING_TRIES_MAX = 5
FUNDS = Decimal("1000000000.00")
"""What each account begins with: no run pays that much out of one."""

PAGE = 200
ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger says after a run. `payments` are those of this run."""

    payments: int
    money_missing: Decimal
    """What the run's accounts should hold, less what they do hold."""
    trial_balance_differences: Mapping[str, str]
    """By currency; everything in them should be zero."""

    @property
    def balance(self) -> bool:
        is_even = all(Decimal(text) == 0 for text in self.trial_balance_differences.values())
        return is_even and self.money_missing == 0


class BenchLedger:
    """Opens the accounts of a run, `bench:<run>:00000` and on, and looks at them when it is over."""

    def __init__(self, plan: Plan, target: Target, client: httpx.AsyncClient, accounts: int) -> None:
        self._plan = plan
        self._target = target
        self._client = client
        self._prefix = f"bench:{target.key_prefix}:"
        self.codes = [f"{self._prefix}{number:05}" for number in range(accounts)]

    async def open(self) -> None:
        """Raises LoadFailed."""
        accounts = [
            {"code": code, "currency": self._target.currency, "type": "liability", "name": "Benchmark"}
            for code in self.codes
        ]
        await self._send("/v1/accounts", accounts, expected=len(accounts))
        deposits = [
            {
                "type": "deposit",
                "amount": str(FUNDS),
                "currency": self._target.currency,
                "to": code,
                "idempotency_key": f"{self._target.key_prefix}-funds-{number}",
            }
            for number, code in enumerate(self.codes)
        ]
        calls = [{"items": deposits[first : first + FUNDING_ITEMS]} for first in range(0, len(deposits), FUNDING_ITEMS)]
        for attempt in range(1, FUNDING_TRIES_MAX + 1):
            try:
                await self._send("/v1/payments/bulk", calls, expected=len(deposits), counts_items=True)
                break
            except LoadFailed:  # of a busy machine: what was done is replayed by its key
                if attempt == FUNDING_TRIES_MAX:
                    raise

    async def books(self) -> Books:
        """Once nothing is under way any more."""
        versions, held = 0, Decimal(0)
        async for account in self._accounts():
            versions += account["version"]
            held += Decimal(account["balance"]["posted"])
        trial_balance = await self._get("/v1/trial-balance", {"limit": "1"})
        postings_of_payments = versions - len(self.codes)  # One of each account's postings is its funding.
        return Books(
            payments=postings_of_payments // 2,
            money_missing=FUNDS * len(self.codes) - held,
            trial_balance_differences={item["currency"]: item["difference"] for item in trial_balance["currencies"]},
        )

    async def _accounts(self) -> Any:
        parameters = {"code_prefix": self._prefix, "limit": str(PAGE)}
        while True:
            page = await self._get("/v1/accounts", parameters)
            for account in page["data"]:
                yield account
            if not page["has_more"]:
                return
            parameters = {**parameters, "cursor": page["next_cursor"]}

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        try:
            answer = await self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise LoadFailed(f"GET {path}: {error or type(error).__name__}") from None
        if answer.status_code != 200:
            raise LoadFailed(f"GET {path} was answered {answer.status_code}: {_detail(answer)}")
        return answer.json()

    async def _send(
        self, path: str, bodies: Sequence[Mapping[str, Any]], *, expected: int, counts_items: bool = False
    ) -> None:
        plan = Plan(
            host=self._plan.host,
            port=self._plan.port,
            tls=self._plan.tls,
            connections=min(OPENING_CONNECTIONS, len(bodies)),
            requests=len(bodies),
            answer_seconds_max=ANSWER_SECONDS_MAX,
        )
        requests = _posts(self._target, path, bodies)
        report = await (run_load(plan, requests, acknowledged=count_bulk) if counts_items else run_load(plan, requests))
        if report.acknowledged != expected:
            answers = f"answers: {dict(report.statuses)} {dict(report.failures) or ''}"
            raise LoadFailed(f"POST {path}: {report.acknowledged} of {expected} done; {answers}")


def _posts(target: Target, path: str, bodies: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    head = target.head("POST", path) + "Content-Type: application/json\r\n"
    for content in bodies:
        body = json.dumps(content).encode()
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except (ValueError, AttributeError):
        return answer.text[:200]
