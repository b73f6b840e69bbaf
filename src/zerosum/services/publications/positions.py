"""How far publications have come, of all the ledgers that they publish: what a publisher and an operator ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.events import BEGINNING, FeedPosition, last_position, position_of_event
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.publications import HeldPosition as HeldPosition  # shown by publishers
from zerosum.db.queries.publications import PublicationRecord as PublicationRecord  # shown by commands
from zerosum.db.queries.publications import (
    delete_publication,
    describe_anew,
    find_publications,
    insert_publication,
    ledgers_behind,
    put_publication,
    release_publications,
    take_publications,
)
from zerosum.domain.publications import Publication, PublicationUnfit
from zerosum.services.event_feed import LATEST
from zerosum.services.slices import slices

LEASE_SECONDS = 20.0
"""More than sending a batch may take, and moving the position. Another takes over so long after one has died."""

LEDGERS_AT_ONCE = 200
START = "beginning"

_One = TypeVar("_One")


@dataclass(frozen=True, slots=True)
class PublicationState:
    """`waiting_since` is when the first event was recorded that is not published yet; None where all are."""

    record: PublicationRecord
    waiting_since: datetime | None


class PublicationPositions:
    """`only` is the ledger whose events are published; None: all there are."""

    def __init__(self, database: Database, only: UUID | None = None, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._only = only
        self.lease_seconds = lease_seconds

    async def ledgers(self) -> list[UUID]:
        if self._only is not None:
            return [self._only]
        return [ledger.id async for ledger in every_ledger(self._database)]

    async def begin(self, publication: Publication, ledgers: Sequence[UUID], *, is_latest: bool) -> None:
        """Make sure that it has a place in the feed of each ledger.

        `is_latest` holds where no ledger has one yet: a publication that has begun misses no ledger's beginning. Raises
        PublicationUnfit where one of that name publishes something else, or elsewhere: two of them would each publish
        half of the events.
        """
        known: set[UUID] = set()
        for some in _slices(ledgers):
            async with self._database.work(*some) as connection:
                found = await find_publications(connection, some, publication.name)
            _check_same(publication, found)
            known |= {record.ledger_id for record in found}
        begins_latest = is_latest and not known
        for some in _slices([one for one in ledgers if one not in known]):
            async with self._database.work(*some) as connection:
                for ledger_id in some:
                    place = await last_position(connection, ledger_id) if begins_latest else BEGINNING
                    await insert_publication(connection, ledger_id, publication, place)
            # Somebody else may have been quicker, with something else.
            async with self._database.work(*some) as connection:
                _check_same(publication, await find_publications(connection, some, publication.name))

    async def take(self, publication: Publication, ledgers: Sequence[UUID], holder: str) -> list[HeldPosition]:
        """What is the holder's for a lease from now. Raises PublicationUnfit as `begin` does."""
        held: list[HeldPosition] = []
        for some in _slices(ledgers):
            async with self._database.work(*some) as connection:
                taken = await take_publications(connection, some, publication.name, holder, self.lease_seconds)
                # Behind the locks: what is described anew later fences who has taken it.
                _check_same(publication, await find_publications(connection, some, publication.name))
            held += taken
        return held

    async def behind(self, held: Collection[HeldPosition], limit: int) -> list[tuple[UUID, datetime]]:
        """Those that have something to publish, the oldest first, and since when."""
        found: list[tuple[UUID, datetime]] = []
        for some in _slices(held):
            async with self._database.work(*(one.ledger_id for one in some)) as connection:
                found += await ledgers_behind(connection, some, limit)
        return sorted(found, key=lambda one: one[1])[:limit]

    async def release(self, name: str, held: Collection[HeldPosition], holder: str) -> None:
        for some in _slices(one.ledger_id for one in held):
            async with self._database.work(*some) as connection:
                await release_publications(connection, some, name, holder)

    async def list(self) -> list[PublicationState]:
        return await states_of(self._database, await self.ledgers())

    async def rewind(self, name: str, after: UUID | str, *, may_skip: bool) -> int:
        """Publish on behind an event, from the START or from LATEST: how many ledgers' positions are put there.

        Raises PublicationUnfit where there is no such publication or event, and where events would be left out that
        were not published yet, unless they may be.
        """
        moved = 0
        is_known = False
        for some in _slices(await self.ledgers()):
            async with self._database.work(*some) as connection:
                for record in await find_publications(connection, some, name, for_update=True):
                    is_known = True
                    place: FeedPosition | None = BEGINNING
                    if after == LATEST:
                        place = await last_position(connection, record.ledger_id)
                    elif isinstance(after, UUID):
                        place = await position_of_event(connection, record.ledger_id, after)
                    if place is None:
                        continue
                    if place > record.position and not may_skip:
                        raise PublicationUnfit("events between were not published: --skip leaves them out")
                    await put_publication(connection, record.ledger_id, name, place)
                    moved += 1
        if not moved:
            raise PublicationUnfit(f"{name} publishes no such event" if is_known else f"there is no publication {name}")
        return moved

    async def change(self, publication: Publication) -> int:
        """What it publishes, and where, from its position on. Raises PublicationUnfit where there is none."""
        changed = 0
        for some in _slices(await self.ledgers()):
            async with self._database.work(*some) as connection:
                changed += await describe_anew(connection, some, publication)
        if not changed:
            raise PublicationUnfit(f"there is no publication {publication.name}")
        return changed

    async def drop(self, name: str) -> int:
        """Forget it: who publishes under that name later begins anew. Raises PublicationUnfit where there is none."""
        dropped = 0
        for some in _slices(await self.ledgers()):
            async with self._database.work(*some) as connection:
                dropped += await delete_publication(connection, some, name)
        if not dropped:
            raise PublicationUnfit(f"there is no publication {name}")
        return dropped


async def states_of(database: Database, ledgers: Sequence[UUID]) -> list[PublicationState]:
    """Of these ledgers, by name."""
    states = []
    for some in _slices(ledgers):
        async with database.work(*some) as connection:
            for record in await find_publications(connection, some):
                held = HeldPosition(record.ledger_id, record.epoch, record.position)
                waiting = await ledgers_behind(connection, [held], 1)
                states.append(PublicationState(record, waiting[0][1] if waiting else None))
    return sorted(states, key=lambda state: (state.record.publication.name, state.record.ledger_id))


def _slices(items: Iterable[_One]) -> Iterator[list[_One]]:
    """Of no more ledgers than one unit of work should see."""
    return slices(items, LEDGERS_AT_ONCE)


def _check_same(publication: Publication, found: Sequence[PublicationRecord]) -> None:
    for record in found:
        if record.publication != publication:
            known = record.publication
            raise PublicationUnfit(
                f"{known.name} publishes {' '.join(known.types) or 'all events'} to {known.target} as "
                f"{known.topic.text}, by {known.key}: say `zerosum publications change` once, or use another name"
            )
