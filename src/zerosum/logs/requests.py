"""A line a request, of those that are asked for: the slow ones, those that were refused, or all."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.gateway.request_state import RequestState
from zerosum.gateway.trace_context import request_names

LoggedRequests = Literal["off", "slow", "refused", "all"]
"""Each with what stands before it."""

ACTIONS: Final = {
    401: "check_the_credential",
    403: "check_its_scopes",
    429: "ask_less_often",
    500: "look_for_its_error",
    503: "ask_again",
    504: "ask_again_with_the_same_key",
}
"""What is to be done, where it is not for the caller to mend the request."""

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAMED = {
    name: re.compile(f"/({re.escape(prefix.value)}{_UUID})(?:/|$)")
    for name, prefix in (("payment", Prefix.PAYMENT), ("account", Prefix.ACCOUNT))
}
"""Ids of ours in a path. What a caller has chosen himself is not told."""

_MADE = re.compile(rb'\{"id":"(pay_[0-9a-f-]{36})"')
"""How a payment is answered."""

LINES_PER_SECOND_MAX = 100
"""Of slow and refused requests. A line costs as much as a refusal: where there are thousands they tell nothing more."""

LEFT_OUT_TOLD_EVERY_SECONDS = 1.0

_LEDGERS_KNOWN_MAX = 256

_log = logging.getLogger(__name__)


class RequestLog:
    def __init__(self, logged: LoggedRequests, slow_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._second_began, self._lines, self._left_out = 0.0, 0, 0
        self._is_for_all = logged == "all"
        self._is_for_refused = logged in ("refused", "all")
        self._slow_seconds = slow_seconds

    def tell(self, exchange: RequestState, seconds: float) -> None:
        """It is over."""
        is_slow = seconds >= self._slow_seconds
        is_refused = exchange.status >= 400 or not exchange.status
        if not (self._is_for_all or is_slow or exchange.status >= 500 or (is_refused and self._is_for_refused)):
            return
        if not (self._is_for_all or self._has_room()):
            return
        level = logging.WARNING if is_slow or exchange.status >= 500 else logging.INFO
        if _log.isEnabledFor(level):
            said = _said(exchange, seconds, is_slow=is_slow)
            sentence = _sentence(exchange, is_slow=is_slow)
            # As `log` does it, but for the search for its caller: that is a third of a line, and nobody is told.
            _log.handle(_log.makeRecord(_log.name, level, __file__, 0, sentence, (), None, extra=said))

    def _has_room(self) -> bool:
        now = self._now()
        if now - self._second_began >= 1.0:
            self._second_began, self._lines = now, 0
        has_room = self._lines < LINES_PER_SECOND_MAX
        self._lines += has_room
        self._left_out += not has_room
        return has_room

    async def write_forever(self) -> None:
        """Until cancelled. How many were left out is told soon, though nobody may be refused after them."""
        while True:
            await asyncio.sleep(LEFT_OUT_TOLD_EVERY_SECONDS)
            await self.write()

    async def write(self) -> None:
        """How many were left out since the last time."""
        left_out, self._left_out = self._left_out, 0
        if left_out:
            _log.warning("more requests were slow or refused than are told", extra={"occurrences": left_out})


def make_request_log(logged: LoggedRequests, slow_seconds: float) -> RequestLog | None:
    return None if logged == "off" else RequestLog(logged, slow_seconds)


@lru_cache(_LEDGERS_KNOWN_MAX)
def _rendered(ledger_id: UUID) -> str:
    return render_id(Prefix.LEDGER, ledger_id)


def _sentence(exchange: RequestState, *, is_slow: bool) -> str:
    if exchange.refusal is not None or exchange.status >= 400:
        return "a request was refused"
    return "a request was slow" if is_slow else "a request was answered"


def _said(exchange: RequestState, seconds: float, *, is_slow: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        **request_names(exchange.request_id, exchange.scope["headers"]),
        "method": exchange.scope["method"] if exchange.template else "",
        "route": exchange.template or "none",
        "status": exchange.status,
        "milliseconds": round(seconds * 1000, 1),
        "address": exchange.caller_address or None,
        "action": ACTIONS.get(exchange.status),
        "code": exchange.refused_as or None,
        "is_slow": is_slow or None,
    }
    if exchange.trace_id:
        said["trace_id"] = exchange.trace_id
    principal = exchange.principal
    if principal is not None:
        said["actor"] = principal.actor
        if principal.ledger_id != SERVICE_LEDGER:
            said["ledger"] = _rendered(principal.ledger_id)
    if "_" in exchange.path:  # as in every id
        for name, pattern in _NAMED.items():
            found = pattern.search(exchange.path)
            if found is not None:
                said[name] = found[1]
    made = _MADE.match(exchange.answered)
    if made is not None:
        said["payment"] = made[1].decode("ascii")
    return {name: value for name, value in said.items() if value not in (None, "")}
