"""What a journal file says, whichever program it is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from zerosum.domain.ledger.account import AccountType

FAULTS_MAX = 20
"""So many are told. A file with more is not worth a longer list."""

SHOWN_MAX = 200

Tags = list[tuple[str, str]]
"""Names with values, as they follow each other: a name may stand there twice."""

CurrencyOf = Callable[[str], str | None]
"""What a commodity's sign or name means to a ledger; None where it means nothing."""


class JournalFault(Exception):
    """Something that is not taken, and the line where it stands, from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class JournalRefused(Exception):
    """The file is not taken at all. `faults` are in the order of lines."""

    def __init__(self, faults: Sequence[JournalFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)[:FAULTS_MAX]
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(slots=True, kw_only=True)
class ReadPosting:
    """`amount` is None where the others of its entry tell it; above zero it is a debit."""

    line: int
    account: str
    amount: Decimal | None
    currency: str | None
    is_pending: bool = False
    """It lies in the layer beside what is real, and balances there by itself."""
    said: Tags = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Assertion:
    """What an account should hold: of this currency, and with `is_sole` nothing else."""

    line: int
    account: str
    amount: Decimal
    currency: str
    on: date
    is_sole: bool = False
    is_inclusive: bool = False
    """With all accounts below it."""
    tolerance: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True)
class ReadEntry:
    """`said` is kept as metadata; `after` are assertions by the posting that each follows."""

    line: int
    on: date
    reason: str
    reference: str = ""
    said: Tags = field(default_factory=list)
    postings: list[ReadPosting] = field(default_factory=list)
    after: list[tuple[int, Assertion]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ReadAccount:
    """`code` is what our own export says that it is called in a ledger."""

    line: int
    name: str
    type: AccountType | None = None
    code: str | None = None


@dataclass(slots=True, kw_only=True)
class ReadJournal:
    """`before` are assertions about how a day begins. `places` is what the file declares of its currencies."""

    accounts: dict[str, ReadAccount] = field(default_factory=dict)
    entries: list[ReadEntry] = field(default_factory=list)
    before: list[Assertion] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    faults: list[JournalFault] = field(default_factory=list)

    def check(self) -> None:
        """Raises JournalRefused."""
        if self.faults:
            raise JournalRefused(self.faults)


def shown(text: str) -> str:
    """What a file says, in a message of one line."""
    short = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
    return short if short.isprintable() else ascii(short)
