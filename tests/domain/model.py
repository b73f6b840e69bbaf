"""The plain form of the Book: what it must do, said as simply as it can be said.

Amounts are whole numbers of minor units. An account keeps every line it ever took, and all that is asked about it is
counted from them anew. Nothing here is taken from the domain: two writings of the same rules must agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

INTEGER_DIGITS = 20

INCREASED_BY = {
    "asset": "debit",
    "expense": "debit",
    "liability": "credit",
    "equity": "credit",
    "revenue": "credit",
}


@dataclass(frozen=True)
class Line:
    account: str
    side: str
    units: int
    currency: str
    pending: bool = False
    releases: bool = False
    outside: bool = False
    """Its whole entry tells what has happened elsewhere."""


@dataclass
class ModelAccount:
    type: str
    currency: str
    places: int
    floor: int | None = None
    ceiling: int | None = None
    status: str = "open"
    overdrawn: bool = False
    lines: list[Line] = field(default_factory=list)

    @property
    def posted(self) -> int:
        return sum(
            line.units if line.side == INCREASED_BY[self.type] else -line.units
            for line in self.lines
            if not line.pending
        )

    @property
    def held(self) -> int:
        return sum(
            -line.units if line.releases else line.units
            for line in self.lines
            if line.pending and line.side != INCREASED_BY[self.type]
        )

    @property
    def available(self) -> int:
        return self.posted - self.held

    @property
    def version(self) -> int:
        return len(self.lines)

    def with_lines(self, lines: Sequence[Line]) -> ModelAccount:
        return replace(self, lines=self.lines + list(lines))


@dataclass
class ModelBook:
    accounts: dict[str, ModelAccount]

    def objections(self, lines: Sequence[Line]) -> list[tuple[str, int]]:
        """Code and place of all that stands against these lines, in the order in which it is told."""
        is_outside = any(line.outside for line in lines)
        found = [
            (code, place)
            for place, line in enumerate(lines)
            for code in self._objections_to_account(line, is_outside=is_outside)
        ]
        for name, place in first_places(lines).items():
            if all(self._knows(line) for line in lines if line.account == name):
                found += [(code, place) for code in self._objections_to_balance(name, lines)]
        return found

    def _knows(self, line: Line) -> bool:
        return line.account in self.accounts and self.accounts[line.account].currency == line.currency

    def post(self, lines: Sequence[Line]) -> str | None:
        """Post them all, or return the code of the refusal and change nothing."""
        for code, _ in self.objections(lines):
            return code
        for name in first_places(lines):
            account = self.accounts[name]
            own = [line for line in lines if line.account == name]
            account.lines += own
            is_below = account.floor is not None and account.available < account.floor
            account.overdrawn = is_below and (account.overdrawn or any(line.outside for line in lines))
        return None

    def may_be_closed(self, name: str) -> bool:
        return self.accounts[name].posted == 0 and self.accounts[name].held == 0

    def _objections_to_account(self, line: Line, *, is_outside: bool) -> list[str]:
        account = self.accounts.get(line.account)
        if account is None:
            return ["account_not_found"]
        found = []
        if account.status != "open" and not is_outside:
            found.append(f"account_{account.status}")
        if account.currency != line.currency:
            found.append("currency_mismatch")
        return found

    def _objections_to_balance(self, name: str, lines: Sequence[Line]) -> list[str]:
        before = self.accounts[name]
        own = [line for line in lines if line.account == name]
        after = before.with_lines(own)
        found = []
        is_outside = any(line.outside for line in lines)
        if (
            after.available < before.available
            and after.floor is not None
            and after.available < after.floor
            and not is_outside
        ):
            found.append("insufficient_funds")
        freed = max(0, before.held - after.held)
        is_more = after.available - freed > before.available
        if is_more and after.ceiling is not None and after.available > after.ceiling and not is_outside:
            found.append("limit_exceeded")
        limit = 10 ** (INTEGER_DIGITS + before.places)
        if abs(after.posted) >= limit or abs(after.available) >= limit or after.held >= limit:
            found.append("balance_overflow")
        return found


def first_places(lines: Sequence[Line]) -> dict[str, int]:
    """Where each account first stands, in that order."""
    found: dict[str, int] = {}
    for place, line in enumerate(lines):
        found.setdefault(line.account, place)
    return found


def imbalances(lines: Sequence[Line]) -> dict[tuple[str, bool, bool], int]:
    """Debits minus credits by currency, layer and whether they release, where that is not zero."""
    sums: defaultdict[tuple[str, bool, bool], int] = defaultdict(int)
    for line in lines:
        sums[line.currency, line.pending, line.releases] += line.units if line.side == "debit" else -line.units
    return {key: difference for key, difference in sums.items() if difference}


def written(units: int, places: int) -> str:
    """Minor units as an amount: digits only, no arithmetic on decimals."""
    digits = str(abs(units)).rjust(places + 1, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" if places else f"{sign}{digits}"
