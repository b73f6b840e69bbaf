"""Where a proof that goes slice by slice has come to, by ledger and proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import proof_positions


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPosition:
    """`position` is None where the proof has ended."""

    ledger_id: UUID
    proof: str
    begun_at: datetime
    taken_at: datetime
    position: Mapping[str, Any] | None


async def find_proof_position(connection: AsyncConnection, ledger_id: UUID, proof: str) -> ProofPosition | None:
    statement = select(proof_positions).where(
        proof_positions.c.ledger_id == ledger_id, proof_positions.c.proof == proof
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    return ProofPosition(**{name: getattr(row, name) for name in ProofPosition.__slots__})


async def put_proof_position(connection: AsyncConnection, kept: ProofPosition) -> None:
    statement = insert(proof_positions).values(
        ledger_id=kept.ledger_id,
        proof=kept.proof,
        begun_at=kept.begun_at,
        taken_at=kept.taken_at,
        position=null() if kept.position is None else dict(kept.position),
    )
    changed = {name: statement.excluded[name] for name in ("begun_at", "taken_at", "position")}
    await connection.execute(
        statement.on_conflict_do_update(constraint="proof_positions_pkey", set_=changed),
    )
