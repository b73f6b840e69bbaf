"""Zones of the IANA database, as this machine has it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

_NOWHERE = ("localtime", "posixrules", "Factory")
"""What lies among the zones and is none: each machine has its own there."""

_OF_OTHER_CLOCKS = ("right/", "posix/")
"""Copies of the zones; the first count leap seconds, so that midnight is not where it is."""


def zone_named(name: str) -> ZoneInfo:
    """Raises ValueError, OSError, ZoneInfoNotFoundError."""
    if name in _NOWHERE or name.startswith(_OF_OTHER_CLOCKS):
        raise ValueError(name)
    return ZoneInfo(name)
