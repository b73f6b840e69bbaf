"""What a proof of a ledger has found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

BREAKS_MAX = 100
"""After so many the books are known to be wrong; the first is the one to look at."""


@dataclass(frozen=True, slots=True)
class Break:
    """Something in the books that cannot be."""

    account_id: UUID | None
    account_version: int | None
    what: str


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    ledger_id: UUID
    postings: int = 0
    accounts: int = 0
    breaks: list[Break] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not self.breaks

    def note(self, what: str, account_id: UUID | None = None, account_version: int | None = None) -> None:
        if len(self.breaks) < BREAKS_MAX:
            self.breaks.append(Break(account_id, account_version, what))

    @contextlib.contextmanager
    def noting(self, what: str, account_id: UUID | None = None, account_version: int | None = None) -> Iterator[None]:
        """The database accepts more than can be counted with: NaN, metadata that is a list. That is a break too."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            self.note(what, account_id, account_version)
