"""Views of the console's lists that somebody has kept: filters by a name of their own. Nobody else sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.console_views import KeptView as KeptView  # shown by the pages
from zerosum.db.queries.console_views import ViewsOf, delete_view, list_views, put_view, rename_view
from zerosum.domain.errors import NotFound, TooManyItems, ValidationFailed
from zerosum.services.requests.caller import Caller

VIEWS_MAX = 20
"""Of a person and a list."""

NAME_MAX = 60
QUERY_MAX = 4_000


class ConsoleViews:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def list(self, caller: Caller, page: str) -> Sequence[KeptView]:
        """By name."""
        async with self._database.work(caller.ledger_id) as connection:
            return await list_views(connection, _of(caller, page), limit=VIEWS_MAX)

    async def keep(self, caller: Caller, page: str, view: KeptView) -> None:
        """In place of the one of this name. Raises ValidationFailed, TooManyItems."""
        _check_name(view.name, "/name")
        if len(view.query) > QUERY_MAX:
            raise ValidationFailed("These filters are too long to be kept.", pointer="/query")
        async with self._database.work(caller.ledger_id) as connection:
            there = await self._locked(connection, caller, page)
            if view.name not in there and len(there) >= VIEWS_MAX:
                raise TooManyItems(f"You have kept {VIEWS_MAX} views of this list: delete one first.")
            await put_view(connection, _of(caller, page), view, self._now())

    async def rename(self, caller: Caller, page: str, name: str, new_name: str) -> None:
        """Raises ValidationFailed where there is one of this name, NotFound."""
        _check_name(new_name, "/new_name")
        async with self._database.work(caller.ledger_id) as connection:
            there = await self._locked(connection, caller, page)
            if new_name in there and new_name != name:
                raise ValidationFailed("You have a view of this name.", pointer="/new_name")
            if not await rename_view(connection, _of(caller, page), name, new_name):
                raise NotFound("You have no view of this name.")

    async def delete(self, caller: Caller, page: str, name: str) -> None:
        """It is gone afterwards, whether or not it was there."""
        async with self._database.work(caller.ledger_id) as connection:
            await delete_view(connection, _of(caller, page), name)

    async def _locked(self, connection: Connection, caller: Caller, page: str) -> set[str]:
        """The names that are there, which nobody changes meanwhile."""
        await lock_until_commit(connection, f"views:{caller.ledger_id}:{caller.actor}:{page}")
        return {one.name for one in await list_views(connection, _of(caller, page), limit=VIEWS_MAX)}


def _of(caller: Caller, page: str) -> ViewsOf:
    return ViewsOf(caller.ledger_id, caller.actor, page)


def _check_name(name: str, pointer: str) -> None:
    if not name.isprintable() or not 0 < len(name) <= NAME_MAX:
        raise ValidationFailed(f"A name has at most {NAME_MAX} printable characters.", pointer=pointer)
