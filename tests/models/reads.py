"""A model of balances that are read from Redis beside payments: nobody reads of one account what is over by another.

What `tests/cache/exploration.py` shows of one account with the cache's own code is taken for granted here: newer values
replace older ones, and a lease is good for one fill. Here are two accounts, and what is told in memory of those that
are under way (docs/decisions/0063). All is counted in commits: an account's version is the last that has changed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

Step = tuple[str, "World"]
ACCOUNTS = "xy"


class Batch(NamedTuple):
    """`stage`: new, under way, committed, found, stored, answered, over; or killed."""

    accounts: str
    stage: str = "new"
    commit: int = 0
    found: str = ""
    """Of its accounts, those of which something lay in Redis."""


class Reader(NamedTuple):
    """`stage`: new, looks, reads, asks, fills, over. Until it is over nobody else can fill by its lease."""

    stage: str = "new"
    account: str = ""
    shown: int = 0
    """The newest commit that anybody was shown before it began."""
    lease: int = 0
    value: int = 0


class World(NamedTuple):
    batches: tuple[Batch, ...]
    readers: tuple[Reader, ...]
    reads_left: int
    kills_left: int = 0
    versions: tuple[int, ...] = (0, 0)
    commits: int = 0
    cached: tuple[int, ...] = (0, 0)
    """What lies in Redis: a version, NOTHING, or a reader's lease."""
    left: str = ""
    """Under way by who was killed."""
    shown: int = 0
    stale: str = ""


NOTHING = -1
LEASE = -2
"""Of reader 0; of the next ones less."""


@dataclass(frozen=True)
class Reads:
    """The members are what holds the promise; a plant switches one of them off."""

    asks_postgresql_for_what_is_under_way: bool = True
    begins_before_it_commits: bool = True
    ends_behind_the_refresh: bool = True
    keeps_what_the_killed_left: bool = True
    refreshes_leases: bool = True

    def steps(self, world: World) -> Iterator[Step]:
        for place, batch in enumerate(world.batches):
            for step, after in self._written(world, place, batch):
                yield f"batch {place} {step}", after
        for place, reader in enumerate(world.readers):
            for step, after in self._read(world, place, reader):
                yield f"reader {place} {step}", after
        if world.commits > world.shown:
            yield "somebody reads a report", world._replace(shown=world.commits)
        if world.left:
            readers = tuple(one._replace(lease=0) for one in world.readers)
            empty = (NOTHING,) * len(ACCOUNTS)
            yield (
                "all that lay in Redis ends, and then the marks",
                world._replace(cached=empty, left="", readers=readers),
            )

    def _written(self, world: World, place: int, batch: Batch) -> Iterator[Step]:
        if batch.stage == "new":
            yield "is under way", _batch(world, place, batch._replace(stage="under way"))
        elif batch.stage == "under way":
            commit = world.commits + 1
            versions = tuple(
                commit if name in batch.accounts else version
                for name, version in zip(ACCOUNTS, world.versions, strict=True)
            )
            done = world._replace(versions=versions, commits=commit)
            yield "commits", _batch(done, place, batch._replace(stage="committed", commit=commit))
        elif batch.stage == "committed":
            found = "".join(name for name in batch.accounts if self._is_found(world.cached[ACCOUNTS.index(name)]))
            yield "asks Redis", _batch(world, place, batch._replace(stage="found", found=found))
        elif batch.stage == "found":
            cached = tuple(
                _stored(lies, batch.commit) if name in batch.found else lies
                for name, lies in zip(ACCOUNTS, world.cached, strict=True)
            )
            yield "refreshes", _batch(world._replace(cached=cached), place, batch._replace(stage="stored"))
        elif batch.stage == "stored":
            shown = max(world.shown, batch.commit)
            yield "is answered", _batch(world._replace(shown=shown), place, batch._replace(stage="answered"))
        elif batch.stage == "answered":
            yield "is over", _batch(world, place, batch._replace(stage="over"))
        if world.kills_left and batch.stage not in ("new", "over", "killed"):
            left = "".join(sorted({*world.left, *batch.accounts})) if self.keeps_what_the_killed_left else world.left
            gone = world._replace(left=left, kills_left=world.kills_left - 1)
            yield "is killed", _batch(gone, place, batch._replace(stage="killed"))

    def _is_found(self, lies: int) -> bool:
        return lies >= 0 or (lies <= LEASE and self.refreshes_leases)

    def _is_under_way(self, world: World, account: str) -> bool:
        stages = ["found", "stored", "answered"] if self.ends_behind_the_refresh else []
        if self.begins_before_it_commits:
            stages += ["under way", "committed"] if self.ends_behind_the_refresh else ["under way"]
        return account in world.left or any(
            account in batch.accounts and batch.stage in stages for batch in world.batches
        )

    def _read(self, world: World, place: int, reader: Reader) -> Iterator[Step]:
        if reader.stage == "new" and world.reads_left:
            fewer = world._replace(reads_left=world.reads_left - 1)
            for account in ACCOUNTS:
                begun = Reader("looks", account, world.shown)
                yield f"begins to read {account}", _reader(fewer, place, begun)
        elif reader.stage == "looks":
            is_under_way = self.asks_postgresql_for_what_is_under_way and self._is_under_way(world, reader.account)
            stage = "asks" if is_under_way else "reads"
            yield f"looks: {stage}", _reader(world, place, reader._replace(stage=stage))
        elif reader.stage == "reads":
            yield from self._read_redis(world, place, reader)
        elif reader.stage == "asks":
            value = world.versions[ACCOUNTS.index(reader.account)]
            stage = "fills" if reader.lease else "new"
            asked = reader._replace(stage=stage, value=value) if reader.lease else Reader()
            yield "asks PostgreSQL", _reader(_shown(world, reader, value), place, asked)
        elif reader.stage == "fills":
            cached = world.cached
            if cached[ACCOUNTS.index(reader.account)] == reader.lease:
                cached = _put(cached, reader.account, reader.value)
            yield "fills", _reader(world._replace(cached=cached), place, Reader())

    def _read_redis(self, world: World, place: int, reader: Reader) -> Iterator[Step]:
        lies = world.cached[ACCOUNTS.index(reader.account)]
        if lies >= 0:
            yield "reads it in Redis", _reader(_shown(world, reader, lies), place, Reader())
        elif lies == NOTHING:
            lease = LEASE - place
            leased = world._replace(cached=_put(world.cached, reader.account, lease))
            yield "takes a lease", _reader(leased, place, reader._replace(stage="asks", lease=lease))
        else:
            yield "finds a lease", _reader(world, place, reader._replace(stage="asks"))


def fault(world: World) -> str | None:
    return world.stale or None


def is_over(world: World) -> bool:
    """Nobody is at anything."""
    return all(batch.stage in ("over", "killed") for batch in world.batches) and not world.left


def _stored(lies: int, commit: int) -> int:
    return NOTHING if lies < 0 else max(lies, commit)


def _shown(world: World, reader: Reader, value: int) -> World:
    """A reader is shown a version: it may not be older than what anybody was shown before he began."""
    changes = [batch.commit for batch in world.batches if reader.account in batch.accounts and batch.commit]
    newest = max([commit for commit in changes if commit <= reader.shown], default=0)
    if value < newest:
        return world._replace(stale=f"{reader.account} was read at {value}, and {reader.shown} was shown before")
    return world._replace(shown=max(world.shown, value))


def _put(cached: tuple[int, ...], account: str, lies: int) -> tuple[int, ...]:
    place = ACCOUNTS.index(account)
    return (*cached[:place], lies, *cached[place + 1 :])


def _batch(world: World, place: int, batch: Batch) -> World:
    return world._replace(batches=(*world.batches[:place], batch, *world.batches[place + 1 :]))


def _reader(world: World, place: int, reader: Reader) -> World:
    return world._replace(readers=(*world.readers[:place], reader, *world.readers[place + 1 :]))
