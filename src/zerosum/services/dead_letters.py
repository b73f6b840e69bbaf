"""Dead letters: what a person does with messages that could not be carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.dead_letters import DeadLetterRecord as DeadLetterRecord  # shown by the routes
from zerosum.db.queries.dead_letters import find_dead_letter, list_dead_letters, update_dead_letter
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DeadLetterNotFound, DeadLetterSettled
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.messages import DeadLetterStatus, MessageOutcome, OutcomeKind
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest


class DeadLetters:
    def __init__(self, database: Database, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cursors = cursors
        self._now = now

    async def list(self, caller: Caller, request: PageRequest) -> Page[DeadLetterRecord]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            records = await list_dead_letters(
                connection,
                caller.ledger_id,
                status=position.filters.get("status"),
                input_=position.filters.get("input"),
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, records, lambda record: str(record.id))

    async def get(self, caller: Caller, id_: UUID) -> DeadLetterRecord:
        """Raises DeadLetterNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_dead_letter(connection, caller.ledger_id, id_)
        if found is None:
            raise DeadLetterNotFound("There is no such dead letter in this ledger.")
        return found

    async def to_replay(self, caller: Caller, id_: UUID) -> DeadLetterRecord:
        """One that may be carried out, or was: that is known by its status. Raises DeadLetterSettled for others."""
        found = await self.get(caller, id_)
        if found.status not in (DeadLetterStatus.DEAD, DeadLetterStatus.REPLAYED):
            raise _settled(found)
        return found

    async def replayed(self, caller: Caller, id_: UUID, outcome: MessageOutcome) -> DeadLetterRecord:
        """Write down what has come of it. Whoever has replayed it at the same time was answered the same."""
        problem = outcome.answer.get("problem")
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            if found.status is not DeadLetterStatus.DEAD:
                return found
            is_settled = outcome.kind in (OutcomeKind.DONE, OutcomeKind.REFUSED)
            after = replace(
                found,
                status=DeadLetterStatus.REPLAYED if is_settled else DeadLetterStatus.DEAD,
                reason=found.reason if outcome.refusal is None else outcome.refusal.code,
                problem=problem if isinstance(problem, dict) else found.problem,
                attempts=found.attempts + 1,
                last_at=self._now(),
                actor=caller.actor,
            )
            await update_dead_letter(connection, caller.ledger_id, after)
            await self._audit(connection, AuditType.DEAD_LETTER_REPLAYED, caller, after, outcome=outcome.kind.value)
        return after

    async def drop(self, caller: Caller, id_: UUID) -> DeadLetterRecord:
        """Nobody is to carry it out. Dropped before, it stays so. Raises DeadLetterNotFound, DeadLetterSettled."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            if found.status is DeadLetterStatus.DROPPED:
                return found
            if found.status is not DeadLetterStatus.DEAD:
                raise _settled(found)
            after = replace(found, status=DeadLetterStatus.DROPPED, last_at=self._now(), actor=caller.actor)
            await update_dead_letter(connection, caller.ledger_id, after)
            await self._audit(connection, AuditType.DEAD_LETTER_DROPPED, caller, after)
        return after

    async def _audit(
        self, connection: Connection, type_: AuditType, caller: Caller, record: DeadLetterRecord, **facts: str
    ) -> None:
        message = record.message
        where = {"input": message.partition.input, "place": message.place, "code": record.reason}
        resource = render_id(Prefix.DEAD_LETTER, record.id)
        await audited(connection, audit_record(type_, caller, self._now(), resource=resource, facts=where | facts))

    async def _locked(self, connection: Connection, caller: Caller, id_: UUID) -> DeadLetterRecord:
        found = await find_dead_letter(connection, caller.ledger_id, id_, is_locked=True)
        if found is None:
            raise DeadLetterNotFound("There is no such dead letter in this ledger.")
        return found


def _settled(found: DeadLetterRecord) -> DeadLetterSettled:
    return DeadLetterSettled(f"The message is {found.status.value}.", status=found.status.value)
