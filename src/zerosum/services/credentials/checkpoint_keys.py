"""The keys that sign checkpoints: Ed25519, sealed in PostgreSQL, each vouched for by the one before it.

Whoever holds one public key of an installation can follow to the next: the old key signs the new one (its endorsement).
A key that was lost with the master keys cannot; its successor has no endorsement, and has to be handed over anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.credentials.checkpoint_keys import CheckpointKeyRecord as CheckpointKeyRecord
from zerosum.db.credentials.checkpoint_keys import end_checkpoint_keys, insert_checkpoint_key, list_checkpoint_keys
from zerosum.db.engine import Connection, Database
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.proof_log.note import ED25519
from zerosum.services.audit import audit_record, audited
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.requests.caller import THE_SERVICE, Caller

_LOCK = "checkpoint keys"
_PLACE = {"table": "checkpoint_keys", "column": "sealed_private_key"}


class CheckpointKey(NamedTuple):
    """The one that signs now."""

    id: str
    algorithm: int
    public_key: bytes
    private_key: Ed25519PrivateKey

    def sign(self, text: str) -> bytes:
        return self.private_key.sign(text.encode())


class CheckpointKeys:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._opened: CheckpointKey | None = None

    async def every(self) -> Sequence[CheckpointKeyRecord]:
        """All there ever were, the oldest first."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            return await list_checkpoint_keys(connection)

    async def current(self, now: datetime) -> CheckpointKey:
        """The key to sign with; the first one is made here. Raises SealBroken where it cannot be opened."""
        living = _living(await self.every())
        if living is None:
            await self._add(now, THE_SERVICE, is_forced=False)
            living = _living(await self.every())
        if living is None:
            raise LookupError("a key that was made just now has ended already")
        return await self._open(living)

    async def rotate(self, now: datetime, caller: Caller = THE_SERVICE) -> str:
        """Make the next key, which signs from now on; its id. The present one vouches for it, and ends."""
        return await self._add(now, caller, is_forced=True)

    async def end_all(self, connection: Connection, now: datetime) -> None:
        """Where their seals cannot be opened any more. The next checkpoint gets a new key, which nobody vouches for."""
        await lock_until_commit(connection, _LOCK)
        await end_checkpoint_keys(connection, now)

    async def _add(self, now: datetime, caller: Caller, *, is_forced: bool) -> str:
        """Several processes may come here at once: all but the first find that the key has been made."""
        before = _living(await self.every())
        endorser = None if before is None else await self._open(before)
        record = await self._made(endorser, now)
        async with self._database.work(SERVICE_LEDGER) as connection:
            await lock_until_commit(connection, _LOCK)
            living = _living(await list_checkpoint_keys(connection))
            if living is not None and (not is_forced or before is None or living.id != before.id):
                return living.id
            await end_checkpoint_keys(connection, now)
            await insert_checkpoint_key(connection, record)
            facts = {"endorsed_by": record.endorser_id}
            told = audit_record(AuditType.CHECKPOINT_KEY_ROTATED, caller, now, resource=record.id, facts=facts)
            await audited(connection, told)
        return record.id

    async def _made(self, endorser: CheckpointKey | None, now: datetime) -> CheckpointKeyRecord:
        private_key = Ed25519PrivateKey.generate()
        public_key = private_key.public_key().public_bytes_raw()
        id_ = key_id(ED25519, public_key)
        sealed = await self._sealer.seal(SERVICE_LEDGER, private_key.private_bytes_raw(), row_id=id_, **_PLACE)
        record = CheckpointKeyRecord(
            id=id_, algorithm=ED25519, public_key=public_key, sealed_private_key=sealed, created_at=now
        )
        if endorser is None:
            return record
        return replace(record, endorser_id=endorser.id, endorsement=endorser.sign(endorsed_text(ED25519, public_key)))

    async def _open(self, record: CheckpointKeyRecord) -> CheckpointKey:
        if self._opened is None or self._opened.id != record.id:
            raw = await self._sealer.open(SERVICE_LEDGER, record.sealed_private_key, row_id=record.id, **_PLACE)
            private_key = Ed25519PrivateKey.from_private_bytes(raw)
            self._opened = CheckpointKey(record.id, record.algorithm, record.public_key, private_key)
        return self._opened


def key_id(algorithm: int, public_key: bytes) -> str:
    return sha256(bytes([algorithm]) + public_key).hexdigest()[:32]


def endorsed_text(algorithm: int, public_key: bytes) -> str:
    """What a key signs that vouches for its successor."""
    return f"zerosum checkpoint key v1\n{algorithm}\n{public_key.hex()}\n"


def is_signed(record: CheckpointKeyRecord, text: str, signature: bytes) -> bool:
    """Whether the signature over the text is that key's. Not, where the algorithm is none that is known."""
    if record.algorithm != ED25519:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(record.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _living(records: Sequence[CheckpointKeyRecord]) -> CheckpointKeyRecord | None:
    living = [record for record in records if record.ended_at is None]
    return living[-1] if living else None
