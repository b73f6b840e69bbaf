"""Every order in which writers, readers and accidents can meet, carried out step by step on a real Redis.

The world is one account: `committed` is its version in PostgreSQL. A writer commits, asks whether the account lies in
Redis, stores if so, and acknowledges; where a call is lost, it waits first. A reader asks the cache, then PostgreSQL,
then fills. Each works through a process, whose link to Redis can break and come
back. What a link lost may still be carried out by Redis, at any later moment. Accidents are limited in number.

From each world every possible step is taken (`tests/models/exploring.py`), with the cache's own code and scripts. After
each step the promise is checked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.models.exploring import Broken, Search
from zerosum.adapters.balance_cache import BalanceCache, Lease
from zerosum.adapters.balance_text import parse_balance
from zerosum.adapters.redis import RedisAway, RedisLink, Script
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import AccountState, AccountStatus, Side

LEDGER = LedgerId(UUID(int=1))
ACCOUNT = AccountId(UUID(int=2))
EPOCH_KEY = "zerosum:balances:2"
STATES_MAX = 200_000
INTERRUPTIONS_MAX = 20
PROCESSES = 2

_TAKE_STOCK = Script("""
local found = {ARGV[1]}
for _, key in ipairs(redis.call('KEYS', '*')) do
    found[#found + 1] = key
    found[#found + 1] = redis.call('GET', key)
end
return found
""")
_PUT_BACK = Script("""
redis.call('FLUSHDB')
for index = 2, #ARGV, 2 do
    redis.call('SET', ARGV[index], ARGV[index + 1])
    if ARGV[index] ~= 'zerosum:balances:2' then redis.call('PEXPIRE', ARGV[index], 600000) end
end
return {ARGV[1]}
""")


def state_at(version: int, posted: Decimal | None = None) -> AccountState:
    """The account at a version: that many units are in it."""
    return AccountState(
        ledger_id=LEDGER,
        id=ACCOUNT,
        currency="USD",
        normal_side=Side.CREDIT,
        status=AccountStatus.OPEN,
        min_available=None,
        max_available=None,
        posted_debits=Decimal("0.00"),
        posted_credits=Decimal(f"{version}.00") if posted is None else posted,
        held=Decimal("0.00"),
        version=version,
        head=b"",
    )


@dataclass(frozen=True)
class Process:
    link: str = "up"
    """Or `away`, or `returning`: writers write again, readers do not read yet."""
    promised: int = 0
    """The newest version it acknowledged."""


PAYS = ("commit", "find")
IS_REFUSED = ("look", "find")
IS_UNKNOWN = ("commit", "look", "find")
"""COMMIT was sent and its reply lost; the second try finds the key used, and replays."""
CRASHES = ("commit",)
CRASHES_LATER = ("commit", "find and crash")


@dataclass(frozen=True)
class Writer:
    process: int
    steps: tuple[str, ...] = PAYS
    """Still to do. `look` reads the version under the lock and leaves it as it is."""
    version: int = 0


@dataclass(frozen=True)
class Reader:
    process: int
    step: str = "read"
    lease: Lease | None = None
    version: int = 0


@dataclass(frozen=True)
class LostCall:
    """A call whose reply never came. Redis may carry it out yet."""

    script: Script
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class World:
    redis: tuple[bytes, ...]
    processes: tuple[Process, ...]
    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    accidents_left: tuple[str, ...]
    committed: int = 0
    promised: int = 0
    """To everybody: acknowledged, and stored or made up for by a new epoch."""
    lost_calls: tuple[LostCall, ...] = ()

    @property
    def value(self) -> bytes | None:
        """What lies under the account's key in the present epoch."""
        found = dict(zip(self.redis[::2], self.redis[1::2], strict=True))
        epoch = found.get(EPOCH_KEY.encode())
        return None if epoch is None else found.get(b"%b:%b:%b" % (EPOCH_KEY.encode(), epoch, ACCOUNT.hex.encode()))


class StaleRead(Broken):
    """Somebody could read an older balance than one that was acknowledged before."""


class Interrupted(Exception):
    """The test's own link to Redis was lost, which is no part of the world."""


class KnownRedis:
    """The real Redis and what lies in it, as long as that is known: so nothing is put there or looked for twice."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._present: tuple[bytes, ...] | None = None

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: str | int | bytes) -> list[Any]:
        self._present = None
        return await self._link.run(script, keys, *arguments)

    @property
    def is_away(self) -> bool:
        return self._link.is_away

    async def put(self, words: Sequence[bytes]) -> None:
        if self._present != tuple(words):
            await self.run(_PUT_BACK, (), *words)
            self._present = tuple(words)

    async def stock(self) -> tuple[bytes, ...]:
        if self._present is None:
            self._present = tuple(await self.run(_TAKE_STOCK, ()))
        return self._present


class BreakableLink(RedisLink):
    """Goes through the real link, as long as it is told to."""

    def __init__(self, real: KnownRedis, planted: Mapping[Script, Script]) -> None:
        super().__init__("redis://nowhere")
        self.real = real
        self.planted = planted
        self.is_broken = False
        self.loses_next = False
        self.lost: LostCall | None = None

    @property
    def is_away(self) -> bool:
        return self.is_broken

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: str | int | bytes) -> list[Any]:
        if self.is_broken:
            raise RedisAway
        if self.loses_next:
            self.lost, self.is_broken = LostCall(script, arguments), True
            for act in self._on_break:
                act()
            raise RedisAway
        try:
            return await self.real.run(self.planted.get(script, script), keys, *arguments)
        except RedisAway:
            raise Interrupted from None


Act = Callable[[World], Awaitable[World]]


class Exploration:
    """`planted` and `make_cache` put a fault in, to see that it is found."""

    def __init__(
        self,
        real: RedisLink,
        *,
        planted: Mapping[Script, Script] | None = None,
        make_cache: Callable[[RedisLink], BalanceCache] = BalanceCache,
    ) -> None:
        self._real = KnownRedis(real)
        self._links = [BreakableLink(self._real, planted or {}) for _ in range(PROCESSES)]
        self._caches = [make_cache(link) for link in self._links]
        self.steps = 0

    async def run(self, writers: Sequence[Writer], readers: Sequence[Reader], accidents: Sequence[str]) -> None:
        """Raises StaleRead with the steps that led there, where the promise is broken."""
        processes = tuple(Process() for _ in self._links)
        begin = World((), processes, tuple(writers), tuple(readers), tuple(accidents))
        await self._restore(begin)
        for cache in self._caches:
            await cache._open_to_readers()
        begin = replace(begin, redis=await self._real.stock())
        search = Search(begin, _likeness, STATES_MAX)
        for world in search:
            for name, act in self._possible(world):
                after = await self._after(world, act)
                self.steps += 1
                _check(after, search.steps_by(name))
                search.reaches(name, after)

    async def _after(self, world: World, act: Act) -> World:
        """Taken again where the real link was lost meanwhile, as on a machine that is too busy to reply in time."""
        for _ in range(INTERRUPTIONS_MAX):
            try:
                await self._restore(world)
                after = await act(world)
                return replace(after, redis=await self._real.stock())
            except (Interrupted, RedisAway):
                while self._real.is_away:
                    await asyncio.sleep(0.01)
        raise AssertionError("Redis does not reply")

    def _possible(self, world: World) -> Iterator[tuple[str, Act]]:
        for index, writer in enumerate(world.writers):
            if writer.steps[:1] == ("wait",):
                yield f"end of all that writer {index} waits for", _bound(self._outlive, index)
                if world.processes[writer.process].link == "up":
                    yield f"end of the waiting of writer {index}", _bound(self._stop_waiting, index)
            elif writer.steps:
                yield from self._with_loss(world, index, f"{writer.steps[0]} by writer {index}", self._write)
        for index, reader in enumerate(world.readers):
            if reader.step != "done":
                yield from self._with_loss(world, index, f"{reader.step} by reader {index}", self._read)
        for index, process in enumerate(world.processes):
            if process.link == "away":
                yield f"return of process {index}", _bound(self._come_back, index)
            elif process.link == "returning":
                yield f"epoch raised by process {index}", _bound(self._raise_epoch, index)
        for index in range(len(world.lost_calls)):
            yield f"late execution of call {index}", _bound(self._carry_out_late, index)
        for accident in set(world.accidents_left):
            if accident != "loss":
                yield accident, _bound(self._suffer, accident)

    def _with_loss(
        self, world: World, index: int, name: str, act: Callable[..., Awaitable[World]]
    ) -> Iterator[tuple[str, Act]]:
        yield name, _bound(act, index)
        if "loss" in world.accidents_left and name.startswith(("find", "store", "read", "fill")):
            yield f"{name}, lost", _bound(act, index, True)

    async def _write(self, world: World, index: int, is_lost: bool = False) -> World:
        writer = world.writers[index]
        cache, link = self._caches[writer.process], self._links[writer.process]
        link.loses_next = is_lost
        step, steps = writer.steps[0], writer.steps[1:]
        if step in ("commit", "look"):
            world = replace(world, committed=world.committed + (step == "commit"))
            writer = replace(writer, version=world.committed)
        elif step == "find" and link.is_away:
            world = _acknowledge(world, writer, is_known_to_all=False)
        else:
            try:
                steps = await self._refresh(cache, writer, step) or steps
                if not steps and step != "find and crash":
                    world = _acknowledge(world, writer, is_known_to_all=True)
            except RedisAway:
                steps = () if step == "find and crash" else ("wait",)
        world = replace(world, writers=_put(world.writers, index, replace(writer, steps=steps)))
        return self._after_loss(world, writer.process) if is_lost else world

    async def _refresh(self, cache: BalanceCache, writer: Writer, step: str) -> tuple[str, ...]:
        """One of the two halves of `BalanceCache.refresh`, and what is to be done after it."""
        states = [state_at(writer.version)]
        if step == "store":
            await cache.store(states)
            return ()
        found = await cache.find(states)
        return ("store",) if found and step == "find" else ()

    async def _outlive(self, world: World, index: int) -> World:
        """Time passes, until nothing is left of what lay there when the call was lost."""
        await self._real.put(
            [word for key in world.redis[::2] if key == EPOCH_KEY.encode() for word in _entry(world, key)]
        )
        return await self._stop_waiting(world, index)

    async def _stop_waiting(self, world: World, index: int) -> World:
        writer = world.writers[index]
        world = replace(world, writers=_put(world.writers, index, replace(writer, steps=())))
        return _acknowledge(world, writer, is_known_to_all=True)

    async def _read(self, world: World, index: int, is_lost: bool = False) -> World:
        reader = world.readers[index]
        cache, link = self._caches[reader.process], self._links[reader.process]
        link.loses_next = is_lost
        if reader.step == "read":
            found = await cache.read(LEDGER, ACCOUNT)
            lease = found if isinstance(found, Lease) else None
            reader = replace(reader, step="ask PostgreSQL" if lease else "done", lease=lease)
        elif reader.step == "ask PostgreSQL":
            reader = replace(reader, step="fill", version=world.committed)
        else:
            assert reader.lease is not None
            await cache.fill(reader.lease, state_at(reader.version))
            reader = replace(reader, step="done")
        world = replace(world, readers=_put(world.readers, index, reader))
        return self._after_loss(world, reader.process) if is_lost else world

    def _after_loss(self, world: World, process: int) -> World:
        lost = self._links[process].lost
        if lost is None:
            return world  # nothing was sent: the link was away already
        return replace(
            world,
            lost_calls=(*world.lost_calls, lost),
            processes=_put(world.processes, process, replace(world.processes[process], link="away")),
            accidents_left=_less(world.accidents_left, "loss"),
        )

    async def _come_back(self, world: World, index: int) -> World:
        return replace(world, processes=_put(world.processes, index, replace(world.processes[index], link="returning")))

    async def _raise_epoch(self, world: World, index: int) -> World:
        await self._caches[index]._open_to_readers()
        process = replace(world.processes[index], link="up")
        return replace(
            world,
            processes=_put(world.processes, index, process),
            promised=max(world.promised, process.promised),
        )

    async def _carry_out_late(self, world: World, index: int) -> World:
        call = world.lost_calls[index]
        await self._real.run(call.script, (EPOCH_KEY,), *call.arguments)
        return replace(world, lost_calls=(*world.lost_calls[:index], *world.lost_calls[index + 1 :]))

    async def _suffer(self, world: World, accident: str) -> World:
        keys = world.redis[::2]
        if accident == "flush":
            await self._real.put([])
        elif accident == "eviction of the epoch":
            await self._real.put([word for key in keys if key != EPOCH_KEY.encode() for word in _entry(world, key)])
        elif accident == "eviction of the account":
            await self._real.put([word for key in keys if key == EPOCH_KEY.encode() for word in _entry(world, key)])
        elif accident == "new epoch of somebody else":
            await self._caches[0]._open_to_readers()
        else:
            raise LookupError(accident)
        return replace(world, accidents_left=_less(world.accidents_left, accident))

    async def _restore(self, world: World) -> None:
        await self._real.put(world.redis)
        for process, link, cache in zip(world.processes, self._links, self._caches, strict=True):
            link.is_broken, link.loses_next, link.lost = process.link == "away", False, None
            cache._is_readable = process.link == "up"


def _acknowledge(world: World, writer: Writer, *, is_known_to_all: bool) -> World:
    process = world.processes[writer.process]
    process = replace(process, promised=max(process.promised, writer.version))
    return replace(
        world,
        processes=_put(world.processes, writer.process, process),
        promised=max(world.promised, writer.version) if is_known_to_all else world.promised,
    )


def _check(world: World, path: Sequence[str]) -> None:
    """Nobody can read an older version than he was promised, nor one that does not exist, nor a wrong balance."""
    text = world.value
    balance = parse_balance(text, LEDGER, ACCOUNT)
    if balance is None:
        assert text is None or text[:1] == b"R", text
        return
    promised = max(world.promised, *(process.promised for process in world.processes if process.link == "up"), 0)
    if not promised <= balance.version <= world.committed or balance.posted != f"{balance.version}.00":
        raise StaleRead(f"{balance}, but {promised} was promised", path)


def _likeness(world: World) -> str:
    """The same for states that differ only in random texts and in times."""
    names: dict[str, str] = {}
    for index, reader in enumerate(world.readers):
        if reader.lease is not None:
            names[reader.lease.token] = f"reader {index}"
    calls = sorted(f"{call.script.digest}{call.arguments[:4]}" for call in world.lost_calls)
    has_epoch = EPOCH_KEY.encode() in world.redis[::2]
    text = repr(
        (
            has_epoch,
            world.value,
            world.processes,
            world.writers,
            world.readers,
            sorted(world.accidents_left),
            (world.committed, world.promised),
            calls,
        )
    )
    for token, name in names.items():
        text = text.replace(token, name)
    text = re.sub(r"@1\b", "@ended", text)
    text = re.sub(r"@[0-9]{5,}", "@live", text)
    return re.sub(r"\b[0-9a-f]{16}\b", "unknown", text)


def _entry(world: World, key: bytes) -> tuple[bytes, bytes]:
    position = world.redis[::2].index(key)
    return key, world.redis[2 * position + 1]


def _put(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _less(accidents: tuple[str, ...], accident: str) -> tuple[str, ...]:
    index = accidents.index(accident)
    return (*accidents[:index], *accidents[index + 1 :])


def _bound(act: Callable[..., Awaitable[World]], *arguments: Any) -> Act:
    return lambda world: act(world, *arguments)
