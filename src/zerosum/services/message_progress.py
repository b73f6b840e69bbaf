"""How far a ledger's messages have come: what comes in by its inputs, and what goes out to brokers and endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.message_progress import Backlog as Backlog  # shown by pages
from zerosum.db.queries.message_progress import InputProgress as InputProgress
from zerosum.db.queries.message_progress import backlogs, input_progress
from zerosum.services.publications.positions import PublicationPositions, PublicationState
from zerosum.services.requests.caller import Caller

PARTITIONS_MAX = 200
"""Of inputs that are shown."""

COUNTED_MAX = 1_000
"""No delivery beyond these is counted."""


class MessageProgress:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def inputs(self, caller: Caller) -> list[InputProgress]:
        """The first PARTITIONS_MAX, by name."""
        async with self._database.work(caller.ledger_id) as connection:
            return await input_progress(connection, caller.ledger_id, PARTITIONS_MAX)

    async def publications(self, caller: Caller) -> list[PublicationState]:
        return await PublicationPositions(self._database, caller.ledger_id).list()

    async def backlogs(self, caller: Caller, endpoint_ids: Sequence[UUID]) -> dict[UUID, Backlog]:
        """By endpoint, of those that there are."""
        async with self._database.work(caller.ledger_id) as connection:
            return await backlogs(connection, caller.ledger_id, endpoint_ids, COUNTED_MAX)
