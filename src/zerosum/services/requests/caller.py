"""On whose behalf a use case runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId


@dataclass(frozen=True, slots=True)
class Caller:
    """The ledger comes from the credential, never from the request; the actor is written into every entry.

    Where it calls from is for the security log only: `address` and the request's id, None for a command on the machine.
    """

    ledger_id: LedgerId
    actor: str
    address: str | None = field(default=None, compare=False)
    request_id: str | None = field(default=None, compare=False)


THE_SERVICE = Caller(SERVICE_LEDGER, "service")
"""What is done by itself, when it is time."""
