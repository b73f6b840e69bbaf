"""Acts of the console that wait for a second person, and what has become of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import console_proposals
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.proposals import OPEN, Proposal, ProposalStatus, moves_told

_columns = console_proposals.c


async def insert_proposal(connection: AsyncConnection, proposal: Proposal) -> None:
    values = {
        "ledger_id": proposal.ledger_id,
        "id": proposal.id,
        "action": proposal.action,
        "place": proposal.place,
        "parts": dict(proposal.parts),
        "form": dict(proposal.form),
        "fixed": dict(proposal.fixed),
        "form_key": proposal.form_key,
        "moves": moves_told(proposal.moves),
        "proposed_by": proposal.proposed_by,
        "proposer": proposal.proposer,
        "role": proposal.role.value,
        "reason": proposal.reason,
        "proposed_at": proposal.proposed_at,
        "expires_at": proposal.expires_at,
        "status": proposal.status.value,
    }
    await connection.execute(insert(console_proposals).values(values))


async def find_proposal(
    connection: AsyncConnection, ledger_id: UUID, id_: UUID, *, is_locked: bool = False
) -> Proposal | None:
    statement = select(console_proposals).where(_columns.ledger_id == ledger_id, _columns.id == id_)
    return await _first(connection, statement.with_for_update() if is_locked else statement)


async def find_by_form(connection: AsyncConnection, ledger_id: UUID, form_key: str) -> Proposal | None:
    """What was made of a form that was sent before."""
    return await _first(
        connection, select(console_proposals).where(_columns.ledger_id == ledger_id, _columns.form_key == form_key)
    )


async def find_open_at(connection: AsyncConnection, ledger_id: UUID, place: str) -> Proposal | None:
    """What is not ended of an address, locked: there is one at most."""
    statement = select(console_proposals).where(
        _columns.ledger_id == ledger_id, _columns.place == place, _columns.status.in_(sorted(OPEN))
    )
    return await _first(connection, statement.with_for_update())


async def find_overdue(connection: AsyncConnection, ledger_id: UUID, now: datetime, limit: int) -> Sequence[Proposal]:
    """Those that wait for too long, locked. Whoever ends some of them at the same time is passed over."""
    statement = select(console_proposals).where(
        _columns.ledger_id == ledger_id,
        _columns.status == ProposalStatus.WAITING.value,
        _columns.expires_at <= now,
    )
    rows = await connection.execute(statement.order_by(_columns.id).limit(limit).with_for_update(skip_locked=True))
    return [_proposal(row) for row in rows]


async def update_proposals(connection: AsyncConnection, proposals: Collection[Proposal]) -> None:
    """What may change of each: what was proposed stays as it is."""
    for proposal in proposals:
        await connection.execute(
            update(console_proposals)
            .where(_columns.ledger_id == proposal.ledger_id, _columns.id == proposal.id)
            .values(
                status=proposal.status.value,
                decided_by=proposal.decided_by,
                decided_at=proposal.decided_at,
                decision_reason=proposal.decision_reason,
                ended_at=proposal.ended_at,
                outcome=proposal.outcome,
            )
        )


async def list_proposals(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    status: str | None,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> Sequence[Proposal]:
    """A page by id, which is by time."""
    statement = select(console_proposals).where(_columns.ledger_id == ledger_id)
    if status is not None:
        statement = statement.where(_columns.status == status)
    rows = await connection.execute(paged(statement, _columns.id, after, limit, is_ascending=is_ascending))
    return [_proposal(row) for row in rows]


async def _first(connection: AsyncConnection, statement: Any) -> Proposal | None:
    row = (await connection.execute(statement)).first()
    return None if row is None else _proposal(row)


def _proposal(row: Row[Any]) -> Proposal:
    moves = row.moves
    return Proposal(
        id=row.id,
        ledger_id=LedgerId(row.ledger_id),
        action=row.action,
        place=row.place,
        parts=row.parts,
        form=row.form,
        fixed=row.fixed,
        form_key=row.form_key,
        moves=None if moves is None else {currency: Decimal(amount) for currency, amount in moves.items()},
        proposed_by=row.proposed_by,
        proposer=row.proposer,
        role=Role(row.role),
        reason=row.reason,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        status=ProposalStatus(row.status),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
        ended_at=row.ended_at,
        outcome=row.outcome,
    )
