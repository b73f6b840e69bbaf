"""Sessions of the console that are open now, for whoever administers: to see them, and to end them at once.

Whoever administers a ledger sees every session that may open it, and ends those that may open nothing but what he
administers. The others, of people who work in further ledgers, an operator of the service ends, or who may open all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.db.credentials.console_sessions import (
    SessionRecord,
    end_sessions,
    find_session,
    list_open_sessions,
    lock_sessions_of,
    use_up_links,
)
from zerosum.db.engine import Connection, Database
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import ConsoleSessionNotFound, Forbidden
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.services.audit import audit_record, audited
from zerosum.services.credentials.console_sessions import IDLE_MAX, SESSION_MAX, is_good
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest

Reach = tuple[UUID, ...] | None
"""The ledgers that somebody administers; None: all."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How many sessions of a person have ended, and how many are beyond the reach of who has ended them."""

    ended: int
    left: int


class OpenSessions:
    def __init__(self, database: Database, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cursors = cursors
        self._now = now

    async def list(self, caller: Caller, request: PageRequest, ledger_id: UUID | None) -> Page[SessionRecord]:
        """Those that may open this ledger, or all; the newest first. Raises InvalidCursor."""
        position = self._cursors.position(caller.ledger_id, request)
        now = self._now()
        async with self._database.work(SERVICE_LEDGER) as connection:
            found = await list_open_sessions(
                connection,
                ledger_id,
                position.filters.get("subject"),
                made_after=now - SESSION_MAX,
                used_after=now - IDLE_MAX,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda session: session.id)

    async def end(self, caller: Caller, reach: Reach, session_id: UUID, reason: str) -> SessionRecord:
        """At once: its next request finds none. Raises ConsoleSessionNotFound, Forbidden."""
        async with self._database.work(SERVICE_LEDGER, caller.ledger_id) as connection:
            session = await find_session(connection, session_id)
            if session is None or not is_good(session, self._now()) or not _is_seen(session, reach):
                raise ConsoleSessionNotFound("There is no such session open.")
            if not _is_within(session.ledgers, reach):
                raise Forbidden("It may open other ledgers, too: an operator of the service ends it.")
            await self._end(connection, caller, [session], reason)
        return session

    async def end_all_of(self, caller: Caller, reach: Reach, subject: str, reason: str) -> Ended:
        """Of a person, with the links that would begin another one."""
        now = self._now()
        async with self._database.work(SERVICE_LEDGER, caller.ledger_id) as connection:
            # First: whoever comes by one at this moment has either begun a session that is found, or comes too late.
            await use_up_links(connection, subject, reach, now)
            found = await lock_sessions_of(connection, subject, made_after=now - SESSION_MAX, used_after=now - IDLE_MAX)
            seen = [session for session in found if _is_seen(session, reach)]
            within = [session for session in seen if _is_within(session.ledgers, reach)]
            await self._end(connection, caller, within, reason)
        return Ended(len(within), len(seen) - len(within))

    async def _end(self, connection: Connection, caller: Caller, ended: Sequence[SessionRecord], reason: str) -> None:
        """With a record in the service's own log, where signing in stands as well, and in that of who has done it."""
        now = self._now()
        await end_sessions(connection, [session.id for session in ended], now)
        logs = {SERVICE_LEDGER, caller.ledger_id}
        records = [
            audit_record(
                AuditType.CONSOLE_SESSION_ENDED,
                caller,
                now,
                resource=render_id(Prefix.CONSOLE_SESSION, session.id),
                ledger_id=log,
                reason=reason,
                facts={"subject": session.subject, "role": session.role},
            )
            for session in ended
            for log in sorted(logs)
        ]
        if records:
            await audited(connection, *records)


def _is_seen(session: SessionRecord, reach: Reach) -> bool:
    return reach is None or session.ledgers is None or not set(reach).isdisjoint(session.ledgers)


def _is_within(ledgers: tuple[UUID, ...] | None, reach: Reach) -> bool:
    return reach is None or (ledgers is not None and set(ledgers) <= set(reach))
