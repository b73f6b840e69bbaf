"""uvicorn's HTTP/1.1 protocol with what it lacks: a deadline for every request that does not arrive."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ARRIVAL_SECONDS_MAX = 10.0
"""A request has this long to arrive whole, from the opening of the connection or its own first byte."""


class GuardedProtocol(HttpToolsProtocol):
    """Closes silent and trickling connections. A request that arrives at once costs no timer."""

    _arrival_timer: asyncio.TimerHandle | None = None
    _is_incomplete = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arrival_timer = self.loop.call_later(ARRIVAL_SECONDS_MAX, self._on_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_incomplete:
            self._stop_timer()
        elif self._arrival_timer is None:
            self._arrival_timer = self.loop.call_later(ARRIVAL_SECONDS_MAX, self._on_late)

    def on_message_begin(self) -> None:
        self._is_incomplete = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._is_incomplete = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._answer(400, "invalid_request", "The HTTP request is malformed", msg)

    def _on_late(self) -> None:
        self._arrival_timer = None
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self._is_incomplete and not is_answering:
            self._answer(408, "request_timeout", "The request did not arrive in time", "Send it again, whole.")
        else:
            self.transport.close()

    def _answer(self, status: int, code: str, title: str, detail: str) -> None:
        """The last words on this connection, outside of any application."""
        body = orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code})
        head = (
            f"HTTP/1.1 {status} {'Bad Request' if status == 400 else 'Request Timeout'}\r\n"
            "content-type: application/problem+json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None


def server_options(**options: Any) -> dict[str, Any]:
    """The options of `uvicorn.Config` every server of ours has."""
    return {
        "http": GuardedProtocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "timeout_keep_alive": 60,
        "log_config": None,
        **options,
    }
