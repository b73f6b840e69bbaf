"""How answers leave: in one write where they can, and by a close that suits their connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from zerosum.gateway.request_state import WHOLE_ANSWER

COPIED_BYTES_MAX = 16 * 1024
"""Of a body that is put behind its head before both are written."""


class Outlet:
    """The transport as an answer knows it: to write to, and to close in the way of the connection."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.writelines = transport.writelines
        self.is_closing = transport.is_closing
        self.close = close


def write_whole(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Send a whole answer in one write, as `send` would in two. False where that needs more thought: use `send`.

    `head` is lines that end in CRLF, free of what a header must not hold.
    """
    if (
        cycle.response_started
        or cycle.disconnected
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.default_headers
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    if len(body) <= COPIED_BYTES_MAX:
        cycle.transport.write(b"%bcontent-length: %d\r\n%b\r\n%b" % (STATUS_LINE[status], len(body), head, body))
    else:
        # Of a page that many ask for there is one copy, however many of them do not read it.
        cycle.transport.writelines([b"%bcontent-length: %d\r\n%b\r\n" % (STATUS_LINE[status], len(body), head), body])
    cycle.message_event.set()
    # What calls this holds the request, which holds it: such a ring is garbage that has to be searched for.
    cycle.scope["extensions"].pop(WHOLE_ANSWER, None)
    cycle.on_response()
    return True
