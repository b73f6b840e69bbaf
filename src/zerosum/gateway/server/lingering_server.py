"""uvicorn's server with a longer goodbye: whoever has a connection may send one more request before it is closed.

uvicorn closes every connection between two requests the moment it is told to stop. Under load most of them are just
about to carry a request, which would be cut off unanswered, and its sender could not know what became of it.
"""

from __future__ import annotations

import asyncio
import socket

from zerosum.gateway.server.guarded_server import GuardedServer

LINGER_SECONDS = 1.0
"""For callers that are busy, whose next request comes at once. An idle connection is closed after it, unanswered."""

POLL_SECONDS = 0.01


class LingeringServer(GuardedServer):
    """Told to stop, it takes no new connections and ends the others with the answer to their next request."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        # uvicorn closes a connection after an answer with this header.
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False
        for _ in range(round(LINGER_SECONDS / POLL_SECONDS)):
            if not len(self.register) or self.force_exit:
                break
            await asyncio.sleep(POLL_SECONDS)
        await super().shutdown(sockets)
