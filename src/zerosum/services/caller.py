"""On whose behalf a use case runs."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.domain.identifiers import LedgerId


@dataclass(frozen=True, slots=True)
class Caller:
    """The ledger comes from the credential, never from the request; the actor is written into every entry."""

    ledger_id: LedgerId
    actor: str
