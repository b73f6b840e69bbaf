"""Refusals are sealed by the worker, so that one that is taken away shows. Nothing is added where they are written.

A seal counts and digests the refusals of a span of time that is over, from the first of them on. Refusals that
were purged by age leave their seals behind, which then prove nothing any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.refusal_seals import (
    KeptRefusals,
    RefusalSeal,
    digest_refusals,
    find_kept,
    find_last_seal,
    find_nth_refusal,
    insert_seal,
    list_seals,
)
from zerosum.services.proofs.report import Report, part_of
from zerosum.services.proofs.sealing import SEALS_AT_ONCE, seal_on

SEALED_AFTER = timedelta(minutes=10)
"""A refusal bears the time at which its batch began. No transaction takes so long, and no clock is so wrong."""

REFUSALS_IN_A_SEAL = 20_000

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RefusalSeals:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def run_once(self) -> int:
        """How many seals were made, ledger by ledger, each in a transaction of its own."""
        made = 0
        async for ledger in every_ledger(self._database):
            made += await self.seal(ledger.id)
        return made

    async def seal(self, ledger_id: UUID) -> int:
        """How many seals were made, of what has been refused in this ledger since the last one."""
        return await seal_on(self._database, ledger_id, self._next, insert_seal)

    async def _next(self, connection: Connection, ledger_id: UUID) -> RefusalSeal | None:
        """None where nothing was refused since the last one."""
        last = await find_last_seal(connection, ledger_id)
        until_at = self._now() - SEALED_AFTER
        from_at = await find_nth_refusal(connection, ledger_id, last.until_at if last else _FIRST, until_at, 0)
        if from_at is None:
            return None
        beyond = await find_nth_refusal(connection, ledger_id, from_at, until_at, REFUSALS_IN_A_SEAL)
        if beyond is not None and beyond > from_at:
            until_at = beyond
        count, digest = await digest_refusals(connection, ledger_id, from_at, until_at)
        seal = RefusalSeal(
            ledger_id=ledger_id,
            number=1 if last is None else last.number + 1,
            from_at=from_at,
            until_at=until_at,
            refusals=count,
            digest=digest,
            sealed_at=self._now(),
            hash=b"",
        )
        return replace(seal, hash=_link(_genesis(ledger_id) if last is None else last.hash, seal))


class SealsProof:
    """The last part of a proof: refusals are those that were sealed."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._after = 0
        self._head = _genesis(report.ledger_id)
        self._until = _FIRST

    def position(self) -> dict[str, Any]:
        return {"after": self._after, "head": self._head.hex(), "until": self._until.isoformat()}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after, self._head = int(position["after"]), bytes.fromhex(position["head"])
        self._until = datetime.fromisoformat(position["until"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        ledger_id, limit = self._report.ledger_id, part_of(SEALS_AT_ONCE, share)
        seals = await list_seals(connection, ledger_id, after=self._after, limit=limit)
        kept = await find_kept(connection, ledger_id)
        for seal in seals:
            self._look_at(seal)
            if not _may_be_purged(seal, kept):
                # From the end of the one before: nothing was refused in between.
                found = await digest_refusals(connection, ledger_id, self._until, seal.until_at)
                if found != (seal.refusals, seal.digest):
                    self._report.note(
                        f"refusals were changed or taken away: {seal.refusals} were sealed between "
                        f"{seal.from_at:%Y-%m-%dT%H:%M:%SZ} and {seal.until_at:%Y-%m-%dT%H:%M:%SZ}, "
                        f"there are {found[0]}"
                    )
            self._after, self._head, self._until = seal.number, seal.hash, seal.until_at
        return len(seals) < limit

    def _look_at(self, seal: RefusalSeal) -> None:
        if seal.number != self._after + 1:
            self._report.note(f"the seal {self._after + 1} of refusals is missing")
        elif seal.from_at < self._until or _link(self._head, seal) != seal.hash:
            self._report.note(f"the seal {seal.number} of refusals does not follow from the one before")


def _may_be_purged(seal: RefusalSeal, kept: KeptRefusals) -> bool:
    """Whether some of it may have been taken away by age: the purge takes the oldest first, after thirty days."""
    return seal.from_at < kept.since and (kept.oldest is None or seal.from_at <= kept.oldest)


def _genesis(ledger_id: UUID) -> bytes:
    return hashlib.sha256(b"zerosum.refusals-genesis.v1" + ledger_id.bytes).digest()


def _link(previous: bytes, seal: RefusalSeal) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it."""
    times = [(moment - _FIRST) // _MICROSECOND for moment in (seal.from_at, seal.until_at, seal.sealed_at)]
    own = "|".join(map(str, (seal.number, *times, seal.refusals, seal.digest.hex())))
    return hashlib.sha256(b"zerosum.refusals.v1" + previous + own.encode()).digest()
