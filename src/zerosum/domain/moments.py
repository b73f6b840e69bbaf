"""Moments as answers, refusals and events show them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)
def render_time(moment: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds. Remembered: what is carried out together has one time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
