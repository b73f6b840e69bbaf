"""The report of reconciliation: by day and source, what was told, what was matched and what was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from zerosum.db.engine import Database
from zerosum.db.queries.reconciliation_reports import ReconciledDay as ReconciledDay  # shown by the routes
from zerosum.db.queries.reconciliation_reports import reconciled_days
from zerosum.domain.errors import InvalidParameter, TooManyItems
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies

DAYS_MAX = 92
DAYS_DEFAULT = 31
ROWS_MAX = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """Both days belong to it. `as_of` is the day by which explained is told from unexplained."""

    source: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    as_of: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationReport:
    from_on: date
    to_on: date
    as_of: date
    days: Sequence[ReconciledDay]

    @property
    def unexplained(self) -> int:
        return sum(day.unexplained for day in self.days)


class ReconciliationReports:
    def __init__(self, database: Database, currencies: Currencies, now: Callable[[], datetime]) -> None:
        self._database = database
        self._currencies = currencies
        self._now = now

    async def report(self, caller: Caller, order: ReportOrder) -> ReconciliationReport:
        """Raises InvalidParameter, TooManyItems."""
        today = self._now().date()
        to_on = order.to_on or max(today, order.from_on or today)
        from_on = order.from_on or max(to_on, date.min + timedelta(days=DAYS_MAX)) - timedelta(days=DAYS_DEFAULT - 1)
        if from_on > to_on:
            raise InvalidParameter("`from` lies after `to`.", pointer="from")
        if to_on - from_on >= timedelta(days=DAYS_MAX):
            raise InvalidParameter(f"From `from` to `to` it is at most {DAYS_MAX} days.", pointer="to")
        as_of = order.as_of or today
        async with self._database.work(caller.ledger_id) as connection:
            days = await reconciled_days(
                connection,
                caller.ledger_id,
                source=order.source,
                from_on=from_on,
                to_on=to_on,
                as_of=as_of,
                limit=ROWS_MAX + 1,
            )
        if len(days) > ROWS_MAX:
            raise TooManyItems(f"This report has more than {ROWS_MAX} lines: ask for fewer days, or for one source.")
        scaled = [await self._scaled(caller, day) for day in days]
        return ReconciliationReport(from_on=from_on, to_on=to_on, as_of=as_of, days=scaled)

    async def _scaled(self, caller: Caller, day: ReconciledDay) -> ReconciledDay:
        """With its currency's places, also where nothing was added up."""
        currency = await self._currencies.get(caller.ledger_id, day.currency)
        return replace(
            day,
            lines_sum=currency.scaled(day.lines_sum),
            matched_sum=currency.scaled(day.matched_sum),
            explained_difference=currency.scaled(day.explained_difference),
            unexplained_difference=currency.scaled(day.unexplained_difference),
        )
