"""The report of reconciliation, as JSON and as CSV."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Query

from zerosum.api.csv_text import Accept, Format, csv_response, csv_text, wants_csv
from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.schemas.reconciliation import (
    DAY_PATTERN_TEXT,
    ReconciliationReportResponse,
    ReportedDay,
    report_body,
)
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.reconciliation.sources import SOURCE_NAME_PATTERN_TEXT
from zerosum.gateway.identity.principal import Scope
from zerosum.services.reconciliation.reports import ReportOrder

REPORT_EFFORT = 10

ReportDay = Annotated[str | None, Query(description="A day, which belongs to it.", pattern=DAY_PATTERN_TEXT)]
OfSource = Annotated[str | None, Query(description="Only of this source.", pattern=f"^{SOURCE_NAME_PATTERN_TEXT}$")]


def add_report_route(routes: Routes, services: Services) -> None:
    reports = services.reconciliation_reports

    async def get_report(
        call: TheCall,
        from_: Annotated[ReportDay, Query(alias="from")] = None,
        to: ReportDay = None,
        as_of: ReportDay = None,
        source: OfSource = None,
        format: Format = None,  # noqa: A002
        accept: Accept = "",
    ) -> Any:
        order = ReportOrder(
            source=source, from_on=_day(from_, "from"), to_on=_day(to, "to"), as_of=_day(as_of, "as_of")
        )
        body = report_body(await reports.report(call.caller, order))
        if wants_csv(format, accept):
            return csv_response(await csv_text(tuple(ReportedDay.model_fields), body["days"], free=()))
        return body

    routes.add(
        "GET",
        "/v1/reconciliation/report",
        get_report,
        operation_id="getReconciliationReport",
        scope=Scope.RECONCILIATION_READ,
        query=("from", "to", "as_of", "source", "format"),
        effort=REPORT_EFFORT,
        refusals=(errors.TooManyItems,),
        summary="What was matched, and what was not, by day and source",
        answer=ReconciliationReportResponse,
        also_as=("text/csv",),
        description="Of the last 31 days by default, 92 at most.",
    )


def _day(text: str | None, name: str) -> date | None:
    """Raises InvalidParameter."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InvalidParameter("A day is written like 2026-11-21.", pointer=name) from None
