"""Callers that pay and look, and keep when each of their calls began, when it ended, and what it showed."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from tests.campaigns.wire import Answer, CutOff, NotTaken, Wire
from tests.histories.history import Operation

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Totals: TypeAlias = tuple[Decimal, Decimal]

READS_OF_TEN = 4
SNAPSHOT_SECONDS = 0.1
TRIES_MAX = 400
AGAIN_SECONDS = 0.05
UNDECIDED = frozenset({409, 500, 503, 504})
"""Asked again with the same key. 500 is not: it fails the campaign by being none of the others."""


@dataclass
class Balance:
    """As it was shown."""

    began: float
    ended: float
    account: str
    version: int
    posted: Decimal


@dataclass
class Snapshot:
    """The totals of all accounts, as of one instant."""

    began: float
    ended: float
    totals: dict[str, Totals]


@dataclass
class Callers:
    """Each on a connection of its own. What they saw is judged when all is over."""

    base_url: str
    api_key: str
    accounts: Sequence[str]
    prefix: str
    paid: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When a payment was asked for first, and when it was acknowledged, by its key."""
    balances: list[Balance] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    async def run(self, number: int, callers: int) -> None:
        """So many calls in all, and snapshots of the whole ledger meanwhile."""
        left = itertools.islice(itertools.count(), number)
        looking = asyncio.ensure_future(self._look())
        try:
            await asyncio.gather(*(self._call(left, random.Random(seed)) for seed in range(callers)))
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def history(self, superuser: Superuser, ledger_id: UUID) -> list[Operation]:
        """With the versions that the books have of what was paid; all that was shown is held against them."""
        rows = await superuser.fetch(
            "select entry.idempotency_key as key, account.code, posting.account_version as version, "
            "posting.balance_after as balance, posting.amount, posting.side::text as side from postings posting "
            "join journal_entries entry on entry.ledger_id = posting.ledger_id and entry.id = posting.entry_id "
            "join accounts account on account.ledger_id = posting.ledger_id and account.id = posting.account_id "
            "where posting.ledger_id = $1 and account.code = any($2::text[]) order by account.code, version",
            ledger_id,
            list(self.accounts),
        )
        wrote: dict[str, dict[str, int]] = defaultdict(dict)
        books = _Books()
        for row in rows:
            wrote[row["key"]][row["code"]] = row["version"]
            books.add(row)
        assert self.paid.keys() == wrote.keys(), self.paid.keys() ^ wrote.keys()
        history = [Operation(key, *span, wrote=wrote[key]) for key, span in self.paid.items()]
        for balance in self.balances:
            assert books.balance(balance.account, balance.version) == balance.posted, balance
            history.append(Operation("look", balance.began, balance.ended, saw={balance.account: balance.version}))
        for shot in self.snapshots:
            saw = {account: books.version(account, totals) for account, totals in shot.totals.items()}
            history.append(Operation("snapshot", shot.began, shot.ended, saw=saw))
        return history

    async def _call(self, left: Iterator[int], chance: random.Random) -> None:
        with closing(Wire(self.base_url, self.api_key)) as wire:
            for number in left:
                if chance.randrange(10) < READS_OF_TEN:
                    await self._read(wire, chance.choice(self.accounts))
                else:
                    await self._pay(wire, chance, f"{self.prefix}{number}")

    async def _pay(self, wire: Wire, chance: random.Random, key: str) -> None:
        payer, payee = chance.sample(self.accounts, 2)
        amount = f"0.{chance.randrange(1, 100):02}"
        began = time.perf_counter()
        for _ in range(TRIES_MAX):
            answer = await _asked(wire.pay(payer, payee, amount, key))
            if answer is not None and answer.status not in UNDECIDED:
                assert answer.status == 201, answer.content
                self.paid[key] = began, time.perf_counter()
                return
            await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError(f"{key} stays undecided")

    async def _read(self, wire: Wire, account: str) -> None:
        began = time.perf_counter()
        answer = await _asked(wire.ask("GET", f"/v1/accounts/{account}/balance"))
        if answer is not None and answer.status == 200:
            said = answer.content
            shown = Balance(began, time.perf_counter(), account, said["version"], Decimal(said["posted"]))
            self.balances.append(shown)

    async def _look(self) -> None:
        with closing(Wire(self.base_url, self.api_key)) as wire:
            while True:
                began = time.perf_counter()
                answer = await _asked(wire.ask("GET", "/v1/trial-balance?limit=200"))
                if answer is not None and answer.status == 200:
                    self._keep(answer.content, began)
                await asyncio.sleep(SNAPSHOT_SECONDS)

    def _keep(self, said: Any, began: float) -> None:
        assert not said["has_more"]
        assert {one["difference"] for one in said["currencies"]} == {"0.00"}, said["currencies"]
        totals = {one["code"]: (Decimal(one["debits"]), Decimal(one["credits"])) for one in said["accounts"]}
        shown = {account: totals[account] for account in self.accounts}
        self.snapshots.append(Snapshot(began, time.perf_counter(), shown))


class _Books:
    """What stands in PostgreSQL when all is over, of each account and version."""

    def __init__(self) -> None:
        self._balances: dict[tuple[str, int], Decimal] = {}
        self._versions: dict[tuple[str, Totals], int] = {}
        self._totals: dict[str, Totals] = defaultdict(lambda: (Decimal(), Decimal()))

    def add(self, row: Any) -> None:
        account, version = row["code"], row["version"]
        debited, credited = self._totals[account]
        now = (debited + row["amount"], credited) if row["side"] == "d" else (debited, credited + row["amount"])
        self._totals[account] = now
        self._balances[account, version] = row["balance"]
        self._versions[account, now] = version

    def balance(self, account: str, version: int) -> Decimal:
        return self._balances[account, version] if version else Decimal()

    def version(self, account: str, totals: Totals) -> int:
        """Totals only ever grow, so they tell it."""
        return self._versions[account, totals] if any(totals) else 0


async def _asked(asking: Any) -> Answer | None:
    """None where the connection was lost, or there was none to be had."""
    try:
        answer: Answer = await asking
    except (CutOff, NotTaken):
        return None
    return answer
