"""The feed of a ledger's events: what has happened, without gaps, in the order in which it was committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import made_at
from zerosum.db.queries.accounts import find_accounts
from zerosum.db.queries.clients import find_answered
from zerosum.db.queries.event_seals import find_last_event_seal
from zerosum.db.queries.events import (
    BEGINNING,
    NEARNESS_MAX,
    EventFilter,
    FeedPosition,
    RecordedEvent,
    account_versions_of,
    events_at,
    events_behind,
    last_position,
    position_of_event,
)
from zerosum.db.queries.exchanges import find_exchanges
from zerosum.db.queries.payments import RecordedPayment, payments_as_made
from zerosum.domain.errors import DomainError, EventsGone, InvalidParameter
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account import Account
from zerosum.domain.traces import TraceOrigin, parse_traceparent
from zerosum.services.journal import entries_as_made
from zerosum.services.requests.account_directory import AccountDirectory

_log = logging.getLogger(__name__)

LATEST = "latest"
"""Given instead of an event: whatever comes from now on."""

WAIT_SECONDS_MAX = 8
"""That a reader may wait for the next event: less than a request may last."""

LOOK_EVERY_SECONDS = 0.25
WAITERS_MAX = 64
"""Readers of one process that wait. Those beyond are answered at once."""

PREFIXES = {
    ResourceType.ACCOUNT: Prefix.ACCOUNT,
    ResourceType.DISPUTE: Prefix.DISPUTE,
    ResourceType.EXCHANGE: Prefix.EXCHANGE,
    ResourceType.HOLD: Prefix.HOLD,
    ResourceType.JOURNAL_ENTRY: Prefix.JOURNAL_ENTRY,
    ResourceType.PAYMENT: Prefix.PAYMENT,
    ResourceType.REFUND: Prefix.REFUND,
    ResourceType.SCHEDULED_PAYMENT: Prefix.SCHEDULED_PAYMENT,
    ResourceType.REVIEW: Prefix.REVIEW,
    ResourceType.STATEMENT: Prefix.STATEMENT,
    ResourceType.WEBHOOK_ENDPOINT: Prefix.WEBHOOK_ENDPOINT,
}
"""Of the resources that are named by a UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event with what it speaks of as that was when it happened.

    Either `event.data` says it or `resource`, of which only what cannot change is shown. `account_versions` are those
    at which the event left the accounts that it moved.
    """

    ledger_id: LedgerId
    event: RecordedEvent
    resource: Any
    account_versions: Mapping[UUID, int]

    @property
    def origin(self) -> TraceOrigin | None:
        """Of which trace it was a part."""
        return None if self.event.traceparent is None else parse_traceparent(self.event.traceparent)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """`behind` is where the next page begins; `has_more` says whether there may be one now."""

    events: Sequence[ToldEvent]
    behind: FeedPosition
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOrder:
    """What a reader asks for, in its wire form."""

    after: str | None = None
    types: Sequence[str] = ()
    resource: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    """`account`, by its id or its code."""
    limit: int
    wait_seconds: int = 0


class EventFeed:
    """Pages of events. Nothing below a place that was passed can appear later, so a place is all a reader keeps."""

    def __init__(self, database: Database, directory: AccountDirectory) -> None:
        self._database = database
        self._directory = directory
        self._waiting = 0

    async def begin(self, ledger_id: LedgerId, order: FeedOrder) -> tuple[FeedPosition, EventFilter]:
        """Where a reader begins, and what it wants.

        Raises InvalidParameter, AccountNotFound for an account that is named and not there.
        """
        account = await self._directory.find_filter(ledger_id, order.filters)
        wanted = EventFilter(
            types=event_types_named(order.types),
            resource=None if order.resource is None else _resource(order.resource),
            account_id=None if account is None else account.id,
        )
        async with self._database.work(ledger_id) as connection:
            position = await self._position(connection, ledger_id, order.after)
        return position, wanted

    async def read(self, ledger_id: LedgerId, order: FeedOrder) -> FeedPage:
        """A page of what is wanted; where there is nothing yet, after waiting for it. Raises as `begin`."""
        position, wanted = await self.begin(ledger_id, order)
        loop = asyncio.get_running_loop()
        until = loop.time() + (order.wait_seconds if self._waiting < WAITERS_MAX else 0)
        self._waiting += 1
        try:
            page = await self.page(ledger_id, position, wanted, order.limit)
            while not page.events and not page.has_more and loop.time() < until:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                page = await self.page(ledger_id, page.behind, wanted, order.limit)
        finally:
            self._waiting -= 1
        return page

    async def page(self, ledger_id: LedgerId, position: FeedPosition, wanted: EventFilter, limit: int) -> FeedPage:
        async with self._database.work(ledger_id) as connection:
            found, behind, has_more = await events_behind(connection, ledger_id, position, wanted, limit)
            told = await told_events(connection, ledger_id, found)
        return FeedPage(events=told, behind=behind, has_more=has_more)

    async def _position(self, connection: Connection, ledger_id: LedgerId, after: str | None) -> FeedPosition:
        if after is None:
            return BEGINNING
        if after == LATEST:
            return await last_position(connection, ledger_id)
        event_id = parse_id(Prefix.EVENT, after)
        position = await position_of_event(connection, ledger_id, event_id)
        return position if position is not None else await _dropped(connection, ledger_id, event_id)


async def _dropped(connection: Connection, ledger_id: LedgerId, event_id: UUID) -> FeedPosition:
    """Behind the last event that was dropped nothing is missing. Raises EventsGone, InvalidParameter."""
    seal = await find_last_event_seal(connection, ledger_id)
    if seal is None or made_at(event_id) > seal.newest_at + NEARNESS_MAX:
        raise InvalidParameter("This ledger has no such event.", pointer="after")
    if event_id == seal.last.id:
        return seal.last
    raise EventsGone(
        "What came behind this event is not kept any more: begin behind `oldest_after`, and look up what you have "
        "missed.",
        pointer="after",
        oldest_after=render_id(Prefix.EVENT, seal.last.id),
    )


async def told_events(connection: Connection, ledger_id: LedgerId, events: Sequence[RecordedEvent]) -> list[ToldEvent]:
    """What each tells, looked up together."""
    if not events:
        return []
    resources: dict[UUID, Any] = {}
    for kind, find in _FINDERS.items():
        silent = {event.resource_id for event in events if event.data is None and event.resource_type is kind}
        if silent:
            resources |= await find(connection, ledger_id, list(silent))
    versions: dict[UUID, Mapping[UUID, int]] = {
        id_: made.account_versions for id_, made in resources.items() if isinstance(made, RecordedPayment)
    }
    untold = [event for event in events if event.id not in versions]
    if untold:
        versions.update(await account_versions_of(connection, ledger_id, _entry_ids(untold)))
    return [
        ToldEvent(
            ledger_id=ledger_id,
            event=event,
            resource=None if event.data is not None else resources.get(event.resource_id),
            account_versions=versions.get(event.id) or versions.get(event.resource_id) or {},
        )
        for event in events
    ]


async def readable_events(
    connection: Connection, ledger_id: LedgerId, events: Sequence[RecordedEvent]
) -> list[ToldEvent]:
    """As `told_events`, together; where one of them cannot be read, each for itself, and that one is left out."""
    try:
        return await told_events(connection, ledger_id, events)
    except (DomainError, ValueError, LookupError, TypeError):
        if len(events) > 1:
            return [told for event in events for told in await readable_events(connection, ledger_id, [event])]
        _log.exception("%s cannot be read", render_id(Prefix.EVENT, events[0].id))
        return []


async def readable_events_at(
    connection: Connection, places: Iterable[tuple[UUID, FeedPosition]]
) -> dict[UUID, ToldEvent]:
    """By their ids: those at these places in the feeds of ledgers, each looked up once."""
    of_ledgers: dict[UUID, set[FeedPosition]] = {}
    for ledger_id, place in places:
        of_ledgers.setdefault(ledger_id, set()).add(place)
    found: dict[UUID, ToldEvent] = {}
    for ledger_id, positions in of_ledgers.items():
        events = await events_at(connection, ledger_id, list(positions))
        found |= {one.event.id: one for one in await readable_events(connection, LedgerId(ledger_id), events)}
    return found


def _entry_ids(events: Iterable[RecordedEvent]) -> list[UUID]:
    """An event bears the id of the entry that made it one, but for the second of a command: its resource bears that."""
    return list({id_ for event in events for id_ in (event.id, event.resource_id)})


def event_types_named(names: Sequence[str]) -> frozenset[str]:
    """A name may end in `.*`, which is all that begins so. Raises InvalidParameter."""
    chosen: set[str] = set()
    for name in names:
        fitting = {known.value for known in EventType if _fits(name, known.value)}
        if not fitting:
            raise InvalidParameter("There is no event of this type.", pointer="type")
        chosen |= fitting
    return frozenset(chosen)


def _fits(name: str, known: str) -> bool:
    return known == name or (name.endswith(".*") and known.startswith(name[:-1]))


def _resource(text: str) -> tuple[ResourceType, UUID]:
    """Raises InvalidParameter, InvalidId."""
    for kind, prefix in PREFIXES.items():
        if text.startswith(prefix.value):
            return kind, parse_id(prefix, text)
    raise InvalidParameter("This is the id of a resource, with its prefix.", pointer="resource")


async def _accounts_now(connection: Connection, ledger_id: UUID, ids: Collection[UUID]) -> Mapping[UUID, Account]:
    """Only of accounts that were opened when such events did not tell it yet."""
    return {account.state.id: account for account in await find_accounts(connection, ledger_id, ids=ids, codes=())}


_FINDERS = {
    ResourceType.ACCOUNT: _accounts_now,
    ResourceType.JOURNAL_ENTRY: entries_as_made,
    ResourceType.PAYMENT: payments_as_made,
    ResourceType.EXCHANGE: find_exchanges,
    ResourceType.CLIENT_TRANSACTION: find_answered,
}
