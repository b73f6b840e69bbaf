"""What each role may do, in the words of the API: the console has no rights of its own."""

from __future__ import annotations

from zerosum.domain.console_roles import Role
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope

READS = frozenset(
    {
        Scope.ACCOUNTS_READ,
        Scope.JOURNAL_READ,
        Scope.PAYMENTS_READ,
        Scope.EVENTS_READ,
        Scope.REPORTS_READ,
        Scope.RECONCILIATION_READ,
    }
)

SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: READS,
    Role.OPERATOR: READS
    | {
        Scope.ACCOUNTS_WRITE,
        Scope.JOURNAL_WRITE,
        Scope.PAYMENTS_WRITE,
        Scope.WEBHOOKS_WRITE,
        Scope.NOTIFICATIONS_WRITE,
        Scope.RECONCILIATION_WRITE,
    },
    # Who approves what others have begun begins nothing.
    Role.APPROVER: READS | {Scope.REVIEWS_WRITE},
    Role.ADMIN: TENANT_SCOPES,
}
