"""The version that an entry gave each of its accounts, as answers tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from zerosum.db.schema.tables import postings


def versions_given(ledger_id: UUID, entry_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """A column for `read_versions`."""
    line = postings.alias("line")
    pair = func.jsonb_build_array(line.c.account_id, line.c.account_version)
    return (
        select(func.jsonb_agg(aggregate_order_by(pair, line.c.place)))
        .where(line.c.ledger_id == ledger_id, line.c.entry_id == entry_id)
        .scalar_subquery()
    )


def read_versions(pairs: Sequence[tuple[str, int]]) -> Mapping[UUID, int]:
    """In the order of the postings; of an account with several the last."""
    return {UUID(account_id): version for account_id, version in pairs}
