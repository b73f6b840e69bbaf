"""A ledger proved in pieces, by several at once, in one snapshot: the same is found as in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from zerosum.db.engine import Database, name_snapshot
from zerosum.db.queries.pages import look_up_by_key
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.proofs.kept_checkpoints import newest_note
from zerosum.services.proofs.pieces import PIECE_SIZE, Found, Piece, gathered
from zerosum.services.proofs.report import Report
from zerosum.services.proofs.since_checkpoint import Bound, Plan, planned

Prove = Callable[[UUID, str, Piece], Awaitable[Found]]
"""Prove a piece of a ledger in the snapshot of this name (`pieces.prove_piece_of`)."""


class Watcher(Protocol):
    def begin(self, plan: Plan, note: str | None) -> None:
        """`note` is the newest signed checkpoint."""
        ...

    def found(self, piece: Piece, found: Found) -> None:
        """A piece has ended."""
        ...


async def verify_in_pieces(
    database: Database, ledger_id: UUID, prove: Prove, watcher: Watcher, bound: Bound | None, size: int = PIECE_SIZE
) -> Report:
    """The snapshot is held open until all pieces have ended. Raises what `prove` does."""
    async with database.snapshot(ledger_id, SERVICE_LEDGER) as connection:
        snapshot = await name_snapshot(connection)
        plan = await planned(connection, ledger_id, bound, size)
        watcher.begin(plan, await newest_note(connection, ledger_id))

        async def proved(piece: Piece) -> Found:
            found = await prove(ledger_id, snapshot, piece)
            watcher.found(piece, found)
            return found

        tasks = [asyncio.ensure_future(proved(piece)) for piece in plan.pieces]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # Where one has failed the others are in vain.
                task.cancel()
        await look_up_by_key(connection)
        return await gathered(connection, ledger_id, plan.pieces, found, are_events_whole=plan.are_events_whole)
