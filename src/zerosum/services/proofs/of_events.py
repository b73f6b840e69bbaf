"""The third part of a proof: what happened was announced, once, and nothing else was.

Events are found by the transaction that wrote them and not by what they speak of. So both sides are added up, what
entries make one expect and what there is, by buckets of ids. Only where the sums of a bucket differ, both sides are
walked once more for what lies in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.event_seals import find_last_event_seal
from zerosum.db.queries.proofs import FIRST_ID, LAST_EVENT, entry_names_after, events_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.event_seals import BUCKETS, SealedEvents, rendered, sealed_events
from zerosum.services.proofs.event_seals import MODULUS as _MODULUS
from zerosum.services.proofs.report import Report, part_of

EVENTS_AT_ONCE = 5_000

BUCKETS_AT_ONCE = 4
"""That differ are looked into in one more walk: of ten million entries 160,000 are then in memory."""

_OF_NO_ENTRY = {
    "account": "a change that is not recorded",
    "house_rules": "a change that is not recorded",
    "webhook_endpoint": "a webhook endpoint that was never there, or of what cannot be",
}
"""What tells of no entry, and what is wrong where nothing else tells of it either."""

_CLIENT_EVENTS = {
    "deposit": "client_transaction.carried_out",
    "withdrawal": "client_transaction.carried_out",
    "dispute": "client_transaction.disputed",
    "resolve": "client_transaction.resolved",
    "chargeback": "client_transaction.charged_back",
}

_HOLD_EVENTS = {
    "hold": "hold.placed",
    "hold increment": "hold.incremented",
    "capture": "hold.captured",
    "extended": "hold.extended",
    "void": "hold.voided",
    "hold expiry": "hold.expired",
}

_PROCESSOR_EVENTS = {
    "payment proposed": "payment.processing",
    "payment moved": "payment.moved",
    "payment approved": "payment.succeeded",
    "payment declined": "payment.failed",
}

_REFUND_EVENTS = {
    "refund": "payment.refunded",
    "refund proposed": "payment.refund_processing",
    "refund approved": "payment.refunded",
    "refund declined": "payment.refund_failed",
}

_DISPUTE_EVENTS = {
    "dispute": "dispute.opened",
    "evidence_added": "dispute.evidence_added",
    "escalated": "dispute.escalated",
    "dispute escalation": "dispute.escalated",
    "resolve": "dispute.won",
    "chargeback": "dispute.lost",
}

_RECORDS = {"statement": "statement.issued", "template": "template.made"}
"""What is recorded and posts nothing: its event tells its hash."""


class Recorded(NamedTuple):
    """What was recorded, as this proof knows entries. `told` is what its event says of it."""

    id: UUID
    posted_at: str
    resource_type: str
    told: str


class EventsProof:
    """`horizon` (microseconds) is for slices that look at different moments: what is younger is left to the next
    proof."""

    def __init__(self, report: Report, *, horizon: int | None) -> None:
        self._report = report
        self._horizon = horizon
        self._position = (0, FIRST_ID)
        self._until: tuple[int, UUID] | None = None
        """Those behind it are another's, and so is holding both sides against each other (`gather`)."""
        self._sums = [0] * BUCKETS
        """What is expected."""
        self._found = [0] * BUCKETS
        """What was found, or is known from seals: added up anew where more was dropped meanwhile."""
        self._sealed: SealedEvents | None = None
        self._differing: list[int] | None = None
        self._search: _Search | None = None

    def expect(self, entry: Any) -> None:
        """What is announced of an entry, or of a step that posts nothing, bears its id and its time."""
        if self._is_looked_at(entry.posted_at):
            for id_, number in _expected(entry):
                _add(self._sums, id_, number)

    def position(self) -> dict[str, Any]:
        xid, id_ = self._position
        return {
            "at": [xid, str(id_)],
            "until": None if self._until is None else [self._until[0], str(self._until[1])],
            "sums": rendered(self._sums),
            "found": rendered(self._found),
            "seal": None if self._sealed is None else self._sealed.number,
            "differing": None if self._differing is None else [*self._differing],
        }

    def go_on(self, position: Mapping[str, Any]) -> None:
        """A search for what differs is begun anew, at the buckets that were left."""
        xid, id_ = position["at"]
        self._position = (int(xid), UUID(id_))
        if position.get("until") is not None:
            xid, id_ = position["until"]
            self._until = (int(xid), UUID(id_))
        self._add_up(position)
        if position["seal"] is not None:
            self._sealed = SealedEvents(number=int(position["seal"]))
        differing = position["differing"]
        self._differing = None if differing is None else [*differing]

    async def gather(self, connection: Connection, shares: Iterable[Mapping[str, Any]]) -> None:
        """In place of looking: what others have expected and found, by the positions at which they have ended."""
        await self._look_at_seals(connection)
        for position in shares:
            self._add_up(position)
        self._position = LAST_EVENT

    def _add_up(self, position: Mapping[str, Any]) -> None:
        for sums, name in ((self._sums, "sums"), (self._found, "found")):
            for bucket, one in position[name].items():
                sums[int(bucket)] = (sums[int(bucket)] + int(one, 16)) % _MODULUS

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one. The entries must have been told of before the last."""
        limit = part_of(EVENTS_AT_ONCE, share)
        if self._until is not None:
            return await self._look(connection, self._until, limit)
        await self._look_at_seals(connection)
        if self._differing is not None:
            return await self._search_on(connection, self._differing, limit)
        if not await self._look(connection, LAST_EVENT, limit):
            return False
        if self._is_overtaken:
            self._differing = []
        else:
            self._differing = [bucket for bucket in range(BUCKETS) if self._sums[bucket] != self._found[bucket]]
        return not self._differing

    async def _look(self, connection: Connection, until: tuple[int, UUID], limit: int) -> bool:
        """Whether no event is left."""
        rows = await events_after(connection, self._report.ledger_id, self._position, until=until, limit=limit)
        for row in rows:
            if row.resource_type in _OF_NO_ENTRY:
                if not row.is_explained:
                    what = f"the event {_event(row.id)} tells of {_OF_NO_ENTRY[row.resource_type]}"
                    self._report.note(what, concerned=(row.resource_id,) if row.resource_type == "account" else ())
            elif self._is_looked_at(row.created_at):
                _add(self._found, row.id, number_of(row))
        if len(rows) == limit:
            self._position = (rows[-1].xid, rows[-1].id)
        return len(rows) < limit

    @property
    def _is_overtaken(self) -> bool:
        """Whether seals hold events that this proof does not look at, for they were told after it began.

        What they come to together is known, and not each: only a proof that has begun later can hold them against
        entries. That takes one that goes on for longer than events are kept.
        """
        return self._horizon is not None and self._sealed is not None and self._sealed.until >= self._horizon

    async def _search_on(self, connection: Connection, differing: list[int], limit: int) -> bool:
        if self._search is None:
            buckets = set(differing[:BUCKETS_AT_ONCE])
            self._search = _Search(self._report, buckets, self._is_looked_at, self._sealed or SealedEvents())
        if await self._search.take_slice(connection, limit):
            self._search = None
            del differing[:BUCKETS_AT_ONCE]
        return not differing or self._report.is_full

    async def _look_at_seals(self, connection: Connection) -> None:
        """Where events were dropped since they were looked at, that is done anew. What is sealed counts as found."""
        newest = await find_last_event_seal(connection, self._report.ledger_id)
        number = 0 if newest is None else newest.number
        if self._sealed is None and not number:
            self._sealed = SealedEvents()
        elif self._sealed is None or self._sealed.number != number:
            self._sealed = await sealed_events(connection, self._report)
            self._found, self._position = [*self._sealed.sums], (0, FIRST_ID)
            self._differing = self._search = None
        elif number and self._sealed.until < 0:  # It goes on where another process has ended.
            self._sealed = await sealed_events(connection, self._report)

    def _is_looked_at(self, moment: str) -> bool:
        """What has no time that can be read is as good as old."""
        try:
            return self._horizon is None or int(moment) < self._horizon
        except ValueError:
            return True


class _Search:
    """Which entries and events of some buckets do not belong together."""

    def __init__(
        self, report: Report, buckets: Collection[int], is_looked_at: Callable[[str], bool], sealed: SealedEvents
    ) -> None:
        self._report = report
        self._sealed = sealed
        self._buckets = buckets
        self._is_looked_at = is_looked_at
        self._after = FIRST_ID
        self._position = (0, FIRST_ID)
        self._are_all_known = False
        self._expected: dict[UUID, tuple[int, list[UUID], bool]] = {}
        """Of an entry: the event it makes one expect, its accounts, and whether that may have been dropped."""
        self._announced: set[UUID] = set()

    async def take_slice(self, connection: Connection, limit: int) -> bool:
        """Whether that was the last one."""
        if self._are_all_known:
            return await self._look_at_events(connection, limit)
        rows = await entry_names_after(connection, self._report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            if self._is_looked_at(row.posted_at):
                for id_, number in _expected(row):
                    if _bucket(id_) in self._buckets:
                        self._expected[id_] = (number, row.account_ids, self._may_be_gone(row.posted_at))
        self._are_all_known = len(rows) < limit
        if rows:
            self._after = rows[-1].id
        return False

    async def _look_at_events(self, connection: Connection, limit: int) -> bool:
        rows = await events_after(connection, self._report.ledger_id, self._position, limit=limit)
        for row in rows:
            is_meant = row.resource_type not in _OF_NO_ENTRY and _bucket(row.id) in self._buckets
            if is_meant and self._is_looked_at(row.created_at):
                self._look_at(row)
        if len(rows) == limit:
            self._position = (rows[-1].xid, rows[-1].id)
            return False
        gone = [0] * BUCKETS
        for id_ in self._expected.keys() - self._announced:
            number, accounts, may_be_gone = self._expected[id_]
            if may_be_gone:
                _add(gone, id_, number)
                continue
            name = render_id(Prefix.JOURNAL_ENTRY, id_)
            self._report.note(f"the journal entry {name} has no event", concerned=accounts)
        for bucket in sorted(self._buckets):
            if gone[bucket] != self._sealed.sums[bucket]:
                self._report.note(
                    f"the events that were dropped, or are older than those, are not what journal entries make one "
                    f"expect (of the bucket {bucket})"
                )
        return True

    def _may_be_gone(self, moment: str) -> bool:
        """It bears the time of its event. What has no time that can be read is as good as old."""
        try:
            return int(moment) <= self._sealed.until
        except ValueError:
            return self._sealed.number > 0

    def _look_at(self, event: Any) -> None:
        expected, accounts, _ = self._expected.get(event.id, (None, [], False))
        if expected is None:
            self._report.note(f"the event {_event(event.id)} has no journal entry")
        elif event.id in self._announced:
            self._report.note(f"the event {_event(event.id)} is there twice", concerned=accounts)
        elif number_of(event) != expected:
            what = f"the event {_event(event.id)} is not what its journal entry makes one expect"
            self._report.note(what, concerned=accounts)
        self._announced.add(event.id)


def _expected(entry: Any) -> list[tuple[UUID, int]]:
    """The ids of its events, and what is said there."""
    if entry.resource_type == "scheduled_payment":
        return _expected_of_schedule(entry)
    if entry.resource_type == "review":
        type_ = f"payment.{entry.reason}"
        return [(entry.id, _number(str(entry.id), type_, "review", entry.resource_id, entry.posted_at, entry.told))]
    if entry.resource_type in _RECORDS:
        type_ = _RECORDS[entry.resource_type]
        return [(entry.id, _number(str(entry.id), type_, entry.resource_type, "None", entry.posted_at, entry.told))]
    expected = [(entry.id, _first_expected(entry))]
    if (entry.resource_type, entry.reason) == ("hold", "capture"):
        # What was captured is a payment too.
        paid = UUID(int=entry.id.int + 1)
        number = _number(str(paid), "payment.succeeded", "payment", str(entry.id), entry.posted_at, "")
        expected.append((paid, number))
    return expected


def _expected_of_schedule(entry: Any) -> list[tuple[UUID, int]]:
    """A run that completes it tells of that too. The first event bears the id of what it tells of."""
    told = "None" if entry.reason == "created" else entry.resource_id
    expected = []
    for place, verb in enumerate(entry.reason.split(" ")):
        id_ = UUID(int=entry.id.int + place)
        said = "" if verb == "completed" else entry.told
        number = _number(str(id_), f"scheduled_payment.{verb}", "scheduled_payment", told, entry.posted_at, said)
        expected.append((id_, number))
    return expected


def _first_expected(entry: Any) -> int:
    if entry.resource_type == "refund":
        payment_id = str(entry.refunded_payment_id)
        type_ = _REFUND_EVENTS.get(entry.reason, "")
        return _number(str(entry.id), type_, "payment", payment_id, entry.posted_at, "")
    # Events of a hold, a dispute or a payment name it, but for the first, whose id it bears.
    resource_id = entry.resource_id if entry.resource_type in ("hold", "dispute", "payment") else None
    return _number(str(entry.id), _type_of(entry), entry.resource_type, str(resource_id), entry.posted_at, "")


def sums_of(events: Iterable[Any]) -> list[int]:
    """By buckets, as the proof adds them up: of those that it holds against entries."""
    sums = [0] * BUCKETS
    for event in events:
        if event.resource_type not in _OF_NO_ENTRY:
            _add(sums, event.id, number_of(event))
    return sums


def _add(sums: list[int], id_: UUID, number: int) -> None:
    bucket = _bucket(id_)
    sums[bucket] = (sums[bucket] + number) % _MODULUS


def number_of(event: Any) -> int:
    """What it is made of is fixed: seals hold sums of it for ever."""
    return _number(str(event.id), event.type, event.resource_type, str(event.resource_id), event.created_at, event.told)


def _type_of(entry: Any) -> str:
    if entry.resource_type == "client_transaction":
        return _CLIENT_EVENTS.get(entry.reason, "")
    if entry.resource_type == "dispute":
        return _DISPUTE_EVENTS.get(entry.reason, "")
    if entry.resource_type == "hold":
        return _HOLD_EVENTS.get(entry.reason, "")
    if entry.resource_type == "payment":
        return _PROCESSOR_EVENTS.get(entry.reason, "payment.succeeded")
    if entry.resource_type == "exchange":
        return "exchange.succeeded"
    if entry.resource_type == "account_group":
        return f"account_group.{entry.reason}"
    if entry.resource_type == "subject":
        return f"subject.{entry.reason}"
    if entry.resource_type == "period":
        return "period.closed"
    return "journal_entry.posted"


def _number(*texts: str) -> int:
    """Sums of these are equal only where the same was added up, in whatever order."""
    return int.from_bytes(hashlib.sha256("|".join(texts).encode()).digest())


def _bucket(id_: UUID) -> int:
    return id_.bytes[-1] % BUCKETS


def _event(event_id: Any) -> str:
    return render_id(Prefix.EVENT, event_id)
