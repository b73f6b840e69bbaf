"""Breaks: what has no match on the other side, and what is done about it, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.domain.reconciliation.open_items import ItemKind

CHANGES_MAX = 1_000
"""Of one break, by people. Each is kept for ever."""


class BreakKind(StrEnum):
    """What is missing, and where."""

    MISSING_HERE = "missing_here"
    """A line of the file that our books know nothing of."""
    MISSING_THERE = "missing_there"
    """An entry of ours in the days of a file that has no line for it."""
    DIFFERENT = "different"
    """Line and entry share a reference, and do not fit."""


class BreakState(StrEnum):
    """Only the first two lead on."""

    OPEN = "open"
    ADJUSTING = "adjusting"
    """An entry is being posted for it; where whoever did so has died, the same request again goes on."""
    RESOLVED = "resolved"
    """A person has said why nothing is to be done."""
    MATCHED = "matched"
    """The other side has come later."""
    ADJUSTED = "adjusted"
    """By an entry that was posted for it."""


class Explanation(StrEnum):
    """Why there is nothing wrong with a break yet. All else is unexplained."""

    IN_TRANSIT = "in_transit"
    """It is so young that the outside need not know of it."""
    VALUE_DATE = "value_date"
    """The money is there on a later day only."""
    BY_HAND = "by_hand"
    """A person has said so."""


class BreakStep(StrEnum):
    OPENED = "opened"
    ASSIGNED = "assigned"
    NOTED = "noted"
    EXPLAINED = "explained"
    RESOLVED = "resolved"
    MATCHED = "matched"
    ADJUSTING = "adjusting"
    REOPENED = "reopened"
    """The books have refused the adjustment."""
    ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationBreak:
    """`explained_until` None beside an explanation: for good."""

    id: UUID
    source: str
    run_id: UUID
    kind: ItemKind
    holder_id: UUID
    number: int
    entry_id: UUID | None
    is_different: bool
    amount: Decimal
    currency: str
    day: date
    opened_at: datetime
    state: BreakState = BreakState.OPEN
    explanation: Explanation | None = None
    explained_until: date | None = None
    owner: str | None = None
    note: str | None = None
    match_id: UUID | None = None
    changes: int = 1

    @property
    def what(self) -> BreakKind:
        if self.is_different:
            return BreakKind.DIFFERENT
        return BreakKind.MISSING_HERE if self.kind is ItemKind.LINE else BreakKind.MISSING_THERE

    def is_explained(self, today: date) -> bool:
        if self.explanation is None:
            return False
        return self.explained_until is None or self.explained_until >= today

    def left_as(self) -> Mapping[str, Any]:
        """What may change of it, as its history keeps it."""
        return {
            "state": self.state.value,
            "explanation": None if self.explanation is None else self.explanation.value,
            "explained_until": None if self.explained_until is None else self.explained_until.isoformat(),
            "owner": self.owner,
            "note": self.note,
            "match_id": None if self.match_id is None else str(self.match_id),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakChange:
    break_id: UUID
    number: int
    step: BreakStep
    actor: str
    changed_at: datetime
    left_as: Mapping[str, Any]
