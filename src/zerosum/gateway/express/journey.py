"""One request on the express way, once its head was found plain: from its body to its answer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zerosum.domain.errors import DomainError, Overloaded
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.limits.charging import Leased
from zerosum.gateway.request_state import BeginTrace, RequestState, RequestTrace, current_request_state
from zerosum.gateway.routing import Begun, BodyKind, Call, HttpAnswer, Policy
from zerosum.gateway.trace_context import request_names

if TYPE_CHECKING:
    from zerosum.gateway.express.way import ExpressWay

App = Callable[[Any, Any, Any], Awaitable[None]]
StartTask = Callable[[RequestResponseCycle, App], None]
Serve = Callable[[RequestState], Awaitable[None]]
EndTrace = Callable[[], None]
Concluding = Callable[[RequestState, Serve, EndTrace | None], Awaitable[None]]
Observe = Callable[[RequestState], None]
Render = Callable[[DomainError, str, str], HttpAnswer]
"""(refusal, request id, path)"""

_log = logging.getLogger(__name__)


class Journey:
    """`begin` is asked once, when the body is there."""

    __slots__ = (
        "_begin_trace",
        "_begun",
        "_call",
        "_cycle",
        "_exchange",
        "_policy",
        "_start_task",
        "_trace",
        "_way",
    )

    _begun: Begun

    def __init__(
        self,
        way: ExpressWay,
        cycle: RequestResponseCycle,
        start_task: StartTask,
        exchange: RequestState,
        policy: Policy,
        call: Call,
        begin_trace: BeginTrace | None,
    ) -> None:
        self._way = way
        self._cycle = cycle
        self._start_task = start_task
        self._exchange = exchange
        self._policy = policy
        self._call = call
        self._begin_trace = begin_trace
        self._trace: RequestTrace | None = None

    def begin(self) -> bool:
        """Whether it is being carried out. If not, nothing has happened: the request goes the ordinary way."""
        around, exchange, call = self._way.surroundings, self._exchange, self._call
        if not (self._cycle.keep_alive and around.admission.has_place) or call.principal is None:
            return False
        try:
            leased = around.charging.find_leased(exchange, call.principal, self._policy)
            ledger_id = call.principal.ledger_id
            if leased is not None and around.admission.is_too_much(ledger_id, self._policy):
                return self._turn_away(leased, ledger_id)
            begun = None if leased is None else self._hand_over()
        except DomainError:
            return False  # Found again, and told, on the ordinary way.
        except Exception:
            names = request_names(exchange.request_id, exchange.scope["headers"])
            _log.exception("the express way has failed; the ordinary one is taken", extra=names)
            return False
        if begun is None or leased is None:
            return False
        # From here on it is under way: nothing may fail, and nothing be waited for.
        around.admission.enter(may_wait=False)
        around.charging.charge_leased(exchange, leased, self._policy)
        exchange.body_is_read = exchange.is_dispatched = True
        self._way.taken += 1
        self._begun = begun
        begun.outcome.add_done_callback(self._on_outcome)
        return True

    def _turn_away(self, leased: Leased, ledger_id: UUID) -> bool:
        """More than can be done in time: many such answers must cost little. Whether it is refused here."""
        around, exchange = self._way.surroundings, self._exchange
        if around.may_be_unknown(ledger_id, self._call.idempotency_key):
            return False  # Then it is not true that nothing was done.
        around.charging.charge_leased(exchange, leased, self._policy)
        exchange.body_is_read = True
        refusal = exchange.refusal = around.admission.refusal()
        exchange.refused_as = refusal.code
        asyncio.get_running_loop().call_soon(self._tell, refusal)
        return True

    def _tell(self, refusal: Overloaded) -> None:
        around, exchange = self._way.surroundings, self._exchange
        around.charging.let_rest(exchange)
        answer = around.render(refusal, exchange.request_id, exchange.path)
        if exchange.answer_at_once(answer) or self._cycle.disconnected:
            around.observe(exchange)
            return

        async def refuse(*_: Any) -> None:
            raise refusal

        self._start_task(self._cycle, lambda *_: around.conclude(exchange, refuse, None))

    def _hand_over(self) -> Begun | None:
        policy, call = self._policy, self._call
        call.body = bytes(self._cycle.body)
        if call.body or policy.body is BodyKind.JSON:
            call.content = parse_json(call.body, policy.values_max)
        if policy.express is None:
            return None
        trace = self._trace = None if self._begin_trace is None else self._begin_trace(self._exchange)
        outer = current_request_state.set(self._exchange)
        if trace is not None:
            trace.enter()
        try:
            return policy.express(call)
        finally:
            if trace is not None:
                trace.leave()
            current_request_state.reset(outer)

    def _on_outcome(self, _: asyncio.Future[Any]) -> None:
        try:
            answer = self._begun.plain_answer()
        except Exception:
            answer = None  # It will fail again where failures are answered and told.
        if answer is None or not (self._exchange.answer_at_once(answer) or self._cycle.disconnected):
            self._start_concluding()
            return
        self._way.surroundings.admission.leave()
        if self._trace is not None:
            self._trace.end()
        self._way.surroundings.observe(self._exchange)

    def _start_concluding(self) -> None:
        """In a task, and in a context by which whatever is done or logged finds this request."""
        context = contextvars.Context()
        context.run(current_request_state.set, self._exchange)
        if self._trace is not None:
            context.run(self._trace.enter)
        context.run(self._start_task, self._cycle, self._conclude)

    async def _conclude(self, *_: Any) -> None:
        """What is refused, replayed, or cannot leave in one write: by the gateway, in a task."""
        end_trace = None if self._trace is None else self._trace.end
        await self._way.surroundings.conclude(self._exchange, self._serve, end_trace)

    async def _serve(self, exchange: RequestState) -> None:
        try:
            await exchange.answer(await self._begun.answer())
        finally:
            self._way.surroundings.admission.leave()
