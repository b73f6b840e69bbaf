"""Reports over many accounts: the tree of codes, balance sheet, income statement and cash movements.

All follow from the types of accounts, in each currency by itself, at one instant or over a span; each is one look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.db.engine import Database
from zerosum.db.queries.balances import Instant
from zerosum.db.queries.branch_totals import find_sealed_totals
from zerosum.db.queries.branches import children_of, children_totals
from zerosum.db.queries.rolled_up import RolledUp, roll_up
from zerosum.domain.errors import TooManyItems
from zerosum.domain.ledger.account import AccountType, Side
from zerosum.domain.money import add, subtract
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.settled_time import SettledTime
from zerosum.services.requests.times import INSTANT, by_now, parse_as_of

LINES_MAX = 1_000
"""Of branches, types and currencies in one report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """Accounts of one branch, type and currency. `balance` is positive on the normal side of the type."""

    branch: str
    type: AccountType
    currency: str
    accounts: int
    debits: Decimal
    credits: Decimal

    @property
    def balance(self) -> Decimal:
        is_debit = self.type.normal_side is Side.DEBIT
        return subtract(self.debits, self.credits) if is_debit else subtract(self.credits, self.debits)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedLine:
    """A line before a span and at its end. `change.debits` and `change.credits` are those within it."""

    opening: Decimal
    change: ReportLine
    closing: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchReport:
    as_of: datetime
    lines: Sequence[ReportLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPage:
    """`lines` of so many branches: more than there are branches where one has several types or currencies."""

    as_of: datetime
    lines: Page[ReportLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanReport:
    start: datetime
    end: datetime
    lines: Sequence[MovedLine]


class AccountReports:
    def __init__(
        self,
        database: Database,
        currencies: Currencies,
        cursors: Cursors,
        settled: SettledTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._currencies = currencies
        self._cursors = cursors
        self._settled = settled
        self._now = now

    async def at(
        self, caller: Caller, *, prefix: str, effective: datetime | None, recorded: datetime | None
    ) -> BranchReport:
        """The branches below a prefix at an instant. Raises TooManyItems."""
        recorded, effective = await self._reached(caller, recorded), by_now(effective, self._now())
        looked_at = effective or recorded or self._now()
        ledger_id, instant = caller.ledger_id, Instant(effective=effective, recorded=recorded)
        async with self._database.snapshot(ledger_id) as connection:
            children = await children_of(connection, ledger_id, prefix, after=None, limit=LINES_MAX + 1)
            _must_fit(len(children))
            sealed = await find_sealed_totals(connection, ledger_id, instant)
            if sealed is None:
                found = await roll_up(connection, ledger_id, instant, prefix=prefix, limit=LINES_MAX + 1)
            else:
                found = await children_totals(connection, ledger_id, instant, prefix, children, sealed)
        _must_fit(len(found))
        return BranchReport(as_of=looked_at, lines=[await self._line(caller, one) for one in found])

    async def page(self, caller: Caller, request: PageRequest) -> BranchPage:
        """So many of the branches below a `prefix`, at the instant that the filters name; of now, a look of its own."""
        ledger_id, position = caller.ledger_id, self._cursors.position(caller.ledger_id, request)
        effective, recorded = (parse_as_of(position.filters, name) for name in ("as_of", "recorded_as_of"))
        recorded, effective = await self._reached(caller, recorded), by_now(effective, self._now())
        looked_at = effective or recorded or self._now()
        prefix, instant = position.filters.get("prefix", ""), Instant(effective=effective, recorded=recorded)
        async with self._database.snapshot(ledger_id) as connection:
            children = await children_of(connection, ledger_id, prefix, after=position.after, limit=request.limit + 1)
            page = self._cursors.page(ledger_id, request, position, children, lambda child: child.end)
            sealed = await find_sealed_totals(connection, ledger_id, instant)
            found = await children_totals(connection, ledger_id, instant, prefix, page.items, sealed)
        lines = [await self._line(caller, one) for one in found]
        return BranchPage(as_of=looked_at, lines=Page(lines, page.next_cursor))

    async def over(
        self,
        caller: Caller,
        types: Sequence[AccountType],
        *,
        start: datetime,
        end: datetime,
        recorded: datetime | None,
    ) -> SpanReport:
        """What the branches of accounts of these types did from `start` to before `end`. Raises TooManyItems."""
        recorded = await self._reached(caller, recorded)
        instants = [Instant(effective=moment - INSTANT, recorded=recorded) for moment in (start, end)]
        before, after = await self._looks(caller, instants, types)
        opened = {(line.branch, line.type, line.currency): line for line in before}
        lines = [_moved(opened.get((line.branch, line.type, line.currency)), line) for line in after]
        return SpanReport(start=start, end=end, lines=lines)

    async def _reached(self, caller: Caller, recorded: datetime | None) -> datetime | None:
        return None if recorded is None else await self._settled.reach(caller.ledger_id, recorded)

    async def _looks(
        self, caller: Caller, instants: Sequence[Instant], types: Sequence[AccountType]
    ) -> list[list[ReportLine]]:
        async with self._database.snapshot(caller.ledger_id) as connection:
            looks = [
                await roll_up(connection, caller.ledger_id, instant, prefix="", limit=LINES_MAX + 1, types=types)
                for instant in instants
            ]
        _must_fit(max(len(found) for found in looks))
        return [[await self._line(caller, one) for one in found] for found in looks]

    async def _line(self, caller: Caller, found: RolledUp) -> ReportLine:
        currency = await self._currencies.get(caller.ledger_id, found.currency)
        return ReportLine(
            branch=found.branch,
            type=found.type,
            currency=found.currency,
            accounts=found.accounts,
            debits=currency.scaled(found.debits),
            credits=currency.scaled(found.credits),
        )


def _must_fit(lines: int) -> None:
    if lines > LINES_MAX:
        raise TooManyItems(
            f"The report has more than {LINES_MAX} lines: a chart of accounts is parted by colons, and a longer "
            "`prefix` looks at less of it.",
            lines_max=LINES_MAX,
        )


def _moved(before: ReportLine | None, after: ReportLine) -> MovedLine:
    if before is None:
        return MovedLine(opening=subtract(after.balance, after.balance), change=after, closing=after.balance)
    change = ReportLine(
        branch=after.branch,
        type=after.type,
        currency=after.currency,
        accounts=after.accounts,
        debits=subtract(after.debits, before.debits),
        credits=subtract(after.credits, before.credits),
    )
    return MovedLine(opening=before.balance, change=change, closing=add(before.balance, change.balance))
