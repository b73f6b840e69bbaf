"""The only place that reads the wall clock. Everything else is given the time."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC. For information and expiry only: the order of money is `account_version`."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place
