"""One request on the express way, once its head was found plain: from its body to its answer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zerosum.domain.errors import DomainError
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.request_state import RequestState, begins_trace
from zerosum.gateway.routing import Begun, BodyKind, Call, HttpAnswer, Policy, begin_express
from zerosum.gateway.trace_context import request_names

if TYPE_CHECKING:
    from zerosum.gateway.express.way import ExpressWay

App = Callable[[Any, Any, Any], Awaitable[None]]
StartTask = Callable[[RequestResponseCycle, App], None]
Serve = Callable[[RequestState], Awaitable[None]]
EndTrace = Callable[[], None]
Concluding = Callable[[RequestState, Serve, EndTrace | None], Awaitable[None]]
Observe = Callable[[RequestState], None]

_log = logging.getLogger(__name__)


class Journey:
    """`begin` is asked once, when the body is there."""

    __slots__ = ("_begun", "_call", "_context", "_cycle", "_end_trace", "_exchange", "_policy", "_start_task", "_way")

    _begun: Begun

    def __init__(
        self,
        way: ExpressWay,
        cycle: RequestResponseCycle,
        start_task: StartTask,
        exchange: RequestState,
        policy: Policy,
        call: Call,
    ) -> None:
        self._way = way
        self._cycle = cycle
        self._start_task = start_task
        self._exchange = exchange
        self._policy = policy
        self._call = call
        self._context: contextvars.Context | None = None
        self._end_trace: EndTrace | None = None

    def begin(self) -> bool:
        """Whether it is being carried out. If not, nothing has happened: the request goes the ordinary way."""
        try:
            return self._begin()
        except DomainError:
            return False  # Found again, and told, on the ordinary way.
        except Exception:
            names = request_names(self._exchange.request_id, self._exchange.scope["headers"])
            _log.exception("the express way has failed; the ordinary one is taken", extra=names)
            return False

    def _begin(self) -> bool:
        around, cycle, exchange, call = self._way.surroundings, self._cycle, self._exchange, self._call
        if not (cycle.keep_alive and around.admission.has_place) or call.principal is None:
            return False
        leased = around.charging.find_leased(exchange, call.principal, self._policy)
        if leased is None:
            return False
        call.body = bytes(cycle.body)
        if call.body or self._policy.body is BodyKind.JSON:
            call.content = parse_json(call.body, self._policy.values_max)
        begun = self._hand_over()
        if begun is None:
            return False
        # From here on it is under way: nothing may fail, and nothing be waited for.
        around.admission.enter(may_wait=False)
        around.charging.charge_leased(exchange, leased)
        exchange.body_is_read = exchange.is_dispatched = True
        self._way.taken += 1
        self._begun = begun
        begun.outcome.add_done_callback(self._on_outcome)
        return True

    def _hand_over(self) -> Begun | None:
        begin_trace = begins_trace(self._way.surroundings.begin_trace, self._exchange)
        if begin_trace is None:
            return begin_express(self._policy, self._call)
        # What is done for this request finds its trace in a context of its own, as it would in a task.
        self._context = contextvars.Context()
        self._end_trace = self._context.run(begin_trace, self._exchange)
        return self._context.run(begin_express, self._policy, self._call)

    def _on_outcome(self, _: asyncio.Future[Any]) -> None:
        answer = self._plain_answer()
        if answer is None or not (self._exchange.answer_at_once(answer) or self._cycle.disconnected):
            self._in_context(self._start_task, self._cycle, self._conclude)
            return
        self._way.surroundings.admission.leave()
        self._end()
        self._way.surroundings.observe(self._exchange)

    def _plain_answer(self) -> HttpAnswer | None:
        try:
            return self._begun.plain_answer()
        except Exception:  # It will fail again where failures are answered and told.
            return None

    async def _conclude(self, *_: Any) -> None:
        """What is refused, replayed, or cannot leave in one write: by the gateway, in a task."""
        await self._way.surroundings.conclude(self._exchange, self._serve, self._end)

    async def _serve(self, exchange: RequestState) -> None:
        try:
            await exchange.answer(await self._begun.answer())
        finally:
            self._way.surroundings.admission.leave()

    def _end(self) -> None:
        if self._end_trace is not None:
            self._in_context(self._end_trace)

    def _in_context(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._context is None:
            call(*arguments)
        else:
            self._context.run(call, *arguments)
