"""Signed checkpoints as readers ask for them, the keys they are checked with, and that one follows another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.db.credentials.checkpoint_keys import CheckpointKeyRecord, list_checkpoint_keys
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.signed_checkpoints import SignedRoot, list_roots, root_of_size
from zerosum.domain.errors import InvalidParameter, NotFound
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.proof_log.documents import key_of, note_of
from zerosum.services.proof_log.proofs import consistency_proof
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCheckpoint:
    """`note` is the whole of it as text, to be kept."""

    number: int
    size: int
    root: bytes
    sealed_at: datetime
    key_id: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """`verifier_key` is its public half in the form in which a verifier takes it, for the caller's ledger."""

    record: CheckpointKeyRecord
    verifier_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """The second tree began as the first: so the proof shows to whoever has both roots."""

    first: ShownCheckpoint
    second: ShownCheckpoint
    proof: Sequence[bytes]


class SignedCheckpoints:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def list(self, caller: Caller, request: PageRequest) -> Page[ShownCheckpoint]:
        position = self._cursors.position(caller.ledger_id, request)
        after = position.after_as(int)
        async with self._database.work(caller.ledger_id, SERVICE_LEDGER) as connection:
            rows = await list_roots(
                connection,
                caller.ledger_id,
                after=after,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
            keys = await keys_by_id(connection)
        found = [shown(row, keys) for row in rows]
        return self._cursors.page(caller.ledger_id, request, position, found, lambda one: one.number)

    async def get(self, caller: Caller, size: int) -> ShownCheckpoint:
        """Raises NotFound."""
        async with self._database.work(caller.ledger_id, SERVICE_LEDGER) as connection:
            return shown(await found_of_size(connection, caller.ledger_id, size), await keys_by_id(connection))

    async def consistency(self, caller: Caller, first: int, second: int) -> Consistency:
        """Both are sizes of checkpoints. Raises NotFound, InvalidParameter."""
        if first > second:
            raise InvalidParameter("The first checkpoint has more leaves than the second.", pointer="from")
        async with self._database.work(caller.ledger_id, SERVICE_LEDGER) as connection:
            both = [await found_of_size(connection, caller.ledger_id, size) for size in (first, second)]
            keys = await keys_by_id(connection)
            proof = await consistency_proof(connection, caller.ledger_id, first, second)
        return Consistency(first=shown(both[0], keys), second=shown(both[1], keys), proof=proof)

    async def keys(self, caller: Caller) -> Sequence[ShownKey]:
        """All that ever signed, the newest first."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            records = await list_checkpoint_keys(connection)
        return [ShownKey(record=one, verifier_key=key_of(caller.ledger_id, one)) for one in reversed(records)]


async def found_of_size(connection: Connection, ledger_id: UUID, size: int) -> SignedRoot:
    """Raises NotFound."""
    found = await root_of_size(connection, ledger_id, size)
    if found is None:
        raise NotFound(f"There is no checkpoint of the size {size}.", size=size)
    return found


async def keys_by_id(connection: Connection) -> dict[str, CheckpointKeyRecord]:
    """In a unit of work that has the service's ledger too."""
    return {key.id: key for key in await list_checkpoint_keys(connection)}


def shown(checkpoint: SignedRoot, keys: Mapping[str, CheckpointKeyRecord]) -> ShownCheckpoint:
    return ShownCheckpoint(
        number=checkpoint.number,
        size=checkpoint.size,
        root=checkpoint.root,
        sealed_at=checkpoint.sealed_at,
        key_id=checkpoint.key_id,
        note=note_of(checkpoint, keys[checkpoint.key_id]),
    )
