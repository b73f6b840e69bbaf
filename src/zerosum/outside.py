"""Puts together the processors outside, as the file of the settings describes them whenever one looks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from zerosum.config import Settings
from zerosum.db.engine import Database
from zerosum.services.requests.live_processors import Described, LiveProcessors


def live_processors(
    settings: Settings, database: Database | None = None, now: Callable[[], datetime] | None = None
) -> LiveProcessors:
    """With a database they are known to be well or not, once it was asked. Raises SettingsError."""

    def read() -> Described:
        processors = settings.processors()
        return Described(processors=processors, outside=settings.outside(processors))

    return LiveProcessors(settings.processors_file, read, database, now)
