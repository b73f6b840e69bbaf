"""The worker leaves signed checkpoints outside of the database, where others copy them away.

Before anything is added, the newest checkpoint that was kept is looked for in the database: where it is not there, or
is another, somebody has rewritten the log. That is told, and nothing more is added.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.signed_checkpoints import SignedRoot, list_roots
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.proof_log.note import origin
from zerosum.services.apart import apart
from zerosum.services.proof_log.checkpoints import keys_by_id
from zerosum.services.proof_log.documents import key_of, note_of
from zerosum.services.proof_log.outside import Differences, logs_behind
from zerosum.services.proof_log.places import Kept, Place

CHECKPOINTS_AT_ONCE = 100
PAGES_MAX = 50
"""Of one ledger in one run."""

ACTOR = "system:checkpoint-keeper"

_log = logging.getLogger(__name__)


class CheckpointKeeper:
    """What is in memory is only how far each log has been kept."""

    def __init__(self, database: Database, place: Place, now: Callable[[], datetime]) -> None:
        self._database = database
        self._place = place
        self._differences = Differences(database, now, ACTOR)
        self._kept: dict[UUID, int] = {}
        """The number of the newest checkpoint that was kept of each."""

    async def run_once(self) -> int:
        """How many were added. Raises OSError where the place is not there."""
        await self._place.check()
        added = 0
        for ledger_id in await logs_behind(self._database, self._kept):
            with apart(_log, "the checkpoints of %s are kept later", origin(ledger_id)):
                added += await self.keep(ledger_id)
        return added

    async def keep(self, ledger_id: UUID) -> int:
        """How many checkpoints of one ledger were added to what was kept of it.

        Raises OSError, and ValueError where something else is kept there, which is told too.
        """
        name = origin(ledger_id).partition("/")[2]
        await self._place.keep_keys(name, await self._keys(ledger_id))
        try:
            async with self._place.checkpoints(name) as kept:
                return 0 if kept is None else await self._add(ledger_id, kept)
        except ValueError as error:
            await self._differences.tell(ledger_id, "something else", str(error))
            raise

    async def _add(self, ledger_id: UUID, kept: Kept) -> int:
        after = await self._differences.number_of(ledger_id, kept.last_note, how="was kept")
        if after is None:
            return 0
        added = 0
        for _ in range(PAGES_MAX):
            page, notes = await self._next(ledger_id, after)
            if not page:
                break
            wrong = await kept.append(notes)
            if wrong is not None:
                await self._differences.tell(ledger_id, "taken", wrong)
            after, added = page[-1].number, added + len(page)
        self._kept[ledger_id] = after
        return added

    async def _next(self, ledger_id: UUID, after: int) -> tuple[Sequence[SignedRoot], Sequence[str]]:
        async with self._database.work(ledger_id, SERVICE_LEDGER) as connection:
            page = await list_roots(connection, ledger_id, after=after, limit=CHECKPOINTS_AT_ONCE, is_ascending=True)
            keys = await keys_by_id(connection)
        return page, [note_of(one, keys[one.key_id]) for one in page]

    async def _keys(self, ledger_id: UUID) -> str:
        """What its checkpoints are checked with, a line each."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            return "".join(f"{key_of(ledger_id, key)}\n" for key in (await keys_by_id(connection)).values())
