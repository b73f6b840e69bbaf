"""What processors tell by themselves: believed by its signature, taken once, and never backward."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from zerosum.adapters.processors import BadCallback, ProcessorAnswer, ProcessorCallback, ProcessorDispute
from zerosum.adapters.processors.crew import Crew, CrewBusy
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.processor_calls import (
    RecordedCall,
    find_call,
    insert_callback,
    is_being_refunded,
    was_called_back,
)
from zerosum.db.queries.processor_moves import hurry_call, moves_of, park_call
from zerosum.domain.errors import (
    AmountExceedsPayment,
    DomainError,
    OutcomeUnknown,
    Overloaded,
    PaymentNotFound,
    ProcessorCallMoved,
    ProcessorNotFound,
    Unauthenticated,
    Unavailable,
)
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.payments.disputes import DisputeTexts
from zerosum.domain.payments.processor_calls import CallName, CallState, parse_call_key
from zerosum.services.committing.committer import Committer
from zerosum.services.disputes import DisputeOrder, Disputes
from zerosum.services.processor_answers import AnswerWrong, Effect, compared, name_of, settle, told_state
from zerosum.services.processor_moves import done_after_all, may_be_moved
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.requests.outside_processors import Outside

CALLBACKS_AT_ONCE = 8
"""Of one processor, in one process: they are parsed by foreign code."""
CALLBACK_SECONDS_MAX = 2.0

_log = logging.getLogger(__name__)


class ProcessorCallbacks:
    """Each event of a processor has its effect once, in whatever order they come."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        live: LiveProcessors,
        disputes: Disputes,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._committer = committer
        self._live = live
        self._disputes = disputes
        self._crews: dict[str, Crew] = {}
        self._now = now

    async def take(self, name: str, headers: Mapping[str, str], body: bytes) -> Effect:
        """Raises ProcessorNotFound, Unauthenticated, PaymentNotFound, Unavailable."""
        outside = self._live.processors.get(name)
        if outside is None:
            raise ProcessorNotFound("There is no such processor here.")
        callback = await self._parsed(outside, headers, body)
        owner = parse_call_key(callback.key)
        if owner is None:
            raise PaymentNotFound("There is no such payment.")
        ledger_id, id_ = owner.ledger_id, owner.id
        async with self._database.work(ledger_id) as connection:
            call = await find_call(connection, ledger_id, id_)
            if call is None or not await _is_asked(connection, owner, call, name):
                raise PaymentNotFound("There is no such payment.")
            if await was_called_back(connection, ledger_id, name, callback.event_id):
                return Effect.REPEATED
        was_left = owner.number < call.number
        try:
            if was_left:
                effect = _of_one_that_was_left(call, name, callback)
            elif callback.dispute is not None:
                effect = await self._disputed(call, callback.dispute)
            else:
                effect = await self._effect(call, callback.answer, outside)
        except ProcessorCallMoved:
            was_left, effect = True, _of_one_that_was_left(call, name, callback)
        async with self._database.work(ledger_id) as connection:
            if was_left and effect is Effect.CONTRADICTS:
                # Whoever asks for it now looks for what was told before he sends anything.
                await park_call(connection, ledger_id, id_, done_after_all(name))
            await insert_callback(
                connection,
                ledger_id=ledger_id,
                processor=name,
                event_id=callback.event_id,
                payment_id=id_,
                told=callback.answer.outcome.value,
                effect=effect,
                received_at=self._now(),
            )
        return effect

    async def _parsed(self, outside: Outside, headers: Mapping[str, str], body: bytes) -> ProcessorCallback:
        moment = self._now()
        try:
            crew = self._crews.setdefault(outside.name, Crew(f"callbacks of {outside.name}", CALLBACKS_AT_ONCE))
            return await crew.ask(lambda: outside.processor.parse_callback(headers, body, moment), CALLBACK_SECONDS_MAX)
        except BadCallback as error:
            raise Unauthenticated(f"The callback is not believed: {error}.") from None
        except (CrewBusy, TimeoutError):
            raise Unavailable("The callback could not be read now; nothing was done.", retry_after=1) from None
        except Exception as error:
            _log.exception("the processor %s could not read a callback", outside.name)
            raise Unavailable("The callback could not be read; nothing was done.", retry_after=60) from error

    async def _disputed(self, call: RecordedCall, told: ProcessorDispute) -> Effect:
        """A dispute of the payment; a case is one dispute, however often it is told. Raises Unavailable.

        What cannot be disputed (it is not paid, or more than is left of it) changes nothing, and a person looks at it.
        """
        if call.state not in (CallState.APPROVED, CallState.DECLINED):
            raise Unavailable("What became of the payment is not known yet; nothing was done.", retry_after=60)
        order = DisputeOrder(
            # With blanks, which no caller can send. Of its own each time: what was refused once may be right later, and
            # by its case it is one dispute all the same.
            idempotency_key=f"processor dispute {call.id} {new_uuid()}",
            payment_id=call.id,
            amount=told.amount,
            texts=DisputeTexts(reason=told.reason, provider_case_id=told.case_id),
        )
        caller = Caller(LedgerId(call.ledger_id), f"processor {call.processor}")
        [done] = await self._disputes.desk.each(caller, [order])
        if not isinstance(done, DomainError):
            return Effect.DISPUTED
        if isinstance(done, Unavailable | Overloaded | OutcomeUnknown):
            raise done
        if isinstance(done, AmountExceedsPayment):
            async with self._database.work(call.ledger_id) as connection:
                if await is_being_refunded(connection, call.ledger_id, call.id):
                    raise Unavailable("What becomes of a refund is not known yet; nothing was done.", retry_after=60)
        _log.error("%s: the processor tells of the dispute %s: %s", name_of(call), told.case_id, done.code)
        return Effect.CONTRADICTS

    async def _effect(self, call: RecordedCall, answer: ProcessorAnswer, outside: Outside) -> Effect:
        said = told_state(answer)
        if said is None:
            return Effect.NOTED
        if call.state in (CallState.APPROVED, CallState.DECLINED):
            return compared(call, answer)
        if said is CallState.DECLINED and may_be_moved(call, answer.reason, outside.rules):
            # The worker moves it, once it has been told the same.
            async with self._database.work(call.ledger_id) as connection:
                await hurry_call(connection, call.ledger_id, call.id, self._now())
            return Effect.NOTED
        try:
            done = await settle(self._committer, call, answer, f"processor {call.processor}")
        except AnswerWrong as error:
            _log.error("%s: a callback cannot be right: %s", name_of(call), error)
            return Effect.CONTRADICTS
        if done:
            return Effect.SETTLED
        async with self._database.work(call.ledger_id) as connection:
            now = await find_call(connection, call.ledger_id, call.id)
        return compared(now or call, answer)


async def _is_asked(connection: Connection, named: CallName, call: RecordedCall, processor: str) -> bool:
    """Whether the processor was given the call of this key: it has it still, or it was moved away from it."""
    if named.number >= call.number:
        return named.number == call.number and call.processor == processor
    moves = await moves_of(connection, named.ledger_id, named.id)
    return any((move.number, move.processor) == (named.number, processor) for move in moves)


def _of_one_that_was_left(call: RecordedCall, processor: str, callback: ProcessorCallback) -> Effect:
    """What is said of a payment that was moved away: nothing is posted by it."""
    said = told_state(callback.answer)
    if callback.dispute is None and said is not CallState.APPROVED:
        return Effect.NOTED if said is None else Effect.CONFIRMS
    told = "disputed" if callback.dispute is not None else "carried out after all"
    _log.error("%s: %s tells that it is %s, and it was moved to another", name_of(call), processor, told)
    return Effect.CONTRADICTS
