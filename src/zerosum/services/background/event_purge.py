"""Background work: events older than an installation keeps them are dropped, under seals.

The oldest of a ledger go first, whole transactions of them, and never the last event. Nobody is told less for it: where
an endpoint, a publication, a notification or a delivery has not passed them they stay. The database looks at all of it
once more (`zerosum_drop_events`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.event_seals import EventSeal, drop_events, find_last_event_seal, told_below
from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.proofs import FIRST_ID, events_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.apart import apart
from zerosum.services.proofs.event_seals import genesis, link, rendered
from zerosum.services.proofs.of_events import sums_of

KEPT_DAYS_MIN = 30
"""The database itself keeps them for so long."""

EVENTS_AT_ONCE = 5_000
EVENTS_OF_A_TRANSACTION_MAX = 200_000
SEALS_MAX = 40
"""Of one ledger in one run; what is left over goes at the next."""

_FIRST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_log = logging.getLogger(__name__)


class EventPurge:
    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        if kept_days < KEPT_DAYS_MIN:
            raise ValueError(f"events are kept for at least {KEPT_DAYS_MIN} days")
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)

    async def run_once(self) -> int:
        """How many were dropped. A ledger at which it fails has its turn again, and holds up no other."""
        dropped = 0
        async for ledger in every_ledger(self._database):
            with apart(_log, "old events of %s are dropped later", render_id(Prefix.LEDGER, ledger.id)):
                dropped += await self.drop(ledger.id)
        return dropped

    async def drop(self, ledger_id: UUID) -> int:
        """Of one ledger, each seal in a transaction of its own."""
        dropped = 0
        for _ in range(SEALS_MAX):
            async with self._database.work(ledger_id) as connection:
                await lock_until_commit(connection, f"events of {ledger_id}")
                below, moment = await told_below(connection, ledger_id)
                rows = await self._oldest(connection, ledger_id, below)
                if not rows:
                    break
                last = await find_last_event_seal(connection, ledger_id)
                seal = _sealed(ledger_id, last, rows, moment)
                dropped += await drop_events(connection, ledger_id, seal)
        return dropped

    async def _oldest(self, connection: Connection, ledger_id: UUID, below: int) -> Sequence[Any]:
        """All of some transactions that are old enough, the first of the feed."""
        before = (self._now() - self._kept - _FIRST) // timedelta(microseconds=1)
        for limit in (EVENTS_AT_ONCE, EVENTS_OF_A_TRANSACTION_MAX):
            rows = await events_after(connection, ledger_id, (0, FIRST_ID), limit=limit)
            end = next((row.xid for row in rows if row.xid >= below or int(row.created_at) >= before), None)
            if end is None and len(rows) == limit:
                end = rows[-1].xid  # There may be more of this transaction.
            fit = [row for row in rows if end is None or row.xid < end]
            if fit or len(rows) < limit or end != rows[-1].xid:
                return fit
        return ()


def _sealed(ledger_id: UUID, last: EventSeal | None, rows: Sequence[Any], moment: datetime) -> EventSeal:
    seal = EventSeal(
        number=1 if last is None else last.number + 1,
        last=FeedPosition(rows[-1].xid, rows[-1].id),
        greatest_id=max(row.id for row in rows),
        events=len(rows),
        newest_at=_FIRST + timedelta(microseconds=max(int(row.created_at) for row in rows)),
        sums=rendered(sums_of(rows)),
        sealed_at=moment,
        hash=b"",
    )
    return replace(seal, hash=link(genesis(ledger_id) if last is None else last.hash, seal))
