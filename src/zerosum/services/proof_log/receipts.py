"""A receipt: what was posted, and the proof that it stands in the log under a signed checkpoint.

It is checked without us: the hashes of its postings are worked out from what it says, they make its leaf, the leaf and
the proof make the root, and the root is signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import settling_entry
from zerosum.db.queries.proof_log_entries import entries_with_postings
from zerosum.db.queries.signed_checkpoints import list_roots, place_of_entry
from zerosum.domain.errors import JournalEntryNotFound, NotFound, NotSealedYet, PaymentNotFound
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, parse_id
from zerosum.services.proof_log.checkpoints import ShownCheckpoint, found_of_size, keys_by_id, shown
from zerosum.services.proof_log.documents import entry_document, key_of
from zerosum.services.proof_log.proofs import inclusion_proof
from zerosum.services.requests.caller import Caller

SEALED_WITHIN_SECONDS = 5
"""Which a caller is asked to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """`entry` is a document (`documents.py`); `proof` leads from the leaf at `place` to the checkpoint's root."""

    entry: dict[str, Any]
    place: int
    proof: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`settlement` is of what a processor was asked for: what it has said of that, as far as the checkpoint has it."""

    ledger_id: UUID
    proven: Proven
    settlement: Proven | None
    checkpoint: ShownCheckpoint
    verifier_key: str


class Receipts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_entry(self, caller: Caller, name: str, size: int | None = None) -> Receipt:
        """Under the checkpoint of this size, or the newest. Raises JournalEntryNotFound, NotSealedYet, NotFound."""
        found = await self._find(caller, parse_id(Prefix.JOURNAL_ENTRY, name), size)
        if found is None:
            raise JournalEntryNotFound("There is no such journal entry.")
        return found

    async def of_payment(self, caller: Caller, name: str, size: int | None = None) -> Receipt:
        """Of the entry that bears its id. Raises PaymentNotFound, NotSealedYet, NotFound."""
        found = await self._find(caller, parse_id(Prefix.PAYMENT, name), size)
        if found is None:
            raise PaymentNotFound("Nothing was posted under this payment's id.")
        return found

    async def _find(self, caller: Caller, entry_id: UUID, size: int | None) -> Receipt | None:
        ledger_id = caller.ledger_id
        async with self._database.work(ledger_id, SERVICE_LEDGER) as connection:
            settled_by = await settling_entry(connection, ledger_id, entry_id)
            wanted = [entry_id] if settled_by is None else [entry_id, settled_by]
            entries, postings = await entries_with_postings(connection, ledger_id, wanted)
            if entry_id not in entries:
                return None
            places = {
                id_: await place_of_entry(connection, ledger_id, id_, found.moment) for id_, found in entries.items()
            }
            place = places[entry_id]
            if size is None:
                newest = await list_roots(connection, ledger_id, after=None, limit=1, is_ascending=False)
                sealed = newest[0] if newest else None
            else:
                sealed = await found_of_size(connection, ledger_id, size)
            if size is not None and (place is None or place >= size):
                raise NotFound(f"The checkpoint of the size {size} does not have it.", size=size)
            if place is None or sealed is None or place >= sealed.size:
                raise NotSealedYet("No checkpoint has it yet.", retry_after=SEALED_WITHIN_SECONDS)
            proven = {
                id_: Proven(
                    entry=entry_document(entries[id_], postings[id_]),
                    place=at,
                    proof=await inclusion_proof(connection, ledger_id, at, sealed.size),
                )
                for id_, at in places.items()
                if at is not None and at < sealed.size
            }
            keys = await keys_by_id(connection)
        return Receipt(
            ledger_id=ledger_id,
            proven=proven[entry_id],
            settlement=None if settled_by is None else proven.get(settled_by),
            checkpoint=shown(sealed, keys),
            verifier_key=key_of(ledger_id, keys[sealed.key_id]),
        )
