"""Who is calling, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from zerosum.domain.identifiers import LedgerId
from zerosum.services.caller import Caller

ACTOR_CHARACTERS_MAX = 200


class Scope(StrEnum):
    """What a credential allows. A new member is a new right: give it to no one who did not ask for it."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    JOURNAL_READ = "journal:read"
    JOURNAL_WRITE = "journal:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    EVENTS_READ = "events:read"
    WEBHOOKS_WRITE = "webhooks:write"
    REPORTS_READ = "reports:read"
    ADMIN = "admin"
    """Administration of the whole service, across ledgers. It implies none of the others."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `actor` is written into every journal entry: "key_<uuid>" for an API key and for tokens issued to it,
    "<issuer>|<subject>" for tokens of other issuers. `rate_key` names the budget its requests are counted against.
    """

    ledger_id: LedgerId
    actor: str
    scopes: frozenset[Scope]
    rate_key: str

    @property
    def caller(self) -> Caller:
        return Caller(self.ledger_id, self.actor)


def known_scopes(texts: Iterable[str]) -> frozenset[Scope]:
    """The scopes among `texts` that are ours; foreign ones ("openid") give no right and do no harm."""
    return frozenset(scope for scope in Scope if scope.value in set(texts))
