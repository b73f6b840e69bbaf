"""Use cases about breaks: find them, and say whose they are, what is known of them, and why they are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.reconciliation_breaks import (
    BreakFilter,
    break_changes,
    change_break,
    find_break,
    line_of_break,
    list_breaks,
)
from zerosum.db.queries.reconciliation_breaks import ToldLine as ToldLine  # shown by the routes
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import (
    InvalidParameter,
    QuotaExceeded,
    ReconciliationBreakClosed,
    ReconciliationBreakNotFound,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.reconciliation.breaks import (
    CHANGES_MAX,
    BreakChange,
    BreakState,
    BreakStep,
    Explanation,
    ReconciliationBreak,
)
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest

Today = Callable[[], date]

_WITH_REASON = (BreakStep.EXPLAINED, BreakStep.NOTED, BreakStep.RESOLVED)


class ReconciliationBreaks:
    """`now` tells the day, in UTC, by which explained is told from unexplained."""

    def __init__(self, database: Database, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cursors = cursors
        self._now = now

    def today(self) -> date:
        return self._now().date()

    async def list(self, caller: Caller, request: PageRequest) -> Page[ReconciliationBreak]:
        """Raises InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        filters = position.filters
        explained = filters.get("explained")
        wanted = BreakFilter(
            today=self.today(),
            source=filters.get("source"),
            state=filters.get("state"),
            is_explained=None if explained is None else explained == "true",
            day_until=self._day_of_age(filters.get("age_days")),
        )
        async with self._database.work(caller.ledger_id) as connection:
            found, looked_to = await list_breaks(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda one: one.id, looked_to=looked_to)

    def _day_of_age(self, text: str | None) -> date | None:
        """The last day of what is at least so old."""
        if text is None:
            return None
        try:
            return self.today() - timedelta(days=int(text))
        except (OverflowError, ValueError):
            raise InvalidParameter("This is a number of days.", pointer="age_days") from None

    async def get(
        self, caller: Caller, id_: UUID
    ) -> tuple[ReconciliationBreak, Sequence[BreakChange], ToldLine | None]:
        """With all its steps and, of a line, what the other side has said of it. Raises ReconciliationBreakNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_break(connection, caller.ledger_id, id_)
            if found is None:
                raise no_such_break()
            steps = await break_changes(connection, caller.ledger_id, id_)
            return found, steps, await line_of_break(connection, caller.ledger_id, found)

    async def assign(self, caller: Caller, id_: UUID, owner: str | None) -> ReconciliationBreak:
        return await self._change(caller, id_, BreakStep.ASSIGNED, owner=owner)

    async def note(self, caller: Caller, id_: UUID, note: str) -> ReconciliationBreak:
        return await self._change(caller, id_, BreakStep.NOTED, note=note)

    async def explain(self, caller: Caller, id_: UUID, reason: str, until: date | None) -> ReconciliationBreak:
        """Up to this day, or for good."""
        told = {"explanation": Explanation.BY_HAND, "explained_until": until, "note": reason}
        return await self._change(caller, id_, BreakStep.EXPLAINED, **told)

    async def resolve(self, caller: Caller, id_: UUID, reason: str) -> ReconciliationBreak:
        """Nothing is to be done about it, for good."""
        return await self._change(caller, id_, BreakStep.RESOLVED, state=BreakState.RESOLVED, note=reason)

    async def _change(self, caller: Caller, id_: UUID, step: BreakStep, **told: Any) -> ReconciliationBreak:
        """What is so already stays, and is no step. Raises ReconciliationBreakNotFound, ReconciliationBreakClosed."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await locked_break(connection, caller, id_)
            if all(getattr(found, name) == value for name, value in told.items()):
                return found
            if found.state is not BreakState.OPEN:
                raise closed(found)
            check_may_change(found)
            after = replace(found, changes=found.changes + 1, **told)
            await change_break(connection, caller.ledger_id, after, step, caller.actor, self._now())
            reason = told["note"] if step in _WITH_REASON else None
            await tell_step(connection, caller, after, step, self._now(), reason)
        return after


async def tell_step(
    connection: Connection,
    caller: Caller,
    after: ReconciliationBreak,
    step: BreakStep,
    now: datetime,
    reason: str | None = None,
) -> None:
    """In the security log, with the step."""
    resource = render_id(Prefix.RECONCILIATION_BREAK, after.id)
    facts = {"source": after.source, "step": step.value}
    record = audit_record(
        AuditType.RECONCILIATION_BREAK_CHANGED, caller, now, resource=resource, reason=reason, facts=facts
    )
    await audited(connection, record)


async def locked_break(connection: Connection, caller: Caller, id_: UUID) -> ReconciliationBreak:
    """Raises ReconciliationBreakNotFound."""
    found = await find_break(connection, caller.ledger_id, id_, is_locked=True)
    if found is None:
        raise no_such_break()
    return found


def check_may_change(found: ReconciliationBreak) -> None:
    """Raises QuotaExceeded."""
    if found.changes >= CHANGES_MAX:
        raise QuotaExceeded(f"A break has at most {CHANGES_MAX} steps.")


def no_such_break() -> ReconciliationBreakNotFound:
    return ReconciliationBreakNotFound("This ledger has no such break.")


def closed(found: ReconciliationBreak) -> ReconciliationBreakClosed:
    return ReconciliationBreakClosed(f"The break is {found.state.value}.", state=found.state.value)
