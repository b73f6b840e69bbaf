"""Events as people look at them: the newest first, and each with what it has told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.event_history import events_before
from zerosum.db.queries.events import FeedPosition, RecordedEvent, events_at, position_of_event
from zerosum.domain.errors import InvalidParameter, NotFound
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.services.event_feed import EventFeed, FeedOrder, ToldEvent, told_events
from zerosum.services.requests.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """`next_before` is the event before which the next page begins; None where the beginning was reached."""

    events: Sequence[RecordedEvent]
    next_before: UUID | None


class EventHistory:
    def __init__(self, database: Database, feed: EventFeed) -> None:
        self._database = database
        self._feed = feed

    async def newest(self, caller: Caller, order: FeedOrder, *, before: str | None) -> HistoryPage:
        """What is wanted of the feed, backwards. Raises InvalidParameter, InvalidId, AccountNotFound."""
        _, wanted = await self._feed.begin(caller.ledger_id, order)
        async with self._database.work(caller.ledger_id) as connection:
            place: FeedPosition | None = None
            if before is not None:
                place = await position_of_event(connection, caller.ledger_id, parse_id(Prefix.EVENT, before))
                if place is None:
                    raise InvalidParameter("This ledger has no such event.", pointer="before")
            found, edge = await events_before(connection, caller.ledger_id, place, wanted, order.limit)
        return HistoryPage(events=found, next_before=None if edge is None else edge.id)

    async def get(self, caller: Caller, event_id: UUID) -> ToldEvent:
        """Raises NotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            place = await position_of_event(connection, caller.ledger_id, event_id)
            found = [] if place is None else await events_at(connection, caller.ledger_id, [place])
            if not found:
                raise NotFound("This ledger has no such event.")
            [told] = await told_events(connection, caller.ledger_id, found)
        return told
