"""Requests begin by turns with all else that a process does.

The event loop reads every socket that is ready before it goes on with anything else. With thousands of callers at once
that is most of a second, and whoever commits and answers needs several such rounds: nothing would ever be finished. So
in each round requests are begun for so long only; those beyond wait here, and callers are served by turns: who has
thousands of connections waits behind himself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from time import perf_counter
from typing import Protocol

BEGINNING_SECONDS = 0.002
"""In each round of the loop. Some fifty payments are begun in that time."""


class Receiver(Protocol):
    @property
    def caller(self) -> Hashable:
        """Who is taken to ask. The same as long as something of it waits."""

    def receive(self, data: bytes) -> None:
        """It is the turn of these bytes."""

    def wait_for_turn(self) -> None:
        """Later: read no more than that meanwhile."""


class Turns:
    """Of one event loop. What waits is bounded by its connections: of one that has two pieces here no more is read."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[tuple[Receiver, bytes]]] = {}
        """By caller, whose turn it is next first."""
        self._pieces = 0
        self._until = 0.0
        self._is_in_round = False

    def __len__(self) -> int:
        return self._pieces

    def has_come(self, receiver: Receiver, data: bytes) -> bool:
        """Whether it is their turn now. If not, they are received later. Where something waits, the time is over."""
        if not self._is_in_round:
            self._begin_round()
        elif perf_counter() >= self._until:
            self._waiting.setdefault(receiver.caller, deque()).append((receiver, data))
            self._pieces += 1
            receiver.wait_for_turn()
            return False
        return True

    def _next(self) -> tuple[Receiver, bytes]:
        caller = next(iter(self._waiting))
        pieces = self._waiting.pop(caller)
        piece = pieces.popleft()
        self._pieces -= 1
        if pieces:
            self._waiting[caller] = pieces
        return piece

    def _begin_round(self) -> None:
        self._is_in_round = True
        self._until = perf_counter() + BEGINNING_SECONDS
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """The next round of the loop. One is begun however late it is."""
        self._is_in_round = False
        if not self._waiting:
            return
        self._begin_round()
        while self._waiting:
            receiver, data = self._next()
            receiver.receive(data)
            if perf_counter() >= self._until:
                break
