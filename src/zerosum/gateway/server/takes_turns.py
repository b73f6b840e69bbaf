"""A connection of which what comes is taken when it is its turn (`turns.py`)."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from zerosum.gateway.server.turns import Turns

PIECES_WAITING_MAX = 2
"""Of one connection, for their turn."""

_log = logging.getLogger(__name__)


class TakesTurns(HttpToolsProtocol):
    """`_take` is called with all that comes, in the order of its coming."""

    address: str
    turns: Turns
    """Of all connections of this server."""

    _is_held = False
    """The next request is not begun, nor read."""
    _pieces_waiting = 0
    """For their turn."""
    _waits_as: Hashable = None
    _waits_since = 0.0
    _since = 0.0
    """From when on the peer is waited for. As long as something of it waits here, that is not counted."""
    _is_to_end = False
    """Once they have had it."""

    def data_received(self, data: bytes) -> None:
        if self.turns.has_come(self, data):
            self._take(data)

    @abstractmethod
    def _take(self, data: bytes) -> None: ...

    def _abort(self) -> None:
        self.transport.abort()

    @property
    def caller(self) -> Hashable:
        """One that changes while something waits would let what comes next overtake it."""
        if not self._pieces_waiting:
            self._waits_as = self._asks_as()
        return self._waits_as

    def _asks_as(self) -> Hashable:
        return self.address

    def wait_for_turn(self) -> None:
        if not self._pieces_waiting:
            self._waits_since = asyncio.get_running_loop().time()
        self._pieces_waiting += 1
        if self._pieces_waiting >= PIECES_WAITING_MAX:
            self.flow.pause_reading()

    def receive(self, data: bytes) -> None:
        """What has waited."""
        self._pieces_waiting -= 1
        if self.transport.is_closing():
            return
        now = asyncio.get_running_loop().time()
        self._since += now - self._waits_since
        self._waits_since = now
        if not self._is_held:
            self.flow.resume_reading()
        try:
            self._take(data)
        except Exception:  # as the transport does where it calls `data_received` itself
            _log.exception("a connection has failed")
            self._abort()
        if self._is_to_end and not self._pieces_waiting:
            self.shutdown()

    def shutdown(self) -> None:
        """Its answers first."""
        if self._pieces_waiting:
            self._is_to_end = True
        else:
            super().shutdown()
