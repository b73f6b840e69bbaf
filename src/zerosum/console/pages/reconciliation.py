"""Reconciliation: who tells what of which account, what was sent, and how much of each day was matched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.identifiers import Prefix
from zerosum.domain.reconciliation.sources import SOURCES_MAX
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.reconciliation.reports import DAYS_MAX, ReconciledDay, ReportOrder
from zerosum.services.requests.paging import PageRequest

FILTERS = ("source", "from", "to")

DAYS_SHOWN = timedelta(days=14)
"""Where nothing is said. Lines of days are added up: a page that everybody opens asks for few."""

EVERY_SOURCE = PageRequest(list_name="reconciliation sources", limit=SOURCES_MAX, filters={})
"""To choose from: a ledger has not many."""


@dataclass(frozen=True, slots=True)
class MatchedDay:
    day: ReconciledDay

    @property
    def percent(self) -> float | None:
        """Of the lines that were not told before; rounded down, so that 100 is all of them."""
        told = self.day.lines - self.day.repeats
        return None if not told else int(1000 * self.day.matched / told) / 10


def reconciliation_pages(console: Console) -> None:
    services = console.services

    async def report(view: View) -> HttpAnswer:
        given = view.query(FILTERS)
        from_on, to_on = _day(given, "from"), _day(given, "to")
        if from_on is None and to_on is None:
            to_on = console.now().date()
            from_on = to_on - DAYS_SHOWN + timedelta(days=1)
        order = ReportOrder(source=given.get("source"), from_on=from_on, to_on=to_on)
        found = await services.reconciliation_reports.report(view.caller, order)
        sources = await services.reconciliation_sources.list(view.caller, EVERY_SOURCE)
        return view.show(
            "reconciliation.html",
            report=found,
            days=[MatchedDay(day) for day in reversed(found.days)],
            names=[source.name for source in sources.items],
            given=given,
            days_max=DAYS_MAX,
        )

    async def sources(view: View) -> HttpAnswer:
        request = page_request(view, "reconciliation sources", ())
        page = await services.reconciliation_sources.list(view.caller, request)
        more = next_page(view, request, page, "reconciliation", "sources")
        return view.show("sources.html", sources=page.items, next=more)

    async def source(view: View) -> HttpAnswer:
        found = await services.reconciliation_sources.get(view.caller, view.path["source"])
        return view.show("source.html", source=found)

    async def files(view: View) -> HttpAnswer:
        request = page_request(view, "reconciliation files", ("source",))
        page = await services.reconciliation_files.list(view.caller, request)
        more = next_page(view, request, page, "reconciliation", "files")
        return view.show("files.html", files=page.items, next=more, given=request.filters)

    async def file(view: View) -> HttpAnswer:
        found = await services.reconciliation_files.get(view.caller, view.id(Prefix.RECONCILIATION_FILE, "file"))
        return view.show("file.html", file=found)

    needs = Scope.RECONCILIATION_READ
    nav = Nav(group="Outside", title="Reconciliation", key="m")
    console.page("/{ledger}/reconciliation", report, needs=needs, nav=nav, is_report=True)
    console.page("/{ledger}/reconciliation/sources", sources, needs=needs)
    console.page("/{ledger}/reconciliation/sources/{source}", source, needs=needs)
    console.page("/{ledger}/reconciliation/files", files, needs=needs)
    console.page("/{ledger}/reconciliation/files/{file}", file, needs=needs)


def _day(given: dict[str, str], name: str) -> date | None:
    """Raises InvalidParameter."""
    try:
        return date.fromisoformat(given[name]) if name in given else None
    except ValueError:
        raise InvalidParameter("A day is written like 2026-11-21.", pointer=name) from None
