"""Publishes events to a broker: at least once, each with its own id, those of one key in their order.

One turn of a publisher, of which several may run:

    1  keep   its leases, and take what nobody holds
    2  read   the next events behind the position, in a short transaction
    3  send   them, with no transaction open: as many as are safe at the broker count; leases are kept meanwhile
    4  move   the position behind these, where the lease is still its own

One batch of a ledger is on its way at a time, and begins at the position. So two that publish at once, one of them a
zombie, send beginnings of the same sequence, and whatever comes twice comes first in its order. After a failure events
go one by one until it goes well again: what a broker refuses is told alone, and nothing else is repeated with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson

from zerosum.db.engine import Database
from zerosum.db.queries.events import EventFilter, FeedPosition, events_behind
from zerosum.db.queries.publications import move_publication, tell_obstacle
from zerosum.db.queries.webhook_dispatch import need_not_last
from zerosum.domain.errors import DomainError, OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.messages import storable
from zerosum.domain.publications import (
    OutgoingMessage,
    Publication,
    PublicationKey,
    PublicationUnfit,
    Sent,
    attributes_of,
    key_of,
)
from zerosum.services.event_feed import ToldEvent, told_events
from zerosum.services.publications.parties import parties_of
from zerosum.services.publications.positions import HeldPosition, PublicationPositions
from zerosum.services.publications.steps import PublishingSteps
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.stopping import rest

BATCH_MAX = 500
"""Events of one ledger that are on their way at a time."""

LEDGERS_AT_ONCE = 3
"""Of one publisher."""

SEND_SECONDS_MAX = 10.0
KEPT_IN_A_LEASE = 4
"""So often a lease is renewed before it could lapse."""

LOOK_FOR_LEDGERS_SECONDS = 2.0
IDLE_SECONDS = 0.1
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 5.0
OBSTACLE_CHARACTERS_MAX = 500
TELL_SECONDS = 60.0
"""How often what stands in the way is told again in the log."""

Render = Callable[[ToldEvent], dict[str, Any]]
"""What an event looks like in the feed."""

_log = logging.getLogger(__name__)


class Destination(Protocol):
    """A broker."""

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        """In their order, as far as it goes; what is counted is safe there. What is not may have come all the same."""

    async def close(self) -> None:
        """Bounded, and without waiting for what has not come. The next `send` begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationOrder:
    """What is to be published: of the ledger `only`, or of all. `make` connects to nothing yet."""

    publication: Publication
    only: UUID | None
    begins_latest: bool
    make: Callable[[], Destination]


@dataclass(slots=True)
class PublishTally:
    """Since the process began."""

    published: int = 0
    failures: int = 0
    fenced: int = 0


@dataclass(slots=True, kw_only=True)
class _Line:
    """The events of one ledger."""

    held: HeldPosition
    batch: int = BATCH_MAX
    pause: float = 0.0
    rests_until: float = 0.0
    obstacle: str | None = None
    told_at: float = 0.0
    waiting_since: datetime | None = None


class Publisher:
    """Of one publication."""

    def __init__(
        self,
        publication: Publication,
        positions: PublicationPositions,
        database: Database,
        destination: Destination,
        render: Render,
        now: Callable[[], datetime],
        *,
        holder: str,
        begins_latest: bool = False,
        spans: Spans = NO_SPANS,
    ) -> None:
        """`holder` names this process among all that ever publish."""
        self.publication = publication
        self.tally = PublishTally()
        self._positions = positions
        self._database = database
        self._destination = destination
        self._render = render
        self._now = now
        self._holder = holder
        self._begins_latest = begins_latest
        self._spans = spans
        self._wanted = EventFilter(types=publication.wanted_types())
        self._ledgers: list[UUID] | None = None
        self._looked_at = 0.0
        self._kept_at = 0.0
        self._lines: dict[UUID, _Line] = {}

    @property
    def lag_seconds(self) -> float | None:
        """How long the oldest event has waited; None where nothing is held."""
        if not self._lines:
            return None
        since = [line.waiting_since for line in self._lines.values() if line.waiting_since is not None]
        return max(0.0, (self._now() - min(since)).total_seconds()) if since else 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop. Raises PublicationUnfit where one of that name publishes something else."""
        try:
            while not stop.is_set():
                seconds = IDLE_SECONDS
                try:
                    if await self.run_turn():
                        continue
                except PublicationUnfit:
                    raise
                except Exception as error:
                    seconds = PAUSE_SECONDS_MAX if not isinstance(error, DomainError) else 1.0
                    if not isinstance(error, DomainError):
                        _log.exception("a turn of the publication %s has failed", self.publication.name)
                await rest(stop, seconds)
        finally:
            await self._end()

    async def run_turn(self) -> bool:
        """Whether the next one may find something at once."""
        clock = asyncio.get_running_loop().time()
        await self._keep(clock)
        due = [line.held for line in self._lines.values() if line.rests_until <= clock]
        behind = await self._positions.behind(due, LEDGERS_AT_ONCE) if due else []
        since = dict(behind)
        for held in due:
            if len(behind) < LEDGERS_AT_ONCE or held.ledger_id in since:
                self._lines[held.ledger_id].waiting_since = since.get(held.ledger_id)
        lines = [self._lines[ledger_id] for ledger_id in since]
        keeping = asyncio.create_task(self._keep_meanwhile())
        try:
            advanced = await asyncio.gather(*(self._advance(line) for line in lines), return_exceptions=True)
        finally:
            keeping.cancel()
        for end in advanced:
            if isinstance(end, BaseException):
                raise end
        return any(advanced)

    async def _keep(self, clock: float) -> None:
        if self._ledgers is None or clock - self._looked_at >= LOOK_FOR_LEDGERS_SECONDS:
            found = await self._positions.ledgers()
            new = [one for one in found if self._ledgers is None or one not in set(self._ledgers)]
            if new or self._ledgers is None:
                is_latest = self._begins_latest and self._ledgers is None
                await self._positions.begin(self.publication, new, is_latest=is_latest)
                self._kept_at = 0.0
            self._ledgers, self._looked_at = found, clock
        if self._kept_at and clock - self._kept_at < self._positions.lease_seconds / KEPT_IN_A_LEASE:
            return
        taken = await self._positions.take(self.publication, self._ledgers, self._holder)
        lines = {}
        for held in taken:
            line = self._lines.get(held.ledger_id)
            if line is None:
                _log.info("the publication %s of %s is published by %s", *self._named(held), self._holder)
            same = line is not None and line.held == held
            lines[held.ledger_id] = line if line is not None and same else _Line(held=held)
        self._lines, self._kept_at = lines, clock

    async def _keep_meanwhile(self) -> None:
        """A broker may take longer than a lease lasts: whoever took it over would send the same, and neither get on."""
        while True:
            await asyncio.sleep(self._positions.lease_seconds / KEPT_IN_A_LEASE)
            try:
                await self._positions.take(self.publication, list(self._lines), self._holder)
            except DomainError as error:
                _log.info("the lease of the publication %s is not renewed: %s", self.publication.name, error.detail)

    async def _advance(self, line: _Line) -> bool:
        """Whether the position was moved."""
        try:
            messages, places, behind = await self._read(line)
        except (Unavailable, OutcomeUnknown):
            raise
        except (DomainError, ValueError, LookupError, TypeError, AttributeError) as error:
            # Something that this version cannot read. Alone it is what stands in the way.
            return await self._failed(line, 0, f"an event cannot be read: {error!r}")
        sent = await self._send(messages) if messages else Sent(0)
        place = behind if sent.number == len(messages) else places[sent.number - 1] if sent.number else None
        if place is not None and place != line.held.position and not await self._move(line, place, sent.number):
            return False
        if sent.obstacle is not None:
            return await self._failed(line, sent.number, sent.obstacle)
        if sent.number or not messages:
            self._goes_well(line)
        return place is not None

    async def _read(self, line: _Line) -> tuple[list[OutgoingMessage], list[FeedPosition], FeedPosition]:
        """What comes next, the place of each, and where looking has ended: behind what is not wanted too."""
        ledger_id = LedgerId(line.held.ledger_id)
        by_account = self.publication.key is PublicationKey.ACCOUNT
        async with self._database.work(ledger_id) as connection:
            found, behind, _ = await events_behind(connection, ledger_id, line.held.position, self._wanted, line.batch)
            told = await told_events(connection, ledger_id, found)
            parties = await parties_of(connection, ledger_id, told) if by_account else {}
        messages = [self._message(one, parties.get(one.event.id)) for one in told]
        return messages, [event.position for event in found], behind

    def _message(self, told: ToldEvent, parties: Mapping[str, Any] | None) -> OutgoingMessage:
        body = self._render(told)
        key = key_of(body, self.publication.key, parties)
        topic = self.publication.topic.rendered(
            ledger=body["ledger"], type=body["type"], resource=body["resource"]["type"]
        )
        return OutgoingMessage(
            id=body["id"],
            topic=topic,
            key=key,
            body=orjson.dumps(body),
            attributes=attributes_of(body, key),
            traceparent=told.event.traceparent,
        )

    async def _send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        """Whatever goes wrong: what is not known to be safe is sent again."""
        steps, sent = PublishingSteps(self._spans, messages), Sent(0)
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                sent = await self._destination.send(steps.messages)
        except TimeoutError:
            sent = Sent(0, f"no answer within {SEND_SECONDS_MAX:g} seconds")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            sent = Sent(0, "the broker hangs")  # Its client has cancelled its own wait.
        except Exception as error:
            _log.exception("%s could not be sent to", self.publication.target)
            sent = Sent(0, repr(error))
        finally:
            steps.end(sent.number)
        self.tally.published += sent.number
        if sent.obstacle is not None:
            await self._destination.close()
        return sent

    async def _move(self, line: _Line, place: FeedPosition, published: int) -> bool:
        async with self._database.work(line.held.ledger_id) as connection:
            await need_not_last(connection)  # Lost with the server they are sent again.
            is_moved = await move_publication(
                connection, self.publication.name, line.held, place, published, self._positions.lease_seconds
            )
        if is_moved:
            line.held = replace(line.held, position=place)
            return True
        self.tally.fenced += 1
        self._kept_at = 0.0
        self._lines.pop(line.held.ledger_id, None)
        _log.warning("the publication %s of %s was taken or put elsewhere", *self._named(line.held))
        return False

    async def _failed(self, line: _Line, sent: int, obstacle: str) -> bool:
        """False: the ledger rests a while."""
        clock = asyncio.get_running_loop().time()
        obstacle = storable(obstacle[:OBSTACLE_CHARACTERS_MAX])  # the broker's own words
        self.tally.failures += 1
        line.batch = 1
        line.pause = PAUSE_SECONDS_MIN if sent or not line.pause else min(2 * line.pause, PAUSE_SECONDS_MAX)
        line.rests_until = clock + line.pause
        if line.obstacle != obstacle or clock - line.told_at > TELL_SECONDS:
            line.told_at = clock
            _log.warning("the publication %s of %s waits: %s", *self._named(line.held), obstacle)
        if line.obstacle != obstacle:
            await self._tell_obstacle(line, obstacle)
        return False

    def _goes_well(self, line: _Line) -> None:
        line.batch, line.pause = min(2 * line.batch, BATCH_MAX), 0.0
        if line.obstacle is not None:
            _log.info("the publication %s of %s goes on", *self._named(line.held))
            line.obstacle = None

    async def _tell_obstacle(self, line: _Line, obstacle: str) -> None:
        async with self._database.work(line.held.ledger_id) as connection:
            await need_not_last(connection)
            await tell_obstacle(connection, self.publication.name, line.held, obstacle)
        line.obstacle = obstacle

    def _named(self, held: HeldPosition) -> tuple[str, str]:
        return self.publication.name, render_id(Prefix.LEDGER, held.ledger_id)

    async def _end(self) -> None:
        held = [line.held for line in self._lines.values()]
        self._lines = {}
        await self._destination.close()
        try:
            await self._positions.release(self.publication.name, held, self._holder)
        except DomainError as error:
            _log.info("the publication %s is left to its lease: %s", self.publication.name, error.detail)
