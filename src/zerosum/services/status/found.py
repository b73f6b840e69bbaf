"""What a look at the service finds: facts, not yet judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.db.queries.status import COUNTED_MAX as COUNTED_MAX  # shown by the routes
from zerosum.db.queries.status import Server, Waiting
from zerosum.services.publications.positions import PublicationState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """`differences` are by currency what is not zero; None where there are too many accounts to add up here."""

    differences: Mapping[str, Decimal] | None
    accounts: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """The self-audit, which proves all ledgers again and again."""

    differences: int
    ledgers_done: int
    begun_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Of all processes of the service; None where nothing counts them."""

    queued_commands: int | None
    requests_in_flight: int | None
    redis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was looked up. Without a `server` PostgreSQL is away, and the rest is not known."""

    as_of: datetime
    is_ready: bool
    load: Load
    ledgers: int = 0
    server: Server | None = None
    waiting: Waiting | None = None
    trial_balance: TrialBalance | None = None
    audit: AuditState | None = None
    webhooks_since: datetime | None = None
    publications: Sequence[PublicationState] = ()

    def seconds_since(self, moment: datetime | None) -> float:
        return 0.0 if moment is None else max(0.0, (self.as_of - moment).total_seconds())
