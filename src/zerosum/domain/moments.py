"""Moments as answers, refusals and events show them."""

from __future__ import annotations

from datetime import UTC, datetime


def render_time(moment: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
