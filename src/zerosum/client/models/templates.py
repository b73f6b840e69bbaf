"""Templates: journal entries that are written once and posted often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from zerosum.client.models.model import Model, Written


@dataclass(frozen=True, kw_only=True)
class TemplateMember(Model):
    """What has to be given for it."""

    type: str
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class TemplateLine(Model):
    """A posting of it; `amount` is a formula."""

    side: str
    account: str
    amount: str
    currency: str | None
    rounding: str | None


@dataclass(frozen=True, kw_only=True)
class Template(Written):
    """One version of it."""

    name: str
    version: int
    description: str | None
    reason: str | None
    rounding: str
    parameters: Mapping[str, TemplateMember]
    postings: tuple[TemplateLine, ...]
    created_at: datetime
    actor: str
