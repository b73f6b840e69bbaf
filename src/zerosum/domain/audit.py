"""What the security log tells of. Each is a fact in the past tense, and a stable word for programs."""

from __future__ import annotations

from enum import StrEnum


class AuditType(StrEnum):
    """A new member is a row in the table of `docs/API.md`."""

    CREDENTIAL_REFUSED = "credential.refused"
    SCOPE_DENIED = "scope.denied"
    REFUSALS_SUPPRESSED = "refusals.suppressed"
    LEDGER_CREATED = "ledger.created"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    OPERATOR_CREATED = "operator.created"
    OPERATOR_REVOKED = "operator.revoked"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen"
    ACCOUNT_CLOSED = "account.closed"
    ACCOUNT_LIMITS_CHANGED = "account.limits_changed"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    SIGNING_KEY_WITHDRAWN = "signing_key.withdrawn"
    DATA_KEYS_REWRAPPED = "data_keys.rewrapped"
    DATA_KEY_ROTATED = "data_key.rotated"
    SECRETS_ACCEPTED = "secrets.accepted"
    DIFFERENCE_FOUND = "difference.found"
