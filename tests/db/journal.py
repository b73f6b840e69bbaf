"""Writing postings by hand, right or wrong, as an attacker or a fault of ours would: beside the Book."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.db.rows import NOON, insert_statement, plain_row, uuid_array
from tests.db.servers import Connection
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.tables import accounts, postings


async def set_ledgers(connection: Connection, *ledger_ids: UUID) -> None:
    await connection.execute("select set_config('zerosum.ledgers', $1, true)", uuid_array(*ledger_ids))


async def open_account(
    connection: Connection, ledger_id: UUID, *, currency: str = "USD", type_: str = "liability", **given: Any
) -> UUID:
    """An account with nothing in it and no floor."""
    row = plain_row(
        accounts,
        **{
            "ledger_id": ledger_id,
            "currency": currency,
            "type": type_,
            "version": 0,
            "posted_debits": 0,
            "posted_credits": 0,
            "held": 0,
            **given,
        },
    )
    await connection.execute(insert_statement(accounts, row), *row.values())
    account_id: UUID = row["id"]
    return account_id


@dataclass
class Batch:
    """What one statement inserts into `postings`."""

    postings: list[dict[str, Any]] = field(default_factory=list)

    async def write(self, connection: Connection) -> None:
        columns = list(self.postings[0])
        values: list[Any] = []
        rows = []
        for posting in self.postings:
            rows.append("(" + ", ".join(f"${len(values) + place}" for place in range(1, len(columns) + 1)) + ")")
            values += [posting[column] for column in columns]
        await connection.execute(f"insert into postings ({', '.join(columns)}) values {', '.join(rows)}", *values)


def line(ledger_id: UUID, account_id: UUID, entry_id: UUID, side: str, amount: str, **given: Any) -> dict[str, Any]:
    """A posted line, the first of its account, in USD."""
    signed = Decimal(amount) if side == "credit" else -Decimal(amount)
    return plain_row(
        postings,
        **{
            "ledger_id": ledger_id,
            "account_id": account_id,
            "account_version": 1,
            "entry_id": entry_id,
            "effective_at": NOON,
            "posted_at": NOON,
            "side": side[0].encode(),
            "layer": b"p",
            "currency": "USD",
            "amount": Decimal(amount),
            "balance_after": signed,
            "held_after": Decimal(0),
            "hash": new_uuid().bytes,
            **given,
        },
    )


def transfer(ledger_id: UUID, payer: UUID, payee: UUID, amount: str = "10.00") -> Batch:
    """A transfer as it should be written, between liabilities with nothing in them."""
    entry_id = new_uuid()
    return Batch(
        [
            line(ledger_id, payer, entry_id, "debit", amount),
            line(ledger_id, payee, entry_id, "credit", amount, place=1),
        ]
    )
