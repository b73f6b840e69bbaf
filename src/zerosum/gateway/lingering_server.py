"""uvicorn's server with a front door of ours and a longer goodbye.

uvicorn closes every connection between two requests the moment it is told to stop. Under load most of them are just
about to carry a request, which would be cut off unanswered, and its sender could not know what became of it. So whoever
has a connection may send one more request before it is closed.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from zerosum.gateway.front_door import ConnectionLimits, FrontDoor, accept_waiting

LINGER_SECONDS = 0.5
"""For callers that are busy, whose next request comes at once. An idle connection is closed after it, unanswered."""

POLL_SECONDS = 0.01


class LingeringServer(uvicorn.Server):
    """Told to stop, it takes no new connections and ends the others with the answer to their next request."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits | None = None) -> None:
        super().__init__(config)
        self._limits = limits or ConnectionLimits()
        self.doors: list[FrontDoor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Given no sockets, uvicorn does all but listen.
        await super().startup(sockets=[])
        for listening in sockets or []:
            door = FrontDoor(listening, self._protocol, self._limits, self.config.ssl)
            door.open()
            self.doors.append(door)
        self.servers = list(self.doors)  # type: ignore[arg-type]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop_listening(sockets or [])
        # uvicorn closes a connection after an answer with this header.
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False
        for _ in range(round(LINGER_SECONDS / POLL_SECONDS)):
            if not self.server_state.connections or self.force_exit:
                break
            await asyncio.sleep(POLL_SECONDS)
        await super().shutdown(sockets)

    def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Closing a listening socket resets the connections that wait in its queue; so they are taken out first."""
        for door, listening in zip(self.doors, sockets, strict=True):
            door.close()
            for accepted, peer in accept_waiting(listening, self.config.backlog):
                door.take(accepted, peer)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
