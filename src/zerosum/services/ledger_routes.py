"""Use cases about the routes that a ledger has of its own, and what of them this process knows.

What is known may be a second old: another process's change counts then, without a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledger_routes import find_routes, insert_routes, list_routes
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import InvalidState, RecordUnreadable, Unavailable
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.payments.ledger_routes import LedgerRoutes, OwnRoutes, RouteContent, check_routes
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.requests.paging import Cursors, Page, PageRequest

REMEMBERED_FOR = timedelta(seconds=1)
REMEMBERED_MAX = 1_000
"""Ledgers."""


class LedgerRoutesBook:
    def __init__(
        self, database: Database, cursors: Cursors, outside: LiveProcessors, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._outside = outside
        self._now = now
        self._known: dict[UUID, tuple[datetime, OwnRoutes | None]] = {}

    def own(self, ledger_id: UUID, *, is_prepared: bool) -> OwnRoutes | None:
        """None: those of the file count. Raises NotPrepared where nothing was loaded lately."""
        found = self._known.get(ledger_id)
        if found is not None and (is_prepared or self._is_fresh(found[0])):
            return found[1]
        if is_prepared:  # Others have pushed it out: never by the file's where there may be own ones.
            raise Unavailable("The ledger's routes are not known now; nothing was done.", retry_after=1)
        raise NotPrepared

    async def load(self, ledger_id: UUID) -> None:
        """Raises RecordUnreadable."""
        found = self._known.get(ledger_id)
        if found is not None and self._is_fresh(found[0]):
            return
        read_at = self._now()
        own = await own_routes_of(self._database, ledger_id)
        self._known.pop(ledger_id, None)
        if len(self._known) >= REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[ledger_id] = read_at, own

    async def current(self, ledger_id: UUID) -> OwnRoutes | None:
        """None: those of the file count. Raises RecordUnreadable, Unavailable."""
        await self.load(ledger_id)
        return self.own(ledger_id, is_prepared=True)

    async def get(self, caller: Caller) -> LedgerRoutes:
        async with self._database.work(caller.ledger_id) as connection:
            return await find_routes(connection, caller.ledger_id)

    async def versions(self, caller: Caller, request: PageRequest) -> Page[LedgerRoutes]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_routes(
                connection,
                caller.ledger_id,
                after=position.after_as(int),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda one: one.version)

    async def put(self, caller: Caller, routes: Sequence[RouteContent] | None, why: str) -> LedgerRoutes:
        """The ledger's from now on; None: the file's. The same again changes nothing. Raises ValidationFailed."""
        made = None if routes is None else tuple(routes)
        check_routes(made or (), self._outside.outside.names)
        async with self._database.work(caller.ledger_id) as connection:
            before = await find_routes(connection, caller.ledger_id)
            if before.routes == made:
                return before
            after = LedgerRoutes(
                version=before.version + 1, routes=made, why=why, actor=caller.actor, created_at=self._now()
            )
            if not await insert_routes(connection, caller.ledger_id, after):
                raise InvalidState("Another request has changed the routes at the same time.")
            facts = {"version": after.version, "why": why, "routes": None if made is None else [dict(x) for x in made]}
            resource = render_id(Prefix.LEDGER, caller.ledger_id)
            record = audit_record(
                AuditType.ROUTES_CHANGED, caller, after.created_at or self._now(), resource=resource, facts=facts
            )
            await audited(connection, record)
        self._known.pop(caller.ledger_id, None)
        return after

    def _is_fresh(self, read_at: datetime) -> bool:
        """Not where the clock was put back either."""
        return timedelta(0) <= self._now() - read_at < REMEMBERED_FOR


async def own_routes_of(database: Database, ledger_id: UUID) -> OwnRoutes | None:
    """None: those of the file count. Raises RecordUnreadable."""
    async with database.work(ledger_id) as connection:
        newest = await find_routes(connection, ledger_id)
    try:
        return newest.own
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise RecordUnreadable("The ledger's routes cannot be read.") from error
