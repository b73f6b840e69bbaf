"""The books prove themselves: every link, sum, version and stored balance of a ledger is computed again.

| part | looks at |
| --- | --- |
| `proof_of_accounts` | accounts with their postings (`proof_of_chains`) and histories (`proof_of_histories`) |
| `proof_of_checkpoints` | what accounts came to, sealed beside their postings |
| `proof_of_entries` | journal entries with their payments and client transactions (`proof_of_fingerprints`) |
| `proof_of_events` | what was announced |
| `refusal_seals` | refusals, against the seals of the worker |

None shares code with what writes the books. A proof goes slice by slice: `zerosum verify` takes all of them at one
moment, the worker's self-audit each at a moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.integrity import count_postings, currency_places
from zerosum.db.queries.pages import look_up_by_key
from zerosum.domain.money.iso4217 import ISO_4217
from zerosum.services.proofs.of_accounts import AccountsProof
from zerosum.services.proofs.of_checkpoints import CheckpointsProof
from zerosum.services.proofs.of_entries import ClientTransactionsProof, EntriesProof
from zerosum.services.proofs.of_events import EventsProof
from zerosum.services.proofs.refusal_seals import SealsProof
from zerosum.services.proofs.report import BREAKS_MAX as BREAKS_MAX
from zerosum.services.proofs.report import Break as Break
from zerosum.services.proofs.report import Report as Report

ISO_PLACES = {code: places for code, (places, _) in ISO_4217.items()}


class Part(Protocol):
    async def take_slice(self, connection: Connection) -> bool:
        """Whether that was the last one."""
        ...


class LedgerProof:
    """A proof of one ledger, as far as it has come. `horizon` is that of `EventsProof`."""

    def __init__(self, ledger_id: UUID, *, horizon: int | None = None) -> None:
        self.report = Report(ledger_id)
        self._horizon = horizon
        self._parts: list[Part] | None = None

    async def take_slice(self, connection: Connection) -> bool:
        """A bounded piece of it. Whether that was the last one."""
        await look_up_by_key(connection)
        if self._parts is None:
            self._parts = await self._begun(connection)
        if await self._parts[0].take_slice(connection):
            self._parts.pop(0)
        return not self._parts

    async def _begun(self, connection: Connection) -> list[Part]:
        report = self.report
        places = ISO_PLACES | await currency_places(connection, report.ledger_id)
        events = EventsProof(report, horizon=self._horizon)
        return [
            AccountsProof(report, places),
            CheckpointsProof(report),
            EntriesProof(report, events.expect),
            ClientTransactionsProof(report),
            events,
            SealsProof(report),
        ]


async def verify_ledger(database: Database, ledger_id: UUID, on_progress: Callable[[int, int], None]) -> Report:
    """Everything, in one consistent look. `on_progress` is told how many postings of how many were walked."""
    proof = LedgerProof(ledger_id)
    async with database.snapshot(ledger_id) as connection:
        total = await count_postings(connection, ledger_id)
        while not await proof.take_slice(connection):
            on_progress(proof.report.postings, total)
    on_progress(total, total)
    return proof.report
