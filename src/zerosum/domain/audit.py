"""What the security log tells of. Each is a fact in the past tense, and a stable word for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.domain.identifiers import LedgerId


class AuditType(StrEnum):
    """A new member is a row in the table of `docs/API.md`."""

    CREDENTIAL_REFUSED = "credential.refused"
    SCOPE_DENIED = "scope.denied"
    REFUSALS_SUPPRESSED = "refusals.suppressed"
    LEDGER_CREATED = "ledger.created"
    LEDGER_CHANGED = "ledger.changed"
    PERIOD_CLOSED = "period.closed"
    CURRENCY_DEFINED = "currency.defined"
    CHART_CHANGED = "chart.changed"
    ACCOUNT_GROUP_CHANGED = "account_group.changed"
    ROUTES_CHANGED = "routes.changed"
    RULES_FILE_CHANGED = "rules_file.changed"
    PROCESSORS_FILE_CHANGED = "processors_file.changed"
    HOUSE_RULES_CHANGED = "house_rules.changed"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    OPERATOR_CREATED = "operator.created"
    OPERATOR_REVOKED = "operator.revoked"
    DEAD_LETTER_REPLAYED = "dead_letter.replayed"
    DEAD_LETTER_DROPPED = "dead_letter.dropped"
    PROCESSOR_CALL_SETTLED = "processor_call.settled"
    REVIEW_APPROVED = "review.approved"
    REVIEW_REFUSED = "review.refused"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen"
    ACCOUNT_CLOSED = "account.closed"
    ACCOUNT_LIMITS_CHANGED = "account.limits_changed"
    WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created"
    WEBHOOK_ENDPOINT_CHANGED = "webhook_endpoint.changed"
    WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted"
    WEBHOOK_ENDPOINT_ENABLED = "webhook_endpoint.enabled"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_SECRET_ROTATED = "webhook_endpoint.secret_rotated"  # noqa: S105 - not a secret
    WEBHOOK_EVENTS_REPLAYED = "webhook_endpoint.replayed"
    PUBLICATION_REWOUND = "publication.rewound"
    PUBLICATION_CHANGED = "publication.changed"
    PUBLICATION_DROPPED = "publication.dropped"
    RECONCILIATION_SOURCE_CHANGED = "reconciliation_source.changed"
    RECONCILIATION_BREAK_CHANGED = "reconciliation_break.changed"
    NOTIFICATION_CREATED = "notification.created"
    NOTIFICATION_CHANGED = "notification.changed"
    NOTIFICATION_DELETED = "notification.deleted"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    SIGNING_KEY_WITHDRAWN = "signing_key.withdrawn"
    CHECKPOINT_KEY_ROTATED = "checkpoint_key.rotated"
    SUBJECT_ERASED = "subject.erased"
    DATA_KEYS_REWRAPPED = "data_keys.rewrapped"
    DATA_KEY_ROTATED = "data_key.rotated"
    SECRETS_ACCEPTED = "secrets.accepted"
    CONSOLE_LINK_MADE = "console.link_made"
    CONSOLE_SIGNED_IN = "console.signed_in"
    CONSOLE_STEPPED_UP = "console.stepped_up"
    CONSOLE_SIGNED_OUT = "console.signed_out"
    CONSOLE_SESSION_ENDED = "console.session_ended"
    CONSOLE_VIEWED = "console.viewed"
    CONSOLE_ACTED = "console.acted"
    CONSOLE_ACT_ENDED = "console.act_ended"
    CONSOLE_PROPOSED = "console.proposed"
    CONSOLE_CONFIRMED = "console.confirmed"
    CONSOLE_DECLINED = "console.declined"
    CONSOLE_WITHDRAWN = "console.withdrawn"
    CONSOLE_LAPSED = "console.lapsed"
    CONSOLE_CARRIED_OUT = "console.carried_out"
    CONSOLE_REFUSED = "console.refused"
    DIFFERENCE_FOUND = "difference.found"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What is told of one occasion. Rows of SERVICE_LEDGER are about the service as a whole."""

    ledger_id: LedgerId
    id: UUID
    recorded_at: datetime
    type: AuditType
    actor: str | None
    address: str | None
    request_id: str | None
    resource: str | None
    reason: str | None = None
    occurrences: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)
