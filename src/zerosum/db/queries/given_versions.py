"""The version that an entry gave each of its accounts, and how it left them, as answers tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import postings


class RecordedLine(NamedTuple):
    """A posting as it left its account, out of the journal."""

    account_id: UUID
    account_version: int
    balance_after: Decimal
    held_after: Decimal


def versions_given(ledger_id: UUID, entry_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """A column for `read_versions` and `read_lines`."""
    line = postings.alias("line")
    left = func.jsonb_build_array(
        line.c.account_id, line.c.account_version, cast(line.c.balance_after, Text), cast(line.c.held_after, Text)
    )
    return (
        select(func.jsonb_agg(aggregate_order_by(left, line.c.place)))
        .where(line.c.ledger_id == ledger_id, line.c.entry_id == entry_id)
        .scalar_subquery()
    )


async def find_lines(connection: AsyncConnection, ledger_id: UUID, entry_id: UUID) -> list[RecordedLine]:
    """Of one entry; none where there is no such entry."""
    line = postings
    found = await connection.execute(
        select(line.c.account_id, line.c.account_version, line.c.balance_after, line.c.held_after)
        .where(line.c.ledger_id == ledger_id, line.c.entry_id == entry_id)
        .order_by(line.c.place)
    )
    return [RecordedLine(*row) for row in found]


def read_versions(lines: Sequence[Sequence[Any]]) -> Mapping[UUID, int]:
    """In the order of the postings; of an account with several the last."""
    return {UUID(line[0]): line[1] for line in lines}


def read_lines(lines: Sequence[Sequence[Any]]) -> list[RecordedLine]:
    return [RecordedLine(UUID(line[0]), line[1], Decimal(line[2]), Decimal(line[3])) for line in lines]
