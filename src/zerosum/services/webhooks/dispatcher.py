"""Delivers events to webhook endpoints: at least once, those of one resource in their order, each with its own id.

One turn of a dispatcher, of which several may run:

    1  write   how attempts have ended, together
    2  claim   some that are due, of each endpoint
    3  fan out make deliveries of what has happened behind the place of each endpoint, and move it; what is due at once
               and has room is claimed as it is made
    4  read    what is to be sent
    5  send    by couriers, with no transaction open

2 to 4 are one short transaction. More is claimed than is sent at once, so that a turn is worth its while; when an
endpoint fails, what waits for it is given back. Who dies between 2 and 1 loses its claims after CLAIM_TIME, and another
sends them again, under the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.engine import Connection, Database, renew_plans
from zerosum.db.queries.pages import plan_once
from zerosum.db.queries.webhook_dispatch import (
    AttemptResult,
    ClaimedDelivery,
    Room,
    claim,
    need_not_last,
    oldest_due,
)
from zerosum.db.queries.webhook_endpoints import EndpointRecord, find_endpoints, ledgers_with_endpoints
from zerosum.db.queries.webhook_fan_out import fan_out
from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.webhooks import BREAKER_FAILURES
from zerosum.services.credentials.envelope import SealBroken
from zerosum.services.event_feed import ToldEvent
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.stopping import rest
from zerosum.services.webhooks.announcing import endpoint_content
from zerosum.services.webhooks.contents import contents_of, ping_event
from zerosum.services.webhooks.couriers import Couriers
from zerosum.services.webhooks.parking import park
from zerosum.services.webhooks.results import NOT_READABLE, is_failure, record_results
from zerosum.services.webhooks.secrets import EndpointSecrets, OpenedEndpoint
from zerosum.services.webhooks.sending import Client, Parcel, Sender
from zerosum.services.webhooks.slots import Slots

CLAIM_TIME = timedelta(seconds=40)
"""More than sending may take, and writing how it went."""

CLAIMED_MAX = 2_500
CLAIMED_PER_ENDPOINT_MAX = 500
REFILL = 250
"""More is claimed when so many of all have ended: to look for a few costs nearly what it costs to look for many."""

REFILL_SECONDS = 0.25
"""Or so long after the last claim: what few endpoints keep busy for long leaves others what there is room for."""

STALE_TIME = timedelta(seconds=20)
"""What has waited so long is given back: until it were sent, the claim might have lapsed."""

ENDPOINTS_AT_ONCE = 100
EVENTS_AT_ONCE = 500
"""Of each endpoint in one turn."""

RESULTS_AT_ONCE = 500
TURN_SECONDS = 0.1
"""From the beginning of one turn to that of the next: what one costs is shared by all that has come in meanwhile. It is
as long as whoever finds nothing rests, so that an event waits no longer where many come than where few do."""

IDLE_SECONDS = 0.1
LOOK_FOR_LEDGERS_SECONDS = 1.0
REST_SECONDS = 1.0
"""After a turn that has failed."""

STOP_SECONDS_MAX = 4.0
"""For what is on its way. Its claims lapse otherwise."""

LAST_WRITES_MAX = 30

Render = Callable[[ToldEvent], dict[str, Any]]
"""What an event looks like in the feed."""

_log = logging.getLogger(__name__)


class Dispatcher:
    def __init__(
        self,
        database: Database,
        secrets: EndpointSecrets,
        client: Client,
        render: Render,
        now: Callable[[], datetime],
        *,
        only: Sequence[UUID] | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """`only` are the ledgers that it looks after; None: all."""
        self._database = database
        self._secrets = secrets
        self._sender = Sender(client, now, spans)
        self.stats = self._sender.stats
        self._render = render
        self._now = now
        self._only = only
        self._ledgers: list[UUID] = []
        self._looked_at: float | None = None
        self._claimed_at = float("-inf")
        self._seen = 0
        """Events that were looked at."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy: Counter[UUID] = Counter()
        """Claims of each endpoint that are not written yet."""
        self._slots = Slots()
        self._couriers = Couriers(self._slots, self._send, self._begin)
        self._failing: set[UUID] = set()
        """Endpoints whose failures are not written yet."""
        self._results: list[AttemptResult] = []
        self._returned: list[ClaimedDelivery] = []
        self._has_result = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; what is on its way then is waited for, for a while."""
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            next_at = clock() + TURN_SECONDS
            try:
                has_more = await self.run_turn()
            except Exception as error:
                if not isinstance(error, DomainError):
                    _log.exception("a turn of the webhook dispatcher has failed")
                await rest(stop, REST_SECONDS)
                continue
            if not has_more:
                await self._rest(stop)
            await rest(stop, max(0.0, next_at - clock()))
        await self._end()

    async def run_turn(self) -> bool:
        """Whether the next one may find something at once."""
        wrote = await self.write()
        ledgers = await self._ledgers_now()
        if not ledgers:
            return False
        seen, parcels = await self._take(ledgers)
        self._couriers.hand_over(parcels)
        return bool(seen or parcels or (wrote and self._results))

    async def write(self) -> int:
        """How the attempts have ended that did so meanwhile. They are kept until that is committed."""
        self._has_result.clear()
        results, returned = self._results[:RESULTS_AT_ONCE], self._returned[:RESULTS_AT_ONCE]
        if not results and not returned:
            return 0
        recorded = await record_results(self._database, results, returned, self._now())
        del self._results[: len(results)], self._returned[: len(returned)]
        # Those of an endpoint that somebody else has locked come again, behind the others.
        self._results += [one for one in results if one.delivery.endpoint_id in recorded.locked]
        self._returned += [one for one in returned if one.endpoint_id in recorded.locked]
        written = [one.delivery.endpoint_id for one in results] + [one.endpoint_id for one in returned]
        # Only now: who has failed is judged by it before anything more is sent there.
        self._busy.subtract(id_ for id_ in written if id_ not in recorded.locked)
        self._busy = +self._busy
        self._failing = {one.delivery.endpoint_id for one in self._results if is_failure(one)}
        for endpoint in recorded.disabled:
            self._begin(self._park(endpoint))
        return sum(one.delivery.endpoint_id not in recorded.locked for one in results)

    async def lag(self) -> float:
        """Seconds for which what has waited the longest is due, or has happened and was not looked at yet."""
        if not self._ledgers:
            return 0.0
        now = self._now()
        async with self._database.work(*self._ledgers) as connection:
            oldest = await oldest_due(connection, self._ledgers, now)
        return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    async def _park(self, endpoint: EndpointRecord) -> None:
        """Beside the turns. Nothing is claimed of it any more; what is left is parked with what is old."""
        try:
            await park(self._database, endpoint.ledger_id, endpoint.id)
        except DomainError as error:
            named = render_id(Prefix.WEBHOOK_ENDPOINT, endpoint.id)
            _log.warning("what %s still waits for is parked later: %s", named, error.code)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="webhook")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _ledgers_now(self) -> list[UUID]:
        clock = asyncio.get_running_loop().time()
        if self._looked_at is None or clock - self._looked_at >= LOOK_FOR_LEDGERS_SECONDS:
            async with self._database.operator_work() as connection:
                found = await ledgers_with_endpoints(connection)
            self._ledgers = found if self._only is None else [one for one in found if one in self._only]
            self._looked_at = clock
        return self._ledgers

    async def _take(self, ledgers: Sequence[UUID]) -> tuple[int, list[Parcel]]:
        """How many events were looked at, and what is to be sent now."""
        now = self._now()
        async with self._database.work(*ledgers) as connection:
            await need_not_last(connection)
            await plan_once(connection)
            await renew_plans(connection, self._seen)
            claimed = await self._claim(connection, ledgers, now)
            room = self._room(now, Counter(one.endpoint_id for one in claimed or ()))
            if claimed is None:  # What waits already comes first.
                room = replace(room, free=0)
            seen, new = await fan_out(
                connection, ledgers, room, now, endpoints_max=ENDPOINTS_AT_ONCE, events_max=EVENTS_AT_ONCE
            )
            claimed = [*(claimed or ()), *new]
            self._seen += seen
            contents = await contents_of(connection, claimed)
            endpoints = await find_endpoints(connection, {one.endpoint for one in claimed}) if claimed else {}
        # Should that fail, its claims lapse.
        parcels = await self._parcels(claimed, contents, endpoints, now)
        self._busy.update(delivery.endpoint_id for delivery in claimed)
        return seen, parcels

    async def _claim(
        self, connection: Connection, ledgers: Sequence[UUID], now: datetime
    ) -> list[ClaimedDelivery] | None:
        """Of what waits; None where it is not time yet to look for it."""
        room, clock = self._room(now), asyncio.get_running_loop().time()
        if room.free < REFILL and (room.free <= 0 or clock - self._claimed_at < REFILL_SECONDS):
            return None
        self._claimed_at = clock
        return await claim(connection, ledgers, room, now, breaker=BREAKER_FAILURES)

    def _room(self, now: datetime, claimed: Counter[UUID] | None = None) -> Room:
        """Beside what is claimed already, and what was `claimed` just now."""
        busy = self._busy if claimed is None else self._busy + claimed
        return Room(
            busy=self._slots.as_claimed(busy, CLAIMED_PER_ENDPOINT_MAX),
            per_endpoint=CLAIMED_PER_ENDPOINT_MAX,
            free=CLAIMED_MAX - busy.total(),
            until=now + CLAIM_TIME,
        )

    async def _parcels(
        self,
        claimed: Sequence[ClaimedDelivery],
        contents: Mapping[UUID, ToldEvent],
        endpoints: Mapping[UUID, EndpointRecord],
        now: datetime,
    ) -> list[Parcel]:
        opened: dict[UUID, OpenedEndpoint] = {}
        for id_, record in endpoints.items():
            try:
                opened[id_] = await self._secrets.opened(record, now)
            except SealBroken:
                _log.exception("the secret of %s cannot be opened", render_id(Prefix.WEBHOOK_ENDPOINT, id_))
        bodies = {id_: self._body(told) for id_, told in contents.items()}
        parcels = []
        unreadable = []
        for one in claimed:
            endpoint, body = opened.get(one.endpoint_id), bodies.get(one.event_id)
            if endpoint is not None and one.type is EventType.WEBHOOK_ENDPOINT_PING:
                body = self._body(ping_event(one, endpoint_content(endpoints[one.endpoint_id])))
            if endpoint is None or body is None:
                unreadable.append(one)
            else:
                told = contents.get(one.event_id)
                origin = None if told is None else told.origin
                parcels.append(Parcel(delivery=one, endpoint=endpoint, body=body, claimed_at=now, origin=origin))
        for one in unreadable:
            self._put(self._sender.failed(one, None, NOT_READABLE))
        return parcels

    def _body(self, told: ToldEvent) -> bytes | None:
        """None of what cannot be shown, which keeps nothing else from being sent."""
        try:
            return orjson.dumps(self._render(told))
        except Exception:
            _log.exception("%s cannot be rendered", render_id(Prefix.EVENT, told.event.id))
            return None

    async def _send(self, parcel: Parcel) -> None:
        """Unless its endpoint has failed meanwhile, or it has become late."""
        if parcel.delivery.endpoint_id in self._failing or self._now() - parcel.claimed_at > STALE_TIME:
            self._returned.append(parcel.delivery)
            self._has_result.set()
            return
        try:
            result = await self._sender.attempt(parcel)
        except Exception:
            # A fault of ours with one of them is no reason to leave the others, which its courier still has, unsent.
            _log.exception("%s cannot be sent", render_id(Prefix.EVENT, parcel.delivery.event_id))
            result = self._sender.failed(parcel.delivery, None, "not_sent")
        self._put(result)

    def _put(self, result: AttemptResult) -> None:
        if is_failure(result):
            self._failing.add(result.delivery.endpoint_id)
        self._results.append(result)
        self._has_result.set()

    async def _rest(self, stop: asyncio.Event) -> None:
        """Until something ends, or it is time to look again."""
        waiting = [asyncio.create_task(self._has_result.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waiting, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _end(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS_MAX)
        for task in self._under_way:
            task.cancel()
        for _ in range(LAST_WRITES_MAX):
            if not self._results and not self._returned:
                return
            if not await self.write():
                await asyncio.sleep(IDLE_SECONDS)
