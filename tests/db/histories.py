"""Histories of accounts, made up and written as they would lie in the journal, and what they naively add up to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tests.db.servers import Connection
from zerosum.db.identifiers import new_uuid
from zerosum.domain.ledger.entry import EFFECTIVE_AHEAD_MAX

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
COLUMNS = (
    "ledger_id", "account_id", "account_version", "entry_id", "effective_at", "posted_at", "place", "side", "layer",
    "releases", "currency", "amount", "balance_after", "held_after", "hash",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a history is like. `grain` lies between two postings: with zero all are written at one instant."""

    type: str = "liability"
    currency: str = "USD"
    number: int = 30
    dated: float = 0.0
    held: float = 0.0
    grain: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Line:
    version: int
    effective_at: datetime
    posted_at: datetime
    side: str
    layer: str
    releases: bool
    amount: Decimal
    balance_after: Decimal
    held_after: Decimal


@dataclass(slots=True)
class History:
    """One account. Its lines grow; `posted_at` never goes back."""

    ledger_id: UUID
    shape: Shape
    chance: random.Random
    account_id: UUID = field(default_factory=new_uuid)
    lines: list[Line] = field(default_factory=list)

    @property
    def outgoing(self) -> str:
        return "c" if self.shape.type in ("asset", "expense") else "d"

    def grow(self, number: int) -> list[Line]:
        new = []
        for _ in range(number):
            new.append(self._next())
            self.lines.append(new[-1])
        return new

    def _next(self) -> Line:
        last = self.lines[-1] if self.lines else None
        posted_at = (last.posted_at if last else BEGINNING) + self.shape.grain * self.chance.choice((0, 1, 1, 2))
        balance, held = (last.balance_after, last.held_after) if last else (Decimal(0), Decimal(0))
        amount = Decimal(self.chance.randint(1, 9_999))
        if self.shape.currency != "JPY":
            amount /= 100
        is_held = self.chance.random() < self.shape.held
        side = self.chance.choice("dc")
        releases = False
        if is_held:
            releases = side == self.outgoing and held >= amount and self.chance.random() < 0.5
            held += (-amount if releases else amount) if side == self.outgoing else 0
        else:
            balance += -amount if side == self.outgoing else amount
        version = len(self.lines) + 1
        return Line(
            version,
            self._effective_at(posted_at),
            posted_at,
            side,
            "h" if is_held else "p",
            releases,
            amount,
            balance,
            held,
        )

    def _effective_at(self, posted_at: datetime) -> datetime:
        if self.chance.random() >= self.shape.dated:
            return posted_at
        if self.lines and self.chance.random() < 0.3:  # at the very time of another
            return self.chance.choice(self.lines[-20:]).effective_at
        span = self.shape.grain * max(self.shape.number, 10)
        apart = self.chance.choice((-1, -1, -1, 1)) * span * self.chance.random() + MICROSECOND
        return posted_at + min(apart, EFFECTIVE_AHEAD_MAX)

    def totals(
        self, effective: datetime | None, recorded: datetime | None
    ) -> tuple[Decimal, Decimal, int, Decimal, Decimal]:
        """Posted, held, version, debits and credits: the sum of all that had happened and was written."""
        counted = [
            line
            for line in self.lines
            if (effective is None or line.effective_at <= effective)
            and (recorded is None or line.posted_at <= recorded)
        ]
        sums = {
            side: sum((line.amount for line in counted if line.layer == "p" and line.side == side), Decimal(0))
            for side in "dc"
        }
        held = sum(
            (
                -line.amount if line.releases else line.amount
                for line in counted
                if line.layer == "h" and line.side == self.outgoing
            ),
            Decimal(0),
        )
        risen = sums["c"] - sums["d"]
        posted = -risen if self.outgoing == "c" else risen
        return posted, held, max((line.version for line in counted), default=0), sums["d"], sums["c"]

    def instants(self, number: int) -> list[datetime]:
        """Times around those of some lines, and before and after all of them."""
        times = [time for line in self.lines for time in (line.effective_at, line.posted_at)] or [BEGINNING]
        some = [*self.chance.choices(times, k=number), min(times), max(times)]
        return [time + MICROSECOND * self.chance.choice((-1, 0, 0, 1)) for time in some]


async def write(connection: Connection, history: History, new: Sequence[Line]) -> None:
    """As the superuser and without triggers; the row of the account follows, as the guard would carry it."""
    rows = [
        (
            history.ledger_id, history.account_id, line.version, new_uuid(), line.effective_at, line.posted_at, 0,
            line.side.encode(), line.layer.encode(), line.releases, history.shape.currency, line.amount,
            line.balance_after, line.held_after, bytes(32),
        )
        for line in new
    ]  # fmt: skip
    posted, held, version, debits, credits_ = history.totals(None, None)
    assert (posted, held) == ((history.lines[-1].balance_after, history.lines[-1].held_after) if version else (0, 0))
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.copy_records_to_table("postings", records=rows, columns=COLUMNS)
        await connection.execute(
            """
            insert into accounts (ledger_id, id, version, code, currency, type, status, posted_debits, posted_credits,
                                  held, head, created_at, last_posted_at)
            values ($1, $2, $3, $2::uuid::text, $4, $5, 'open', $6, $7, $8, '', $9, $10)
            on conflict (ledger_id, id) do update set version = $3, posted_debits = $6, posted_credits = $7, held = $8,
                                                      last_posted_at = $10
            """,
            history.ledger_id, history.account_id, version, history.shape.currency, history.shape.type, debits,
            credits_, held, BEGINNING, history.lines[-1].posted_at if history.lines else None,
        )  # fmt: skip
