"""Where the requests of a connection part: those that may go express are begun without a task."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zerosum.domain.errors import DomainError
from zerosum.gateway.express.heads import KnownHead
from zerosum.gateway.express.journey import Journey
from zerosum.gateway.express.way import ExpressWay
from zerosum.gateway.server.http_server import GuardedProtocol


class ExpressProtocol(GuardedProtocol):
    """A request on the express way has a cycle as any other: that is what timers, turns and ends of a connection go by.

    Only its task is missing. It gets one as soon as it turns out that it needs one.
    """

    _expected: tuple[Journey, RequestResponseCycle, Any] | None = None
    """The request whose turn it is, while its body arrives."""

    known_head: KnownHead | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._express: ExpressWay | None = getattr(self.app, "express", None)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when it is the turn of a request whose head is here."""
        journey = None if self._express is None else self._express.judge(cycle, self)
        if journey is None:
            self.start_task(cycle, app)
            return
        self._expected = journey, cycle, app
        if not cycle.more_body:
            self._depart()

    def start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._expected is not None and not self._expected[1].more_body:
            self._depart()

    def _depart(self) -> None:
        if self._expected is not None:
            (journey, cycle, app), self._expected = self._expected, None
            if not journey.begin():
                self.start_task(cycle, app)

    def _go_ordinary(self) -> None:
        if self._expected is not None:
            (_, cycle, app), self._expected = self._expected, None
            self.start_task(cycle, app)

    def _refuse(self, status: int, error: DomainError) -> None:
        self._go_ordinary()
        super()._refuse(status, error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_ordinary()
        super().connection_lost(exc)
