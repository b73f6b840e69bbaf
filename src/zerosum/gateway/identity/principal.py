"""Who is calling, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from zerosum.domain.errors import OriginNotAllowed
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.services.credentials.key_grants import OPERATOR_SCOPE, Granter
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.networks import Network, is_within, parse_network

if TYPE_CHECKING:
    # With it would come the database layer, before a command has looked at its settings.
    from zerosum.services.credentials.api_keys import ApiKeyRecord

ACTOR_CHARACTERS_MAX = 200


class Scope(StrEnum):
    """What a credential allows. A new member is a new right: give it to no one who did not ask for it."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    JOURNAL_READ = "journal:read"
    JOURNAL_WRITE = "journal:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    REVIEWS_WRITE = "reviews:write"
    """To approve and refuse payments that a rule has held for review."""
    EVENTS_READ = "events:read"
    WEBHOOKS_WRITE = "webhooks:write"
    NOTIFICATIONS_WRITE = "notifications:write"
    REPORTS_READ = "reports:read"
    RECONCILIATION_READ = "reconciliation:read"
    RECONCILIATION_WRITE = "reconciliation:write"
    PERSONAL_READ = "personal:read"
    """To read what was said about people."""
    PERSONAL_ERASE = "personal:erase"
    ADMIN = "admin"
    """Administration of the credential's own ledger. It implies none of the others."""
    OPERATOR = OPERATOR_SCOPE
    """Administration of the service, across ledgers. Given on the machine or by a trusted issuer, never over HTTP."""


ALL_SCOPES = frozenset(Scope)
TENANT_SCOPES = ALL_SCOPES - {Scope.OPERATOR}
"""What a ledger can give away."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `actor` is written into every journal entry: "key_<uuid>" for an API key and for tokens issued to it,
    "<issuer>|<subject>" for tokens of other issuers. `rate_key` names the budget its requests are counted against.
    An operator belongs to SERVICE_LEDGER, which has no books.
    """

    ledger_id: LedgerId
    actor: str
    scopes: frozenset[Scope]
    rate_key: str
    key_expires_at: datetime | None = None
    """When the API key ends that it has, or that its token was issued to."""
    networks: tuple[Network, ...] | None = None
    """Where requests must come from; None: from anywhere."""
    certificate_subject: str | None = None
    """Whose certificate the connection must have proved to hold; None: it needs none."""

    ledger_text: str = field(init=False, repr=False, compare=False)
    """The ledger as budgets are named by it: asked for with every request."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ledger_text", str(self.ledger_id))

    @property
    def caller(self) -> Caller:
        return Caller(self.ledger_id, self.actor)

    @property
    def is_operator(self) -> bool:
        return Scope.OPERATOR in self.scopes

    def check_origin(self, address: str, certificate_subject: str | None) -> None:
        """For every request, also of a credential that is remembered. Raises OriginNotAllowed."""
        if self.networks is not None and not is_within(address, self.networks):
            raise OriginNotAllowed("The credential may not be used from this address.", needs="network")
        if self.certificate_subject is not None and self.certificate_subject != certificate_subject:
            raise OriginNotAllowed("The credential needs the client certificate it is bound to.", needs="certificate")

    def granter(self, caller: Caller) -> Granter:
        """The same as who makes and revokes keys."""
        return Granter(
            caller=caller,
            scopes=frozenset(scope.value for scope in self.scopes),
            expires_at=self.key_expires_at,
            networks=self.networks,
            certificate_subject=self.certificate_subject,
        )


def principal_of_key(record: ApiKeyRecord, scopes: frozenset[Scope]) -> Principal:
    """Who has the key, or a token that was issued to it: bound to whatever the key is bound to."""
    actor = render_id(Prefix.API_KEY, record.id)
    return Principal(
        record.ledger_id,
        actor,
        scopes,
        rate_key=f"{record.ledger_id}:{actor}",
        key_expires_at=record.expires_at,
        networks=None if record.networks is None else tuple(map(parse_network, record.networks)),
        certificate_subject=record.certificate_subject,
    )


def known_scopes(texts: Iterable[str]) -> frozenset[Scope]:
    """The scopes among `texts` that are ours; foreign ones ("openid") give no right and do no harm."""
    return frozenset(scope for scope in Scope if scope.value in set(texts))
