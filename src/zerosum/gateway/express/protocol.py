"""Where the requests of a connection part: those that may go express are begun without a task."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Hashable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zerosum.domain.errors import DomainError
from zerosum.gateway.express.heads import KnownHead, Told
from zerosum.gateway.express.journey import Journey
from zerosum.gateway.express.way import ExpressWay
from zerosum.gateway.guards.request_guard import CONTENT_LENGTH_DIGITS_MAX
from zerosum.gateway.request_state import WHOLE_ANSWER
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server.outlet import write_whole


class ExpressProtocol(GuardedProtocol):
    """A request on the express way has a cycle as any other: that is what timers, turns and ends of a connection go by.

    Only its task is missing. It gets one as soon as it turns out that it needs one.
    """

    _expected: tuple[Journey, RequestResponseCycle, Any] | None = None
    """The request whose turn it is, while its body arrives."""

    judged_head: KnownHead | None = None
    """Of the request that was judged last."""
    known_head: KnownHead | None = None
    """The last one that was judged and came whole, with nothing behind its request: so its bytes are known."""
    _ahead = b""
    """A known head whose body is still to come: many clients send the two apart. It waits for one piece more."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._express: ExpressWay | None = getattr(self.app, "express", None)

    def _take(self, data: bytes) -> None:
        has_waited = self._ahead != b""
        if has_waited:
            data = self._take_ahead() + data
        is_at_rest = self._is_at_rest()
        known = self.known_head
        if known is not None and is_at_rest and self._begin_known(known, data, may_wait=not has_waited):
            return
        # What was judged before, when its turn had come, is not what comes now.
        self._take_judged()
        super()._take(data)
        judged = self._take_judged()
        if judged is not None and is_at_rest and judged.learn(data):
            self.known_head = judged

    def _asks_as(self) -> Hashable:
        """Whose credential came last over this connection: a proxy's carry many callers."""
        return self.address if self.known_head is None else self.known_head.authorization

    def _take_judged(self) -> KnownHead | None:
        judged, self.judged_head = self.judged_head, None
        return judged

    def _wait_for_body(self, head: bytes) -> None:
        """As if the parser had begun a request."""
        self._ahead = head
        self._is_incomplete, self._has_head = True, False
        self._bytes_so_far, self._since = len(head), self._register.now

    def _take_ahead(self) -> bytes:
        head, self._ahead = self._ahead, b""
        self._is_incomplete, self._bytes_so_far = False, 0
        return head

    def _give_up_ahead(self) -> None:
        """What waits no longer is a request like any other, of which no more than this has come."""
        if self._ahead:
            super()._take(self._take_ahead())

    def _begin_known(self, known: KnownHead, data: bytes, *, may_wait: bool) -> bool:
        """A request whose head is known, without a parser. False: nothing has happened."""
        found = known.read(data)
        if found is None or self._express is None:
            return False
        key, length, body, _ = found
        if length != b"%d" % len(body) or len(body) > known.policy.body_bytes_max:
            if body or not may_wait or not _is_length(length, known.policy.body_bytes_max):
                return False
            self._wait_for_body(data)
            return True
        cycle = self._begin_cycle(known, found)
        journey = self._express.judge_known(known, key, cycle, self)
        if journey is None:
            return False
        cycle.body, cycle.more_body = bytearray(body), False
        cycle.message_event.set()
        self.cycle, self.headers, self._has_head = cycle, cycle.scope["headers"], True  # type: ignore[assignment]
        if not journey.begin():
            self.start_task(cycle, self.app)
        return True

    def _begin_cycle(self, known: KnownHead, told: Told) -> RequestResponseCycle:
        """As uvicorn's parser begins one when it has read a head."""
        extensions = self._extensions()
        cycle = RequestResponseCycle(
            scope=known.scope_with(told, extensions),  # type: ignore[arg-type]
            transport=self._outlet,  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        extensions[WHOLE_ANSWER] = functools.partial(write_whole, cycle)
        return cycle

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

    def _on_late(self) -> None:
        self._give_up_ahead()
        super()._on_late()

    def shutdown(self) -> None:
        self._give_up_ahead()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up_ahead()
        self._go_ordinary()
        super().connection_lost(exc)


def _is_length(text: bytes, bytes_max: int) -> bool:
    """Of a body that may come: what is too large is told at once."""
    return text.isdigit() and len(text) <= CONTENT_LENGTH_DIGITS_MAX and int(text) <= bytes_max
