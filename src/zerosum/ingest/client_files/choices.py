"""What a run can be told to choose. This loads nothing, so that `zerosum --help` stays quick."""

from __future__ import annotations

from enum import StrEnum


class Order(StrEnum):
    """In which order several inputs are taken."""

    GIVEN = "given"
    """One after the other."""
    TX = "tx"
    TIME = "time"


class EngineChoice(StrEnum):
    AUTO = "auto"
    BOOK = "book"
    FAST = "fast"
