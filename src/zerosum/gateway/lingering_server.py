"""uvicorn's server with a longer goodbye: whoever has a connection may send one more request before it is closed.

uvicorn closes every connection between two requests the moment it is told to stop. Under load most of them are just
about to carry a request, which would be cut off unanswered, and its sender could not know what became of it.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn

LINGER_SECONDS = 0.5
"""For callers that are busy, whose next request comes at once. An idle connection is closed after it, unanswered."""

POLL_SECONDS = 0.01


class LingeringServer(uvicorn.Server):
    """Told to stop, it takes no new connections and ends the others with the answer to their next request."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._stop_listening(sockets or [])
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

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Closing a listening socket resets the connections that wait in its queue; so they are taken out first."""
        queues = [listening.dup() for listening in sockets]
        for server in self.servers:
            server.close()
        for queue in queues:
            with queue:
                await self._take(queue)

    async def _take(self, queue: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        queue.setblocking(False)
        for _ in range(self.config.backlog):
            try:
                accepted, _address = queue.accept()
            except OSError:
                return
            await loop.connect_accepted_socket(self._protocol, accepted, ssl=self.config.ssl)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
