"""Background work: processors are asked for what payments wait for, and what they say is posted.

Each call is claimed in a short transaction, made outside of any, and settled by a command. Where anything dies between,
the claim lapses and whoever comes next looks the payment up by its key before it is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from zerosum.adapters.processors import NotSent, ProcessorAnswer, ProcessorOutcome
from zerosum.adapters.processors.crew import Crew, CrewBusy
from zerosum.adapters.processors.http_processor import ProcessorUnclear
from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import (
    ClaimedCall,
    claim_due_calls,
    find_call,
    leave_call,
)
from zerosum.db.queries.processor_health import change_health, healths
from zerosum.db.queries.processor_moves import left_and_done
from zerosum.domain.errors import DomainError, OutcomeUnknown, Overloaded, ProcessorCallMoved, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.domain.payments.processor_calls import CallState, MoveReason, onward
from zerosum.domain.payments.processor_health import Attempt, ProcessorHealth, Reply
from zerosum.domain.traces import parse_traceparent
from zerosum.services.background.unsent_calls import UnsentCalls
from zerosum.services.committing.committer import Committer
from zerosum.services.processor_answers import ACTOR, AnswerWrong, compared, settle, told_state
from zerosum.services.processor_moves import Mover, done_after_all, has_had_it, hear_late, note_pending
from zerosum.services.processor_orders import GivesNothingBack, Order, carry_out, look_up, orders_of
from zerosum.services.requests.outside_processors import Outside
from zerosum.services.spans import NO_SPANS, Attributes, Spans, StepKind, in_trace
from zerosum.services.tallies import Counts, Spreads

IN_ONE_TURN = 2_000
"""Calls that are begun; what is left over is looked for at the next turn, a moment later."""

LOOK_SECONDS = 0.25
"""So long a turn that waits for slow replies looks no further for what is due."""

CLAIM_MARGIN_SECONDS = 10.0
"""A claim lasts for a look-up, a call and this: for the machine may be slow where the processor is not."""

CALL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The buckets into which the time of a reply falls."""

ERROR_MAX = 300
"""Characters of an error that are kept."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What came of asking: an answer, or why there is none."""

    answer: ProcessorAnswer | None
    error: str | None = None
    reply: Reply | None = Reply.MISSING
    """What it says of the processor, where there is no answer. None: nothing, for that was not asked."""
    is_unsent: bool = False
    """Nothing has reached the processor."""
    absent_at: datetime | None = None
    """It knew nothing of the key when it was asked then, and is not asked again: another one may be."""
    was_sent: bool = False
    """Something was, or may have been, in this attempt."""
    parks: bool = False


class ClaimLapsed(Exception):
    """Whoever has claimed it stood still for so long that others may be at it."""


class ProcessorTally:
    """What processors have replied, and how long that took: by processor, and by reply."""

    def __init__(self) -> None:
        self.calls = Counts()
        self.seconds = Spreads(CALL_SECONDS)


class Completer:
    """The calls of one processor: one that hangs or fails keeps none of the others from theirs."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        outside: Outside,
        now: Callable[[], datetime],
        tally: ProcessorTally | None = None,
        spans: Spans = NO_SPANS,
        mover: Mover | None = None,
    ) -> None:
        self._spans = spans
        self._mover = mover if outside.rules.fails_over else None
        self._unsent = None if self._mover is None else UnsentCalls(database, self._mover, outside.name, now)
        self._database = database
        self._committer = committer
        self._outside = outside
        self._attempts: list[Attempt] = []
        """That are not told to the others yet."""
        self._crew = Crew(f"calls of {outside.name}", outside.rules.at_once)
        self._now = now
        self._tally = tally or ProcessorTally()

    @property
    def outside(self) -> Outside:
        return self._outside

    async def run_once(self, goes_on: Callable[[], bool] = lambda: True) -> int:
        """How many calls were begun. It ends when nothing is due, or it does not go on, and nothing is under way."""
        tasks: set[asyncio.Task[None]] = set()
        begun = 0
        at_once = await self._may_ask()
        if not at_once and self._unsent is not None:
            await self._unsent.move_on()
        try:
            while True:
                if self._attempts:
                    at_once = await self._may_ask()
                free = min(at_once - len(tasks), self._crew.free)
                claimed = await self._claim(free) if free > 0 and begun < IN_ONE_TURN and goes_on() else []
                begun += len(claimed)
                tasks |= {asyncio.create_task(self._complete(*one), name="processor call") for one in claimed}
                if not tasks:
                    return begun
                done, tasks = await asyncio.wait(tasks, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    _tell_failure(task)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _may_ask(self) -> int:
        """How many calls at a time, once the others know what came of those before."""
        rules, now = self._outside.rules, self._now()
        attempts, self._attempts = self._attempts, []
        async with self._database.work(SERVICE_LEDGER) as connection:
            if attempts:
                health: ProcessorHealth | None = await change_health(
                    connection, self._outside.name, now, lambda found: found.after(attempts, rules.breaker, now)
                )
            else:
                health = (await healths(connection)).get(self._outside.name)
        return rules.at_once if health is None else health.may_be_asked(rules.breaker, now, rules.at_once)

    @property
    def _claim_lasts(self) -> timedelta:
        return timedelta(seconds=2 * self._outside.rules.timeout_seconds + CLAIM_MARGIN_SECONDS)

    async def _claim(self, limit: int) -> list[tuple[ClaimedCall, Order]]:
        now = self._now()
        until = now + self._claim_lasts
        async with self._database.operator_work() as connection:
            claimed = await claim_due_calls(connection, self._outside.name, now, until, limit)
        return await orders_of(self._database, claimed)

    async def _complete(self, call: ClaimedCall, order: Order) -> None:
        """What comes of it is a part of the trace of whoever has ordered it."""
        origin = None if order.traceparent is None else parse_traceparent(order.traceparent)
        said: Attributes = {"zerosum.processor": self._outside.name, "zerosum.id": _named(call)}
        step = self._spans.begin("processor call", StepKind.ASKS, origin, said)
        if step.origin is not None:
            order = replace(order, traceparent=step.origin.traceparent)
        error: str | None = "not_settled"
        try:
            with in_trace(step.origin):
                error = await self._settled(call, order)
        finally:
            step.end(error)

    async def _settled(self, call: ClaimedCall, order: Order) -> str | None:
        """In one word, why it is not settled."""
        try:
            known = await self._known(call, order)
        except CrewBusy:
            # Nothing was asked, so that is nothing that could park it: what hangs in all places is waited for.
            await self._leave(call, None, "all calls of the processor are under way", may_park=False)
            return "busy"
        try:
            if await self._moved(call, known):
                return "moved"
            if known.answer is not None and self._leads_on(call):
                await note_pending(self._database, call, self._outside.name, known.answer, self._now())
            if known.answer is None or told_state(known.answer) is None:
                await self._leave(call, known.answer, known.error, parks=known.parks, known=known)
                return "undecided" if known.answer is not None else "unknown"
            async with self._database.work(call.ledger_id) as connection:
                recorded = await find_call(connection, call.ledger_id, call.id)
            if recorded is not None and recorded.number != call.number:
                raise ProcessorCallMoved("It is at another processor now; nothing was done.")
            if recorded is not None and not await settle(self._committer, recorded, known.answer, ACTOR):
                await self._compare(call, known.answer)
        except ProcessorCallMoved as error:
            # Who has stood still meanwhile speaks for the processor that he has asked, and for no other.
            if known.answer is not None:
                await hear_late(self._database, call, self._outside.name, known.answer, self._now())
            return error.code
        except AnswerWrong as error:
            await self._leave(call, known.answer, str(error), parks=True)
            return "answer_wrong"
        except (Unavailable, Overloaded, OutcomeUnknown) as error:
            # The claim lapses, and then it is looked up again: it will be the same answer.
            _log.warning("%s could not be settled yet: %s", _named(call), error.code)
            return error.code
        except DomainError as error:
            await self._leave(call, known.answer, f"it could not be settled: {error.code}")
            return error.code
        return None

    async def _moved(self, call: ClaimedCall, known: _Known) -> bool:
        """Whether the next processor of its route is to carry it out, for this one has surely not done it."""
        why, name, answer = self._why_not_done(call, known), self._outside.name, known.answer
        if why is None or self._mover is None:
            return False
        to = await self._mover.target(call, name, is_declined=why is MoveReason.DECLINED)
        if to is None:
            return False
        if answer is None:
            return await self._mover.move(call, name, to, why, known.error)
        return await self._mover.move(call, name, to, why, answer.reason, answer.processor_payment_id)

    def _leads_on(self, call: ClaimedCall) -> bool:
        return self._mover is not None and bool(onward(call.routing, self._outside.name))

    def _why_not_done(self, call: ClaimedCall, known: _Known) -> MoveReason | None:
        """None: it has done it, or may have, or another would not either."""
        answer = known.answer
        if answer is not None:
            return MoveReason.DECLINED if self._is_technical(answer) else None
        if known.absent_at is not None:
            # As long as a claim lasts, what was sent may still be on its way. What has arrived since is not known.
            is_over = call.sent_at is not None and known.absent_at >= call.sent_at + self._claim_lasts
            return MoveReason.ABSENT if is_over else None
        # At a later attempt an earlier one may have reached it.
        return MoveReason.NOT_SENT if known.is_unsent and call.attempts == 1 else None

    def _is_technical(self, answer: ProcessorAnswer) -> bool:
        """It has declined, and says only that it cannot now."""
        return answer.outcome is ProcessorOutcome.DECLINED and answer.reason in self._outside.rules.technical_reasons

    async def _done_after_all(self, call: ClaimedCall) -> str | None:
        """Of a payment that was moved here: what stands against asking for it, as a processor before has told."""
        if call.number == 1:
            return None
        async with self._database.work(call.ledger_id) as connection:
            by = await left_and_done(connection, call.ledger_id, call.id)
        return None if by is None else done_after_all(by)

    async def _compare(self, call: ClaimedCall, answer: ProcessorAnswer) -> None:
        """It was settled by somebody else meanwhile: whether that is what we were told."""
        async with self._database.work(call.ledger_id) as connection:
            settled = await find_call(connection, call.ledger_id, call.id)
        if settled is not None and settled.state in (CallState.APPROVED, CallState.DECLINED):
            compared(settled, answer)

    async def _known(self, call: ClaimedCall, order: Order) -> _Known:
        """The first time it is sent. Later it is looked up, and sent again if the processor has none of it."""
        processor, rules = self._outside.processor, self._outside.rules
        looked_at = self._now()
        if call.attempts > 1:
            looked_up = await self._asked(lambda: look_up(processor, order), is_look_up=True)
            if looked_up.answer is None or looked_up.answer.outcome is not ProcessorOutcome.ABSENT:
                return replace(looked_up, is_unsent=False)
            if not rules.repeats_safely:
                return _Known(None, "the processor knows nothing of it, and must not be asked twice")
            if self._leads_on(call) and await has_had_it(self._database, call, self._outside.name):
                return _Known(None, "the processor has had it, and knows nothing of it now")
        objection = await self._done_after_all(call)  # Behind the look: that may take its time.
        if call.attempts > 1 and objection is None and await self._has_a_next_one(call):
            return _Known(None, "the processor knows nothing of it", absent_at=looked_at)
        if objection is not None:
            return _Known(None, objection, parks=True)
        paid = await self._asked(lambda: self._sent(call, order))
        if paid.answer is not None and paid.answer.outcome is ProcessorOutcome.ABSENT:
            return _Known(None, "the processor has not taken it on", was_sent=True)
        return replace(paid, was_sent=not paid.is_unsent)

    async def _has_a_next_one(self, call: ClaimedCall) -> bool:
        return self._mover is not None and await self._mover.target(call, self._outside.name) is not None

    def _sent(self, call: ClaimedCall, order: Order) -> ProcessorAnswer:
        """Raises ClaimLapsed, and whatever the processor raises.

        Who has stood still for long sends nothing: others know by now that it was never sent, and go on elsewhere.
        """
        last = timedelta(seconds=self._outside.rules.timeout_seconds)
        if call.lapses_at is not None and self._now() >= call.lapses_at - last:
            raise ClaimLapsed
        return carry_out(self._outside.processor, order)

    async def _asked(self, ask: Callable[[], ProcessorAnswer], *, is_look_up: bool = False) -> _Known:
        """Raises CrewBusy. What came of it is counted."""
        begun = time.perf_counter()
        known = await self._tried(ask)
        reply = known.reply if known.answer is None else _reply(known.answer)
        if reply is not None:
            self._tally.calls.add((self._outside.name, reply.value))
            self._tally.seconds.observe((self._outside.name,), time.perf_counter() - begun)
            is_technical = known.answer is not None and self._is_technical(known.answer)
            self._attempts.append(Attempt(reply, is_look_up, is_technical))
        return known

    async def _tried(self, ask: Callable[[], ProcessorAnswer]) -> _Known:
        """Raises CrewBusy. Whatever else goes wrong is an outcome that nobody knows."""
        try:
            answer: Any = await self._crew.ask(ask, self._outside.rules.timeout_seconds)
        except CrewBusy:
            raise
        except TimeoutError:
            return _Known(None, "no reply in time")
        except NotSent as error:
            return _Known(None, str(error)[:ERROR_MAX] or "no connection came about", is_unsent=True)
        except ClaimLapsed:
            return _Known(None, "it was too late to send it", None)
        except GivesNothingBack:
            return _Known(None, "it gives nothing back, as it is described now", None)
        except ProcessorUnclear as error:
            reply = Reply.UNDECIDED if error.is_of_request else Reply.MISSING
            return _Known(None, f"{type(error).__name__}: {error}"[:ERROR_MAX], reply)
        except Exception as error:
            # Its words may hold a header, and that a secret: whoever reads the ledger is told its kind alone.
            return _Known(None, type(error).__name__)
        if not isinstance(answer, ProcessorAnswer):
            return _Known(None, "the plug-in's answer is no answer")
        return _Known(answer)

    async def _leave(
        self,
        call: ClaimedCall,
        answer: ProcessorAnswer | None,
        error: str | None,
        *,
        parks: bool = False,
        may_park: bool = True,
        known: _Known | None = None,
    ) -> None:
        """To be looked up later; or, asked often enough, for a person."""
        rules = self._outside.rules
        is_last = parks or (may_park and call.attempts >= rules.attempts_max)
        seconds = min(rules.backoff_seconds * 2.0 ** min(call.attempts - 1, 30), rules.backoff_seconds_max)
        now, next_at = self._now(), None
        if not is_last:
            next_at = now + timedelta(seconds=seconds)
        if next_at is not None and known is not None and known.absent_at is not None and call.sent_at is not None:
            next_at = max(next_at, call.sent_at + self._claim_lasts)
        async with self._database.work(call.ledger_id) as connection:
            await leave_call(
                connection,
                call,
                state=CallState.PARKED if is_last else CallState.UNKNOWN,
                next_at=next_at,
                sent_at=now if known is not None and known.was_sent else None,
                error=error,
                processor_payment_id=None if answer is None else answer.processor_payment_id,
            )
        if is_last:
            _log.error("%s waits for a person: %s", _named(call), error or "the processor has decided nothing")


def _reply(answer: ProcessorAnswer) -> Reply:
    state = told_state(answer)
    return Reply.UNDECIDED if state is None else Reply(state.value)


def _named(call: ClaimedCall) -> str:
    return render_id(Prefix.PAYMENT if call.refunded_payment_id is None else Prefix.REFUND, call.id)


def _tell_failure(task: asyncio.Task[None]) -> None:
    """What failed on our side is tried again when its claim lapses."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("a processor call failed", exc_info=error)
