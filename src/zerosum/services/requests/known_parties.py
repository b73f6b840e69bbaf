"""Whom payments and holds are between. It is fixed for ever, so it is remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.parties import Parties
from zerosum.domain.errors import DomainError
from zerosum.services.requests.account_directory import NotPrepared

REMEMBERED_MAX = 50_000
"""Of each kind, in each process; about 30 MB when full."""

Find = Callable[[Connection, UUID, Collection[UUID]], Awaitable[dict[UUID, Parties]]]


class KnownParties:
    """Of one kind of resource: `find` reads them, `missing` is the refusal for what is not there."""

    def __init__(self, database: Database, find: Find, missing: Callable[[], DomainError]) -> None:
        self._database = database
        self._find = find
        self._missing = missing
        self._parties: OrderedDict[tuple[UUID, UUID], Parties] = OrderedDict()

    def known(self, ledger_id: UUID, id_: UUID, *, is_prepared: bool) -> Parties:
        """Raises NotPrepared, and what is missing once it was looked for."""
        found = self._parties.get((ledger_id, id_))
        if found is None:
            raise self._missing() if is_prepared else NotPrepared
        return found

    def find_known(self, ledger_id: UUID, id_: UUID) -> Parties | None:
        return self._parties.get((ledger_id, id_))

    async def load(self, ledger_id: UUID, ids: Collection[UUID]) -> None:
        """Remember these, those that there are."""
        wanted = []
        for id_ in ids:
            if (ledger_id, id_) in self._parties:
                self._parties.move_to_end((ledger_id, id_))  # About to be asked for.
            else:
                wanted.append(id_)
        if wanted:
            async with self._database.work(ledger_id) as connection:
                for id_, parties in (await self._find(connection, ledger_id, wanted)).items():
                    self.remember(ledger_id, id_, parties)

    def remember(self, ledger_id: UUID, id_: UUID, parties: Parties) -> None:
        self._parties[ledger_id, id_] = parties
        while len(self._parties) > REMEMBERED_MAX:
            self._parties.popitem(last=False)
