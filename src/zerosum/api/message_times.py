"""The own time of a message, by which several inputs are put in order. It decides nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from zerosum.domain.messages import Message

MILLISECONDS_FROM = 100_000_000_000
"""A whole number above is in milliseconds: as seconds it would lie beyond the year 5000."""

AHEAD_SECONDS_MAX = 300.0
"""Of our clock. What bears a later time comes of a clock that is wrong, or tells of what is yet to be: behind it
everything else would be late."""


def message_moment(message: Message, now: Callable[[], datetime]) -> float | None:
    """Seconds since 1970; None where it says nothing that can be read. Never raises.

    Of a CloudEvent its time; else when the row, or what the command asks for, has happened.
    """
    try:
        content = orjson.loads(message.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict):
        return None
    data = content.get("data")
    said = [content.get("time"), message.headers.get("ce-time")] if _is_event(content, message.headers) else []
    inside: Mapping[str, Any] = data if "specversion" in content and isinstance(data, dict) else content
    latest = now().timestamp() + AHEAD_SECONDS_MAX
    moments = (_moment(one, latest) for one in (*said, inside.get("timestamp"), inside.get("effective_at")))
    return next((one for one in moments if one is not None), None)


def _is_event(content: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    return "specversion" in content or "ce-specversion" in headers


def _moment(said: Any, latest: float) -> float | None:
    moment = _read(said)
    return moment if moment is not None and -math.inf < moment < latest else None


def _read(said: Any) -> float | None:
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        return None
    try:
        if isinstance(said, str) and not said.lstrip("-").isdigit():
            moment = datetime.fromisoformat(said)
            return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        number = float(said)
    except (ValueError, OverflowError):
        return None
    return number / 1000 if abs(number) >= MILLISECONDS_FROM else number
