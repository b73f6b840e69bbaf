"""Moments as PostgreSQL gives them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_CLOCK = text("select clock_timestamp()")


def micros(column: str) -> str:
    """The microseconds since 1970, exact, as text."""
    return f"trunc(extract(epoch from {column}) * 1000000)::text"


async def database_clock(connection: AsyncConnection) -> datetime:
    moment: datetime = (await connection.execute(_CLOCK)).scalar_one()
    return moment
