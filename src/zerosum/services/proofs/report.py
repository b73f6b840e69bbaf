"""What a proof of a ledger has found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
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
    concerned: tuple[UUID, ...] = ()
    """Accounts that what is wrong speaks of, though they need not be wrong themselves."""

    @property
    def accounts(self) -> tuple[UUID, ...]:
        """All that are to be frozen: each once, the one it was found in first."""
        found = () if self.account_id is None else (self.account_id,)
        return tuple(dict.fromkeys((*found, *self.concerned)))


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    ledger_id: UUID
    postings: int = 0
    accounts: int = 0
    personal: int = 0
    """Entries with which something was said about a person; `erased` are those of them whose person was erased."""
    erased: int = 0
    breaks: list[Break] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not self.breaks

    @property
    def is_full(self) -> bool:
        return len(self.breaks) >= BREAKS_MAX

    def note(
        self,
        what: str,
        account_id: UUID | None = None,
        account_version: int | None = None,
        concerned: Iterable[UUID | None] = (),
    ) -> None:
        if not self.is_full:
            known = tuple(dict.fromkeys(one for one in concerned if one is not None))
            self.breaks.append(Break(account_id, account_version, what, known))

    @contextlib.contextmanager
    def noting(
        self,
        what: str,
        account_id: UUID | None = None,
        account_version: int | None = None,
        concerned: Iterable[UUID | None] = (),
    ) -> Iterator[None]:
        """The database accepts more than can be counted with: NaN, metadata that is a list. That is a break too."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            self.note(what, account_id, account_version, concerned)


def part_of(number: int, share: float) -> int:
    """How much a slice takes that is to be smaller than the largest one."""
    return max(1, round(number * share))
