"""Business time zones: names of the IANA database, as this machine has it."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfoNotFoundError

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.time_zones import zone_named


def parse_time_zone(name: str, *, pointer: str = "/time_zone") -> tzinfo:
    """Raises ValidationFailed for what is none. UTC is one wherever nothing else is known."""
    if name == "UTC":
        return UTC
    try:
        return zone_named(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is a name too, and cannot be read
        raise ValidationFailed("This is no time zone of the IANA database.", pointer=pointer) from None
