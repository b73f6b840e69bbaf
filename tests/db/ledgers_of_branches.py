"""Ledgers made up with nested accounts, written as they would lie in the journal, and what branches naively come to."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tests.db.servers import Connection
from zerosum.db.identifiers import first_uuid_of, new_uuid

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
AHEAD = timedelta(minutes=4, seconds=50)
"""An id may be so much older than what it names, or a bit younger."""

CODES = ("assets:bank:{}", "assets:cash", "customers:eu:{}", "customers:us:{}:wallet", "customers:{}", "owners{}", "x:")
TYPES = ("asset", "liability", "revenue")
CURRENCIES = ("USD", "JPY")

Key = tuple[str, str, str]
Sums = tuple[int, int, Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class MadeAccount:
    id: UUID
    code: str
    type: str
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MadeLine:
    account: MadeAccount
    entry_id: UUID
    effective_at: datetime
    posted_at: datetime
    side: str
    layer: str
    amount: Decimal


def id_near(moment: datetime, chance: random.Random) -> UUID:
    made = moment - AHEAD * chance.choice((0, 0, chance.random())) + timedelta(milliseconds=chance.choice((0, 3)))
    return UUID(int=first_uuid_of(made).int | 0x7000_8000_0000_0000_0000 | chance.getrandbits(60))


@dataclass(slots=True)
class MadeLedger:
    id: UUID
    chance: random.Random
    dated: float
    now: datetime = BEGINNING
    accounts: list[MadeAccount] = field(default_factory=list)
    lines: list[MadeLine] = field(default_factory=list)
    versions: dict[UUID, int] = field(default_factory=dict)

    async def open(self, connection: Connection, number: int) -> None:
        """As accounts are opened: written later than they say, if by less than five minutes."""
        new = []
        for _ in range(number):
            code = self.chance.choice(CODES).format(len(self.accounts))
            if code in {account.code for account in self.accounts}:
                continue
            created_at = self.now - AHEAD * self.chance.random()
            new.append(
                MadeAccount(
                    id_near(created_at, self.chance), code, self.chance.choice(TYPES), self.chance.choice(CURRENCIES),
                    created_at,
                )
            )  # fmt: skip
            self.accounts.append(new[-1])
        rows = [
            (self.id, one.id, 0, one.code, one.currency, one.type, "open", Decimal(0), Decimal(0), Decimal(0), b"",
             one.created_at)
            for one in new
        ]  # fmt: skip
        columns = ("ledger_id", "id", "version", "code", "currency", "type", "status", "posted_debits",
                   "posted_credits", "held", "head", "created_at")  # fmt: skip
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.copy_records_to_table("accounts", records=rows, columns=columns)

    async def post(self, connection: Connection, number: int) -> None:
        """Set-wise and past the triggers; the rows of the accounts follow, as the guard would carry them."""
        new = []
        for _ in range(number):
            self.now += timedelta(seconds=1) * self.chance.choice((0, 1, 20, 900))
            effective_at = self._effective_at()
            entry_id = id_near(self.now, self.chance)
            for _ in range(2):
                line = MadeLine(
                    self.chance.choice(self.accounts), entry_id, effective_at, self.now, self.chance.choice("dc"),
                    self.chance.choice("ppph"), Decimal(self.chance.randint(1, 999)),
                )  # fmt: skip
                new.append(line)
        self.lines += new
        entries = {line.entry_id: line for line in new}
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.copy_records_to_table(
                "journal_entries",
                records=[
                    (self.id, id_, line.effective_at, line.posted_at, b"", "payment", "x", "x")
                    for id_, line in entries.items()
                ],
                columns=("ledger_id", "id", "effective_at", "posted_at", "fingerprint", "resource_type", "reason",
                         "actor"),
            )  # fmt: skip
            await connection.copy_records_to_table(
                "postings",
                records=[self._row(line, place % 2) for place, line in enumerate(new)],
                columns=("ledger_id", "account_id", "account_version", "entry_id", "effective_at", "posted_at", "place",
                         "side", "layer", "releases", "currency", "amount", "balance_after", "held_after", "hash"),
            )  # fmt: skip
            await connection.execute(_CARRY, self.id)

    def _row(self, line: MadeLine, place: int) -> tuple[object, ...]:
        version = self.versions[line.account.id] = self.versions.get(line.account.id, 0) + 1
        balance = self.posted(line.account, version)
        return (
            self.id, line.account.id, version, line.entry_id, line.effective_at, line.posted_at, place,
            line.side.encode(), line.layer.encode(), False, line.account.currency, line.amount, balance, Decimal(0),
            bytes(32),
        )  # fmt: skip

    def posted(self, account: MadeAccount, version: int) -> Decimal:
        own = [line for line in self.lines if line.account is account][:version]
        risen = sum(
            (line.amount if line.side == "c" else -line.amount for line in own if line.layer == "p"), Decimal(0)
        )
        return -risen if account.type == "asset" else risen

    def _effective_at(self) -> datetime:
        if self.chance.random() >= self.dated:
            return self.now
        apart = self.chance.choice(
            (timedelta(minutes=-4), AHEAD, MICROSECOND, -timedelta(hours=3), -timedelta(days=2), -timedelta(days=40))
        )
        return self.now + apart * self.chance.choice((1.0, self.chance.random()))

    def naive(self, branches: Iterable[str], effective: datetime | None, recorded: datetime | None) -> dict[Key, Sums]:
        found: dict[Key, Sums] = {}
        for branch in branches:
            inside = {one.id for one in self.accounts if one.code.startswith(branch)}
            for account in self.accounts:
                if account.id in inside and (recorded is None or account.created_at <= recorded):
                    _add(found, (branch, account.type, account.currency), (1, 0, Decimal(0), Decimal(0)))
            for line in self.lines:
                if (
                    line.account.id in inside
                    and (effective is None or line.effective_at <= effective)
                    and (recorded is None or line.posted_at <= recorded)
                ):
                    debit = line.amount if (line.layer, line.side) == ("p", "d") else Decimal(0)
                    credit = line.amount if (line.layer, line.side) == ("p", "c") else Decimal(0)
                    _add(found, (branch, line.account.type, line.account.currency), (0, 1, debit, credit))
        return found

    def instants(self, number: int) -> list[datetime]:
        """Times around those of some lines, and before and after all of them."""
        times = [time for line in self.lines for time in (line.effective_at, line.posted_at)] or [BEGINNING]
        some = [*self.chance.choices(times, k=number), min(times), max(times)]
        return [time + MICROSECOND * self.chance.choice((-1, 0, 0, 1)) for time in some]


def made_ledger(seed: int, dated: float) -> MadeLedger:
    return MadeLedger(new_uuid(), random.Random(seed), dated)


def _add(sums: dict[Key, Sums], key: Key, part: Sums) -> None:
    so_far = sums.get(key, (0, 0, Decimal(0), Decimal(0)))
    sums[key] = (so_far[0] + part[0], so_far[1] + part[1], so_far[2] + part[2], so_far[3] + part[3])


_CARRY = """
update accounts own set version = line.version, last_posted_at = line.at, posted_debits = line.debits,
       posted_credits = line.credits
from (
    select account_id, max(account_version) as version, max(posted_at) as at,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits
    from postings where ledger_id = $1 group by account_id
) as line
where own.ledger_id = $1 and own.id = line.account_id
"""
