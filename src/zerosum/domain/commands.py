"""A command: one intended change of one ledger. HTTP, files and brokers all make the same ones.

Concrete commands stand beside the rules they call: `ledger/post_entry.py`, `payments/pay.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from zerosum.domain.identifiers import LedgerId

NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command carries.

    `id` becomes the id of the journal entry and of the resource the command makes; a retry after a rollback may use
    it again. `fingerprint` is a SHA-256 over the canonical request: the same key with another fingerprint is refused.
    """

    id: UUID
    ledger_id: LedgerId
    idempotency_key: str
    fingerprint: bytes
    actor: str
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    is_remembered: bool = True
    """False: its key was made for this one call. Nobody can ask for it again, so nothing is kept under it."""

    def further_id(self, number: int) -> UUID:
        """Of what else this command makes: an id of its own, the same one however often the command is tried.

        A UUIDv7 (RFC 9562) ends in random bits, so a few ids behind one are as unique as it is itself.
        """
        return UUID(int=self.id.int + number)
