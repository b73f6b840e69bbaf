"""What is chosen on the command line. Apart, so that it is there before anything is loaded."""

from __future__ import annotations

from enum import StrEnum


class JournalFormat(StrEnum):
    """The program that a file is for."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
