"""The security log is sealed by the worker, so that a record that is taken away, changed or put in shows.

Nothing is added where records are written: whoever freezes an account waits for nobody. A seal counts and digests the
records behind the seal before it, in the order of their transactions, and only those that are settled: so nothing can
appear later among what was sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.audit_seals import (
    AuditSeal,
    find_audit_seal,
    find_last_audit_seal,
    insert_audit_seal,
    list_audit_seals,
    next_records,
    sealed_records,
    unsealed_ledgers,
)
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.services.proofs.of_signed_checkpoints import SignedCheckpointsProof
from zerosum.services.proofs.report import Report, part_of
from zerosum.services.proofs.sealing import SEALS_AT_ONCE, seal_on

RECORDS_IN_A_SEAL = 5_000

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AuditSeals:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def run_once(self) -> int:
        """How many seals were made, each in a transaction of its own."""
        async with self._database.operator_work() as connection:
            ledger_ids = await unsealed_ledgers(connection, SERVICE_LEDGER)
        return sum([await self.seal(ledger_id) for ledger_id in ledger_ids])

    async def seal(self, ledger_id: UUID) -> int:
        """How many seals were made, of what was written since the last one."""
        return await seal_on(self._database, ledger_id, self._next, insert_audit_seal)

    async def _next(self, connection: Connection, ledger_id: UUID) -> AuditSeal | None:
        """None where nothing that is settled was written since the last one."""
        last = await find_last_audit_seal(connection, ledger_id)
        found = await next_records(connection, ledger_id, last, RECORDS_IN_A_SEAL)
        if found.until_xid is None or found.until_id is None:
            return None
        seal = AuditSeal(
            ledger_id=ledger_id,
            number=1 if last is None else last.number + 1,
            until_xid=found.until_xid,
            until_id=found.until_id,
            records=found.records,
            digest=found.digest,
            sealed_at=self._now(),
            hash=b"",
        )
        return replace(seal, hash=_link(_genesis(ledger_id) if last is None else last.hash, seal))


class AuditSealsProof:
    """The security log is what was sealed."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: AuditSeal | None = None
        self._after = 0

    def position(self) -> dict[str, Any]:
        return {"after": self._after}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = int(position["after"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        ledger_id, limit = self._report.ledger_id, part_of(SEALS_AT_ONCE, share)
        if self._last is None and self._after:
            self._last = await find_audit_seal(connection, ledger_id, self._after)
        seals = await list_audit_seals(connection, ledger_id, after=self._after, limit=limit)
        for seal in seals:
            self._look_at(seal)
            found = await sealed_records(connection, ledger_id, self._last, seal)
            if (found.records, found.digest) != (seal.records, seal.digest):
                until = render_id(Prefix.AUDIT_RECORD, seal.until_id)
                self._report.note(f"the security log is not what was sealed up to {until}")
            self._last, self._after = seal, seal.number
        return len(seals) < limit

    def _look_at(self, seal: AuditSeal) -> None:
        before = _genesis(self._report.ledger_id) if self._last is None else self._last.hash
        if seal.number != self._after + 1:
            self._report.note(f"the seal {self._after + 1} of the security log is missing")
        elif _link(before, seal) != seal.hash:
            self._report.note(f"the seal {seal.number} of the security log does not follow from the one before")


async def prove_service_log(database: Database) -> Report:
    """The service's own log, which belongs to no ledger."""
    report = Report(SERVICE_LEDGER)
    async with database.snapshot(SERVICE_LEDGER) as connection:
        for proof in (AuditSealsProof(report), SignedCheckpointsProof(report)):
            while not await proof.take_slice(connection, 1.0):
                pass
    return report


def _genesis(ledger_id: UUID) -> bytes:
    return hashlib.sha256(b"zerosum.audit-genesis.v1" + ledger_id.bytes).digest()


def _link(previous: bytes, seal: AuditSeal) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it."""
    sealed_at = (seal.sealed_at - _FIRST) // _MICROSECOND
    own = "|".join(map(str, (seal.number, seal.until_xid, seal.until_id, seal.records, seal.digest.hex(), sealed_at)))
    return hashlib.sha256(b"zerosum.audit.v1" + previous + own.encode()).digest()
