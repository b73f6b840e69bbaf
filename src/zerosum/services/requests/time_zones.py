"""Business time zones: names of the IANA database, as this machine has it."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zerosum.domain.errors import ValidationFailed

_NOWHERE = ("localtime", "posixrules", "Factory")
"""What lies among the zones and is none: each machine has its own there."""

_OF_OTHER_CLOCKS = ("right/", "posix/")
"""Copies of the zones; the first count leap seconds, so that midnight is not where it is."""


def parse_time_zone(name: str, *, pointer: str = "/time_zone") -> tzinfo:
    """Raises ValidationFailed for what is none. UTC is one wherever nothing else is known."""
    if name == "UTC":
        return UTC
    try:
        return zone_named(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is a name too, and cannot be read
        raise ValidationFailed("This is no time zone of the IANA database.", pointer=pointer) from None


def zone_named(name: str) -> ZoneInfo:
    """Raises ValueError, OSError, ZoneInfoNotFoundError."""
    if name in _NOWHERE or name.startswith(_OF_OTHER_CLOCKS):
        raise ValueError(name)
    return ZoneInfo(name)
