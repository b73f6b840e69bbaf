"""Events of the feed, and what became of a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zerosum.client.models.model import Model


@dataclass(frozen=True, kw_only=True)
class Resource(Model):
    """What an event or a key is about."""

    type: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Event(Model):
    """A fact. `data` is the resource as it was then; its amounts are texts, as on the wire."""

    id: str
    type: str
    created_at: datetime
    ledger: str
    resource: Resource
    account_versions: Mapping[str, int]
    data: Mapping[str, Any]
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class EventPage(Model):
    """Go on with `after=next_after`."""

    data: tuple[Event, ...]
    has_more: bool
    next_after: str | None


@dataclass(frozen=True, kw_only=True)
class KeyOutcome(Model):
    """`posted` with its resource, or `refused` with the problem."""

    key: str
    outcome: str
    created_at: datetime
    resource: Resource | None = None
    problem: Mapping[str, Any] | None = None
