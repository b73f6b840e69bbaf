"""Ledgers verified piece by piece, by one process that does as others would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.services.proofs.in_pieces import Prove, verify_in_pieces
from zerosum.services.proofs.pieces import Found, Piece, prove_piece_of
from zerosum.services.proofs.report import Report
from zerosum.services.proofs.since_checkpoint import Bound, Plan


@dataclass
class Seen:
    """What a watcher is told."""

    plan: Plan | None = None
    note: str | None = None
    pieces: list[Piece] = field(default_factory=list)

    def begin(self, plan: Plan, note: str | None) -> None:
        self.plan, self.note = plan, note

    def found(self, piece: Piece, found: Found) -> None:
        assert found is not None
        self.pieces.append(piece)


def proving_with(database: Database) -> Prove:
    """One piece after the other: the pool of a test is small."""
    turn = asyncio.Semaphore(1)

    async def prove(ledger_id: UUID, snapshot: str, piece: Piece) -> Found:
        async with turn:
            return await prove_piece_of(database, ledger_id, snapshot, piece)

    return prove


async def verified_in_pieces(
    database: Database, ledger_id: UUID, size: int, bound: Bound | None = None, seen: Seen | None = None
) -> Report:
    return await verify_in_pieces(database, ledger_id, proving_with(database), seen or Seen(), bound, size)
