"""Seals of dropped events: what they said, added up as the proof of events adds them up, one chained to the other.

So a proof knows of what is gone as much as it would find: that entries and events come to the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.event_seals import EventSeal, event_seals_after
from zerosum.services.proofs.report import Report

SEALS_AT_ONCE = 200

BUCKETS = 256
MODULUS = 2**256

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class SealedEvents:
    """All seals of a ledger together. `until` is the time of the newest event of them, in microseconds."""

    number: int = 0
    until: int = -1
    sums: list[int] = field(default_factory=lambda: [0] * BUCKETS)


async def sealed_events(connection: Connection, report: Report) -> SealedEvents:
    """What is wrong with their chain is noted."""
    found, head, last_xid = SealedEvents(), genesis(report.ledger_id), -1
    while True:
        seals = await event_seals_after(connection, report.ledger_id, found.number, limit=SEALS_AT_ONCE)
        for seal in seals:
            if seal.number != found.number + 1:
                report.note(f"the seal {found.number + 1} of events is missing")
            elif seal.last.xid <= last_xid or link(head, seal) != seal.hash:
                report.note(f"the seal {seal.number} of events does not follow from the one before")
            for bucket, one in seal.sums.items():
                _add(report, found.sums, seal.number, bucket, one)
            found.number, head, last_xid = seal.number, seal.hash, seal.last.xid
            found.until = max(found.until, (seal.newest_at - _FIRST) // _MICROSECOND)
        if len(seals) < SEALS_AT_ONCE:
            return found


def _add(report: Report, sums: list[int], number: int, bucket: str, said: str) -> None:
    try:
        sums[int(bucket)] = (sums[int(bucket)] + int(said, 16)) % MODULUS
    except (IndexError, TypeError, ValueError):
        report.note(f"the seal {number} of events cannot be read")


def rendered(sums: Sequence[int]) -> Mapping[str, str]:
    return {str(bucket): f"{one:x}" for bucket, one in enumerate(sums) if one}


def genesis(ledger_id: UUID) -> bytes:
    return hashlib.sha256(b"zerosum.events-genesis.v1" + ledger_id.bytes).digest()


def link(previous: bytes, seal: EventSeal) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it."""
    times = [(moment - _FIRST) // _MICROSECOND for moment in (seal.newest_at, seal.sealed_at)]
    said = ",".join(f"{bucket}:{one}" for bucket, one in sorted(seal.sums.items()))
    own = "|".join(map(str, (seal.number, seal.last.xid, seal.last.id, seal.greatest_id, seal.events, *times, said)))
    return hashlib.sha256(b"zerosum.events.v1" + previous + own.encode()).digest()
