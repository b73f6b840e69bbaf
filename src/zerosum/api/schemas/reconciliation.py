"""Files, breaks and the report of reconciliation on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    BalanceAmount,
    CurrencyCode,
    GivenMetadata,
    Moment,
    OneOf,
    Reason,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.reconciliation_sources import SourceName
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.reconciliation.breaks import (
    BreakChange,
    BreakKind,
    BreakState,
    BreakStep,
    Explanation,
    ReconciliationBreak,
)
from zerosum.domain.reconciliation.open_items import ItemKind
from zerosum.services.reconciliation.adjustments import AdjustmentOrder
from zerosum.services.reconciliation.files import FileRecord
from zerosum.services.reconciliation.reports import ReconciliationReport

DAY_PATTERN_TEXT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
BreakStateName = Annotated[str, OneOf(BreakState)]
BreakKindName = Annotated[str, OneOf(BreakKind)]
ExplanationName = Annotated[str, OneOf(Explanation)]
BreakStepName = Annotated[str, OneOf(BreakStep)]


def _day(value: Any) -> Any:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("day", "A day is written like 2026-11-21.")


GivenDay = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "pattern": DAY_PATTERN_TEXT, "examples": ["2026-11-21"]}, mode="validation"),
]
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


class BreakStepResponse(Response):
    """One step of a break's life. None is ever changed."""

    number: Annotated[int, Field(description="From 1, without a gap.", examples=[1])]
    step: Annotated[BreakStepName, Field(description="What was done.", examples=["opened"])]
    actor: Annotated[str, Field(description="Who did it.", examples=[f"key_{EXAMPLE_UUID}"])]
    changed_at: Annotated[Time, Field(description="When.")]
    left_as: Annotated[dict[str, Any], Field(description="What the break was then.", examples=[{"state": "open"}])]


class BreakResponse(Response):
    """What has no match on the other side."""

    id: Annotated[str, id_field(Prefix.RECONCILIATION_BREAK, "The break.")]
    source: SourceName
    kind: Annotated[
        BreakKindName,
        Field(
            description="`missing_here`: a line that our books know nothing of. `missing_there`: an entry without a "
            "line. `different`: it shares a reference with something on the other side, and does not fit."
        ),
    ]
    state: Annotated[BreakStateName, Field(description="Of these only `open` can be worked on.")]
    amount: Annotated[BalanceAmount, Field(description="Above zero what comes in for us.")]
    currency: CurrencyCode
    day: Annotated[Day, Field(description="When the money is there.")]
    age_days: Annotated[int, Field(description="Since then.", examples=[2])]
    is_explained: Annotated[bool, Field(description="Whether there is nothing wrong with it yet.", examples=[False])]
    explanation: Annotated[ExplanationName | None, Field(description="Why, or null.")]
    explained_until: Annotated[Day | None, Field(description="Up to this day; null: for good, where it is explained.")]
    owner: Annotated[str | None, Field(description="Who sees to it, or null.", examples=["dana"])]
    note: Annotated[str | None, Field(description="What is known of it, or null.", examples=["Asked the bank."])]
    file: Annotated[str | None, id_field(Prefix.RECONCILIATION_FILE, "Of a line, its file, or null.")]
    line: Annotated[int | None, Field(description="Its number there, or null.", examples=[7])]
    journal_entry: Annotated[str | None, id_field(Prefix.JOURNAL_ENTRY, "Of an entry of ours, or null.")]
    match: Annotated[str | None, id_field(Prefix.RECONCILIATION_MATCH, "What it has a match in now, or null.")]
    opened_at: Annotated[Time, Field(description="When it was found.")]


class BreakDetail(BreakResponse):
    """The same with all its steps."""

    steps: Annotated[list[BreakStepResponse], Field(description="In their order.")]


class BreakAdjustment(BreakResponse):
    """The same, with the entry that was posted for it."""

    adjustment: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "What was posted for it.")]


class AssignRequest(Request):
    """Whose it is."""

    owner: Annotated[Text | None, Field(description="Who sees to it; null: nobody.", examples=["dana"])]


class NoteRequest(Request):
    """What is known of it."""

    note: Annotated[Text, Field(description="In place of the one before.", examples=["Asked the bank."])]


class ExplainRequest(Request):
    """Why there is nothing wrong with it yet."""

    reason: Annotated[Reason, Field(description="Why.", examples=["The bank books it on Monday"])]
    until: Annotated[GivenDay | None, Field(description="Up to this day; by default for good.")] = None


class ResolveRequest(Request):
    """Why nothing is to be done about it."""

    reason: Annotated[Reason, Field(description="Why.", examples=["Settled outside, see ticket 4711"])]


class AdjustRequest(Request):
    """The entry that puts it right, whose amount and side follow from the break."""

    account: Annotated[AccountReference, Field(description="The other side of the entry.", examples=["expenses:fees"])]
    reason: Annotated[Reason, Field(description="Of the entry.", examples=["Bank charges of November"])]
    effective_at: Annotated[Moment | None, Field(description="When it happened; by default now.")] = None
    metadata: GivenMetadata = None

    def order(self) -> AdjustmentOrder:
        return AdjustmentOrder(
            account=self.account,
            reason=self.reason,
            effective_at=self.effective_at,
            metadata=self.metadata or {},
        )


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


def break_body(one: ReconciliationBreak, today: date) -> dict[str, Any]:
    is_line = one.kind is ItemKind.LINE
    until = one.explained_until
    return {
        "id": render_id(Prefix.RECONCILIATION_BREAK, one.id),
        "source": one.source,
        "kind": one.what.value,
        "state": one.state.value,
        "amount": render_amount(one.amount),
        "currency": one.currency,
        "day": one.day.isoformat(),
        "age_days": (today - one.day).days,
        "is_explained": one.is_explained(today),
        "explanation": None if one.explanation is None else one.explanation.value,
        "explained_until": None if until is None else until.isoformat(),
        "owner": one.owner,
        "note": one.note,
        "file": render_id(Prefix.RECONCILIATION_FILE, one.holder_id) if is_line else None,
        "line": one.number if is_line else None,
        "journal_entry": None if one.entry_id is None else render_id(Prefix.JOURNAL_ENTRY, one.entry_id),
        "match": None if one.match_id is None else render_id(Prefix.RECONCILIATION_MATCH, one.match_id),
        "opened_at": render_time(one.opened_at),
    }


def break_detail(one: ReconciliationBreak, steps: Sequence[BreakChange], today: date) -> dict[str, Any]:
    told = [
        {
            "number": step.number,
            "step": step.step.value,
            "actor": step.actor,
            "changed_at": render_time(step.changed_at),
            "left_as": dict(step.left_as),
        }
        for step in steps
    ]
    return {**break_body(one, today), "steps": told}


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
