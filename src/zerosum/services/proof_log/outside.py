"""What has left the database, held against it: whose log is further than that, and whether it was rewritten since."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.signed_checkpoints import SignedRoot, newest_numbers, root_of_size
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.domain.proof_log.note import origin
from zerosum.services.audit import audit_record, write_audit
from zerosum.services.proof_log.every_log import slices_of_logs
from zerosum.services.proof_log.kept_file import size_and_root
from zerosum.services.requests.caller import Caller

SIZE_MAX = 1 << 63
"""What the database has no number for is no size."""

_log = logging.getLogger(__name__)


async def logs_behind(database: Database, outside: Mapping[UUID, int]) -> list[UUID]:
    """Whose newest checkpoint has another number than the newest one that is outside, as far as is known."""
    found: list[UUID] = []
    for some in await slices_of_logs(database):
        async with database.work(*some) as connection:
            newest = await newest_numbers(connection, some)
        # One that has fewer than have left is looked at too: somebody has taken some away.
        found += [one for one in some if newest.get(one, 0) != outside.get(one, 0)]
    return found


async def _still_there(database: Database, ledger_id: UUID, note: str) -> SignedRoot | None:
    """The checkpoint that has left, as the database has it. None where it has another one of that size, or none."""
    size, root = size_and_root(note)
    if not 0 < size < SIZE_MAX:
        return None
    async with database.work(ledger_id, SERVICE_LEDGER) as connection:
        found = await root_of_size(connection, ledger_id, size)
    return found if found is not None and found.statement.text.split("\n")[2] == root else None


class Differences:
    """Tells what is wrong with a log outside, once a process of each kind: it does not go away by itself."""

    def __init__(self, database: Database, now: Callable[[], datetime], actor: str) -> None:
        self._database = database
        self._now = now
        self._actor = actor
        self._told: set[tuple[UUID, str]] = set()
        """Ledgers, and what of theirs is wrong."""

    async def number_of(self, ledger_id: UUID, note: str | None, *, how: str) -> int | None:
        """Of the newest checkpoint that has left: 0 where none has, None where the database has another, which is told.

        `how` it has left.
        """
        if note is None:
            return 0
        found = await _still_there(self._database, ledger_id, note)
        if found is not None:
            return found.number
        what = f"the checkpoint of size {size_and_root(note)[0]} that {how} is not in the database"
        await self.tell(ledger_id, "rewritten", what)
        return None

    async def tell(self, ledger_id: UUID, kind: str, what: str) -> None:
        if (ledger_id, kind) in self._told:
            return
        self._told.add((ledger_id, kind))
        _log.error("%s: %s", origin(ledger_id), what)
        caller = Caller(LedgerId(ledger_id), self._actor)
        await write_audit(
            self._database, audit_record(AuditType.DIFFERENCE_FOUND, caller, self._now(), resource=None, reason=what)
        )
