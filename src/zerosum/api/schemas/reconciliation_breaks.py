"""Breaks of reconciliation on the wire."""

from __future__ import annotations

from collections.abc import Sequence
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
from zerosum.api.schemas.reconciliation import DAY_PATTERN_TEXT, Day
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
from zerosum.services.reconciliation.breaks import ToldLine

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


class ReconciliationBreakStep(Response):
    """One step of a break's life. None is ever changed."""

    number: Annotated[int, Field(description="From 1, without a gap.", examples=[1])]
    step: Annotated[BreakStepName, Field(description="What was done.", examples=["opened"])]
    actor: Annotated[str, Field(description="Who did it.", examples=[f"key_{EXAMPLE_UUID}"])]
    changed_at: Annotated[Time, Field(description="When.")]
    left_as: Annotated[dict[str, Any], Field(description="What the break was then.", examples=[{"state": "open"}])]


class ReconciliationBreakResponse(Response):
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


class ReconciliationToldLine(Response):
    """What the other side has said of a line."""

    booked_on: Annotated[Day, Field(description="On which day it was booked there.")]
    value_on: Annotated[Day | None, Field(description="From which day it counts there, or null.")]
    id: Annotated[str | None, Field(description="How the other side calls it, or null.", examples=["po_71"])]
    references: Annotated[list[str], Field(description="By which it is matched.", examples=[["payout-1"]])]
    description: Annotated[str | None, Field(description="In its own words, or null.", examples=["Bank charges"])]


class ReconciliationBreakDetail(ReconciliationBreakResponse):
    """The same with all its steps."""

    told: Annotated[
        ReconciliationToldLine | None, Field(description="Of a line: what the other side has said of it; or null.")
    ]

    steps: Annotated[list[ReconciliationBreakStep], Field(description="In their order.")]


class ReconciliationBreakAdjustment(ReconciliationBreakResponse):
    """The same, with the entry that was posted for it."""

    adjustment: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "What was posted for it.")]


class AssignBreakRequest(Request):
    """Whose it is."""

    owner: Annotated[Text | None, Field(description="Who sees to it; null: nobody.", examples=["dana"])]


class NoteBreakRequest(Request):
    """What is known of it."""

    note: Annotated[Text, Field(description="In place of the one before.", examples=["Asked the bank."])]


class ExplainBreakRequest(Request):
    """Why there is nothing wrong with it yet."""

    reason: Annotated[Reason, Field(description="Why.", examples=["The bank books it on Monday"])]
    until: Annotated[GivenDay | None, Field(description="Up to this day; by default for good.")] = None


class ResolveBreakRequest(Request):
    """Why nothing is to be done about it."""

    reason: Annotated[Reason, Field(description="Why.", examples=["Settled outside, see ticket 4711"])]


class AdjustBreakRequest(Request):
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


def _told_line(line: ToldLine) -> dict[str, Any]:
    return {
        "booked_on": line.booked_on.isoformat(),
        "value_on": None if line.value_on is None else line.value_on.isoformat(),
        "id": line.outside_id,
        "references": list(line.references),
        "description": line.description,
    }


def break_detail(
    one: ReconciliationBreak, steps: Sequence[BreakChange], line: ToldLine | None, today: date
) -> dict[str, Any]:
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
    said = None if line is None else _told_line(line)
    return {**break_body(one, today), "told": said, "steps": told}
