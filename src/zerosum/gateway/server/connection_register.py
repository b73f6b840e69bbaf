"""All connections of a server: how many there may be, which of them give way, and whose time is up.

One clock looks at all of them now and then, instead of a timer for each request: what arrives and is answered at once
costs no timer at all, and no byte that a peer sends can put its time off.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from zerosum.gateway.limits.client_address import counted_as
from zerosum.gateway.server.arrivals import Arrivals
from zerosum.gateway.server.turns import Turns
from zerosum.services.requests.networks import Network, is_within

TICK_SECONDS = 0.25
"""Between two looks at all connections; no time is measured more exactly than this."""

UNREAD_BYTES_MAX = 64 * 1024 * 1024
"""Of all answers together that wait for peers to read them."""

IN_VAIN_ARRIVALS = 9
"""What a connection counts for besides, when it ends with a refusal while more of its request is on its way."""

GIVING_WAY_SHARE = 32
"""Looking for connections that may go takes a look at all of them; so one in so many goes at once."""

Standing = tuple[int, float]
"""How soon a connection gives way: the lowest goes first."""

UNPROVED, IDLE, ARRIVING = range(3)
"""No whole request has come yet; none has for a while; one is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Of one process. `trusted_proxies` bring many callers from one address and are not held to what holds for one."""

    connections_max: int = 4000
    per_address_max: int = 500
    per_address_and_second_max: int = 100
    """Of new ones, once `per_address_max` have come at once."""
    unread_bytes_max: int = UNREAD_BYTES_MAX
    trusted_proxies: tuple[Network, ...] = ()


class Member(Protocol):
    """A connection, from the moment it is accepted."""

    address: str
    number: int

    def standing(self) -> Standing | None:
        """None while it must not go: a request is in work."""

    def give_way(self) -> None:
        """End at once."""

    def check_time(self, now: float) -> None:
        """End if the peer has been waited for long enough."""


class ConnectionRegister:
    """`now` is the loop's time at the last look."""

    def __init__(self, limits: ConnectionLimits | None = None, tick_seconds: float = TICK_SECONDS) -> None:
        self.limits = limits or ConnectionLimits()
        per_second = self.limits.per_address_and_second_max
        self._arrivals = Arrivals(max(self.limits.per_address_max, per_second), per_second)
        self.now = 0.0
        self.turns = Turns()
        self.refused = 0
        self.ended = 0
        """Those that gave way to others, or whose answers nobody read."""
        self._tick_seconds = tick_seconds
        self._members: set[Member] = set()
        self._by_address: dict[str, set[Member]] = {}
        self._unread: dict[Member, int] = {}
        self._unread_bytes = 0
        self._in_vain: set[str] = set()
        """Where nobody could give way since the last look: by address, and "" for all."""
        self._entered = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._members)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self._timer = loop.call_later(self._tick_seconds, self._tick, loop)

    def stop(self) -> None:
        """Nobody is waited for any longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for member in tuple(self._members):
            member.give_way()

    def comes_too_fast(self, peer: str) -> bool:
        """Whether its address has made too many connections of late; if not, this one is counted."""
        if is_within(peer, self.limits.trusted_proxies) or self._arrivals.may_come(counted_as(peer), self.now):
            return False
        self.refused += 1
        return True

    def was_in_vain(self, member: Member) -> None:
        """It carried what we refuse to read: its address shall not come with the like as fast as with others."""
        self._arrivals.count(member.address, IN_VAIN_ARRIVALS, self.now)

    def find_room(self, peer: str) -> bool:
        """Whether one more may come from there, if need be in the place of one that does nothing."""
        address = counted_as(peer)
        limits = self.limits
        own = self._by_address.get(address, ())
        is_free = len(own) < limits.per_address_max or is_within(peer, limits.trusted_proxies)
        if not is_free and not self._make_room(address, own):
            return self._refuse()
        if len(self._members) >= limits.connections_max and not self._make_room("", self._members):
            return self._refuse()
        return True

    def _refuse(self) -> bool:
        self.refused += 1
        return False

    def make_room(self) -> bool:
        """Whether one could be ended that does nothing."""
        return self._make_room("", self._members)

    def enter(self, member: Member, peer: str) -> None:
        self._entered += 1
        member.number = self._entered
        member.address = address = counted_as(peer)
        self._members.add(member)
        self._by_address.setdefault(address, set()).add(member)

    def leave(self, member: Member) -> None:
        self.is_read(member)
        self._members.discard(member)
        own = self._by_address.get(member.address)
        if own is not None:
            own.discard(member)
            if not own:
                del self._by_address[member.address]

    def is_unread(self, member: Member, size: int) -> None:
        """The peer has left so many bytes of its answers unread. Over the bound the oldest of these go."""
        self.is_read(member)
        self._unread[member] = size
        self._unread_bytes += size
        while self._unread_bytes > self.limits.unread_bytes_max and len(self._unread) > 1:
            self._end(next(iter(self._unread)))

    def is_read(self, member: Member) -> None:
        self._unread_bytes -= self._unread.pop(member, 0)

    def _make_room(self, name: str, members: Iterable[Member]) -> bool:
        if name in self._in_vain:
            return False
        standings = [
            (standing, member.number, member) for member in members if (standing := member.standing()) is not None
        ]
        if not standings:
            self._in_vain.add(name)
            return False
        for _, _, member in heapq.nsmallest(1 + len(standings) // GIVING_WAY_SHARE, standings):
            self._end(member)
        return True

    def _end(self, member: Member) -> None:
        self.ended += 1
        self.leave(member)
        member.give_way()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._tick_seconds, self._tick, loop)
        self.now = loop.time()
        self._in_vain.clear()
        self._arrivals.forget_full(self.now)
        for member in tuple(self._members):
            member.check_time(self.now)
