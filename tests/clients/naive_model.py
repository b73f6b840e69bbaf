"""The rules of client files in their plainest form: csv, Decimal and dicts, written from the rules alone.

Nothing here is taken from the product: two writings of the same rules must agree. As a command it prints the accounts
that a file must come to:

    python -m tests.clients.naive_model IN.csv… > expected.csv
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

MALFORMED = "malformed"
LIMIT = Decimal(10) ** 20
TYPES = ("deposit", "withdrawal", "dispute", "resolve", "chargeback")
DIGITS = re.compile("[0-9]+")
AMOUNT = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)")


@dataclass
class NaiveClient:
    total: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    locked: bool = False


@dataclass
class NaiveRow:
    line: int
    type: str = ""
    client: int = 0
    tx: int = 0
    amount: Decimal = Decimal(0)
    is_malformed: bool = False


@dataclass
class NaiveUse:
    """What a tx id was used for."""

    client: int
    is_deposit: bool
    amount: Decimal
    is_disputed: bool = False


@dataclass
class NaiveModel:
    refuse_negative_total: bool = False
    clients: dict[int, NaiveClient] = field(default_factory=dict)
    used: dict[int, NaiveUse] = field(default_factory=dict)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    carried_out: int = 0

    def take(self, row: NaiveRow) -> None:
        reason = self.reason_against(row)
        if reason is None:
            self.carried_out += 1
        else:
            self.rejects.append((row.line, reason))

    def reason_against(self, row: NaiveRow) -> str | None:
        if row.is_malformed:
            return MALFORMED
        client = self.clients.setdefault(row.client, NaiveClient())
        if client.locked:
            return "client_locked"
        if row.type == "deposit":
            return self.deposit(client, row)
        if row.type == "withdrawal":
            return self.withdraw(client, row)
        return self.about_a_deposit(client, row)

    def deposit(self, client: NaiveClient, row: NaiveRow) -> str | None:
        if row.tx in self.used:
            return "tx_exists"
        if client.total + row.amount >= LIMIT or self.total() + row.amount >= LIMIT:
            return "balance_overflow"
        client.total += row.amount
        self.used[row.tx] = NaiveUse(row.client, True, row.amount)
        return None

    def withdraw(self, client: NaiveClient, row: NaiveRow) -> str | None:
        if row.tx in self.used:
            return "tx_exists"
        if client.total - client.held < row.amount:
            return "insufficient_funds"
        client.total -= row.amount
        self.used[row.tx] = NaiveUse(row.client, False, row.amount)
        return None

    def about_a_deposit(self, client: NaiveClient, row: NaiveRow) -> str | None:
        if row.tx not in self.used:
            return "tx_not_found"
        deposit = self.used[row.tx]
        if deposit.client != row.client:
            return "wrong_client"
        if not deposit.is_deposit:
            return "not_disputable"
        if row.type == "dispute":
            if deposit.is_disputed:
                return "already_disputed"
            if client.held + deposit.amount >= LIMIT or self.held() + deposit.amount >= LIMIT:
                return "balance_overflow"
            client.held += deposit.amount
            deposit.is_disputed = True
            return None
        if not deposit.is_disputed:
            return "not_disputed"
        if row.type == "chargeback":
            if self.refuse_negative_total and client.total < deposit.amount:
                return "negative_total"
            client.total -= deposit.amount
            client.locked = True
        client.held -= deposit.amount
        deposit.is_disputed = False
        return None

    def total(self) -> Decimal:
        return sum((client.total for client in self.clients.values()), Decimal(0))

    def held(self) -> Decimal:
        return sum((client.held for client in self.clients.values()), Decimal(0))

    def accounts(self) -> str:
        lines = ["client,available,held,total,locked"]
        for number in sorted(self.clients):
            client = self.clients[number]
            figures = [client.total - client.held, client.held, client.total]
            lines.append(f"{number},{','.join(f'{figure:.4f}' for figure in figures)},{str(client.locked).lower()}")
        return "\n".join(lines) + "\n"


def read(text: str) -> list[NaiveRow]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True)
    rows = []
    columns: dict[str, int] | None = None
    names: list[str] = []
    line = 1
    for raw in reader:
        fields = [one.strip(" \t") for one in raw]
        first_line, line = line, reader.line_num + 1
        if fields in ([], [""]):
            continue
        if columns is None:
            names = [one.lower() for one in fields]
            columns = {name: names.index(name) for name in ("type", "client", "tx", "amount")}
            while not names[-1]:
                names.pop()
            continue
        if any(fields[len(names) :]):
            rows.append(NaiveRow(first_line, is_malformed=True))
            continue
        rows.append(read_row(first_line, {n: fields[at] if at < len(fields) else "" for n, at in columns.items()}))
    return rows


def read_row(line: int, wire: dict[str, str]) -> NaiveRow:
    malformed = NaiveRow(line, is_malformed=True)
    if wire["type"] not in TYPES:
        return malformed
    numbers = []
    for name, highest in (("client", 65535), ("tx", 4294967295)):
        if not DIGITS.fullmatch(wire[name]) or int(wire[name]) > highest:
            return malformed
        numbers.append(int(wire[name]))
    row = NaiveRow(line, wire["type"], numbers[0], numbers[1])
    if row.type in ("deposit", "withdrawal"):
        if not AMOUNT.fullmatch(wire["amount"]):
            return malformed
        row.amount = Decimal(wire["amount"])
        if not 0 < row.amount < LIMIT or row.amount != row.amount.quantize(Decimal("0.0001")):
            return malformed
    return row


def naive(texts: Sequence[str], *, refuse_negative_total: bool = False) -> NaiveModel:
    """The inputs one after the other."""
    model = NaiveModel(refuse_negative_total)
    for text in texts:
        for row in read(text):
            model.take(row)
    return model


if __name__ == "__main__":
    sys.stdout.write(naive([Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]]).accounts())
