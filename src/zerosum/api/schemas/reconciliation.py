"""Files, breaks and the report of reconciliation on the wire."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    BalanceAmount,
    CurrencyCode,
    Response,
    Time,
    id_field,
)
from zerosum.api.schemas.reconciliation_sources import SourceName
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.services.reconciliation.files import FileRecord
from zerosum.services.reconciliation.reports import ReconciliationReport

DAY_PATTERN_TEXT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


Day = Annotated[
    str, Field(description="A day.", examples=["2026-11-21"], json_schema_extra={"pattern": DAY_PATTERN_TEXT})
]
Count = Annotated[int, Field(ge=0, examples=[1])]


class ReconciliationFileResponse(Response):
    """A file that was received, and what has become of its lines."""

    id: Annotated[str, id_field(Prefix.RECONCILIATION_FILE, "The file.")]
    source: SourceName
    source_version: Annotated[int, Field(description="By which it was read.", examples=[1])]
    sha256: Annotated[
        str, Field(description="Of its content: the same again is the same file.", examples=["e3b0c442…"])
    ]
    bytes: Annotated[Count, Field(description="How long it is.")]
    currency: CurrencyCode
    lines: Annotated[Count, Field(description="That move something.")]
    money_in: Annotated[BalanceAmount, Field(description="What has come in for us.")]
    money_out: Annotated[BalanceAmount, Field(description="What has gone out.")]
    opening: Annotated[BalanceAmount | None, Field(description="The balance it begins with, or null.")]
    closing: Annotated[BalanceAmount | None, Field(description="The balance it ends with, or null.")]
    from_day: Annotated[Day, Field(description="The first day that it speaks of.")]
    to_day: Annotated[Day, Field(description="The last one.")]
    matched: Annotated[Count, Field(description="Of its lines, those that have a match.")]
    repeats: Annotated[Count, Field(description="Those that an earlier file has told of.")]
    open_breaks: Annotated[Count, Field(description="Those that are open breaks.")]
    is_matched: Annotated[bool, Field(description="Whether all of it was looked at.", examples=[True])]
    received_at: Annotated[Time, Field(description="When it came.")]
    actor: Annotated[str, Field(description="Who has sent it.", examples=[f"key_{EXAMPLE_UUID}"])]


class ReportedDay(Response):
    """A day of a source. Differences are what the outside says less what our books say."""

    day: Day
    source: SourceName
    currency: CurrencyCode
    lines: Annotated[Count, Field(description="That files have told of.")]
    repeats: Annotated[Count, Field(description="Of these, told again.")]
    lines_sum: Annotated[BalanceAmount, Field(description="What has come in less what has gone out, without repeats.")]
    matched: Annotated[Count, Field(description="Lines that have a match.")]
    matched_sum: Annotated[BalanceAmount, Field(description="What they come to.")]
    explained: Annotated[Count, Field(description="Open breaks with nothing wrong yet.")]
    explained_difference: Annotated[BalanceAmount, Field(description="What they come to.")]
    unexplained: Annotated[Count, Field(description="All other open breaks.")]
    unexplained_difference: Annotated[BalanceAmount, Field(description="What they come to.")]
    adjusted: Annotated[Count, Field(description="Breaks that an entry was posted for.")]
    resolved: Annotated[Count, Field(description="Breaks that nothing is to be done about.")]


class ReconciliationReportResponse(Response):
    """By day, then source."""

    from_day: Annotated[Day, Field(description="The first day.")]
    to_day: Annotated[Day, Field(description="The last one.")]
    as_of: Annotated[Day, Field(description="By which explained is told from unexplained.")]
    unexplained: Annotated[Count, Field(description="Of all days.")]
    days: Annotated[list[ReportedDay], Field(description="Those on which there is something to tell.")]


def file_body(file: FileRecord) -> dict[str, Any]:
    same = ("source", "source_version", "bytes", "currency", "lines", "matched", "repeats", "open_breaks", "is_matched")
    return {
        "id": render_id(Prefix.RECONCILIATION_FILE, file.id),
        **{name: getattr(file, name) for name in (*same, "actor")},
        **{name: _amount(getattr(file, name)) for name in ("money_in", "money_out", "opening", "closing")},
        "sha256": file.sha256.hex(),
        "from_day": file.from_on.isoformat(),
        "to_day": file.to_on.isoformat(),
        "received_at": render_time(file.received_at),
    }


def report_body(report: ReconciliationReport) -> dict[str, Any]:
    amounts = ("lines_sum", "matched_sum", "explained_difference", "unexplained_difference")
    return {
        "from_day": report.from_on.isoformat(),
        "to_day": report.to_on.isoformat(),
        "as_of": report.as_of.isoformat(),
        "unexplained": report.unexplained,
        "days": [
            {**asdict(day), "day": day.day.isoformat(), **{name: _amount(getattr(day, name)) for name in amounts}}
            for day in report.days
        ],
    }


def _amount(amount: Any) -> str | None:
    return None if amount is None else render_amount(amount)
