"""Rows for any table, made from what the table says about itself: a new table needs nothing here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tests.db.servers import Connection
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.tables import SingleChar, Xid8

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

_TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "period_closings": {"starts_at": NOON - timedelta(days=1), "begun_at": NOON + timedelta(days=1)},
    "late_entries": {"way": "rolled_forward"},
    "processor_calls": {"state": "proposed", "next_at": NOON},
    "reconciliation_breaks": {"state": "open"},
    "reviews": {"status": "in_review", "approvals_needed": 1},
    "scheduled_runs": {"outcome": "skipped", "refusal": "{}"},
    "dead_letters": {"status": "dead"},
    "console_proposals": {"status": "waiting", "role": "admin", "expires_at": NOON + timedelta(days=3)},
    "subjects": {"sealed_key": "sealed"},
    "signed_checkpoints": {"size": 8, "kinds": "e", "ids": [new_uuid()], "numbers": [0], "hashes": bytes(32)},
}
"""What only fits together, as a constraint says."""

_TOKENS = {"select", "values", "when"}


def plain_row(table: Table, **given: Any) -> dict[str, Any]:
    """A value for every column that needs one; `given` wins."""
    given = {**_TOGETHER.get(table.name, {}), **given}
    return {
        column.name: given.get(column.name, _value(table, column))
        for column in table.columns
        if column.name in given or (not column.nullable and column.server_default is None)
    }


def insert_statement(table: Table, row: Mapping[str, Any]) -> str:
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    return f"insert into {table.name} ({', '.join(row)}) values ({places})"


async def insert_plain_row(connection: Connection, table: Table, **given: Any) -> dict[str, Any]:
    """Without triggers, as only the superuser can: what is tested is never how the row came there."""
    row = plain_row(table, **given)
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(insert_statement(table, row), *row.values())
    return row


def _value(table: Table, column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, SingleChar):
        return (_first_allowed(table, column.name) or "x").encode()
    if isinstance(kind, Text):
        return _first_allowed(table, column.name) or f"{column.name}-{new_uuid().hex}"
    if isinstance(kind, Uuid):
        return new_uuid()
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, SmallInteger | BigInteger | Integer | Numeric):
        return 1
    if isinstance(kind, LargeBinary):
        return bytes(32)
    if isinstance(kind, TIMESTAMP):
        return NOON
    if isinstance(kind, Date):
        return NOON.date()
    if isinstance(kind, JSONB):
        return "{}"
    if isinstance(kind, ARRAY):
        return [_value(table, Column(column.name, kind.item_type))]
    if isinstance(kind, Xid8):
        return 1
    raise NotImplementedError(f"tests/db/rows.py knows no value for {table.name}.{column.name}: add one for {kind!r}")


def _first_allowed(table: Table, name: str) -> str | None:
    """Of a column that may hold one of a few words only: the first of them."""
    for constraint in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
        if isinstance(constraint, CheckConstraint):
            match = re.search(rf"\b{name} in \('([^']+)'", str(constraint.sqltext))
            if match is not None:
                return match.group(1)
    return None


def uuid_array(*values: UUID) -> str:
    return "{" + ",".join(map(str, values)) + "}"
