"""Use cases about processor calls: reading them, settling one by hand, and what processors tell by themselves."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from zerosum.adapters.processors import BadCallback, Processor, ProcessorAnswer, ProcessorCallback
from zerosum.adapters.processors import ProcessorOutcome as ProcessorOutcome  # shown by the routes
from zerosum.adapters.processors.crew import Crew, CrewBusy
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.parties import parties_of_calls
from zerosum.db.queries.processor_calls import CallFilter as CallFilter
from zerosum.db.queries.processor_calls import RecordedCall as RecordedCall  # shown by the routes
from zerosum.db.queries.processor_calls import RecordedCallback as RecordedCallback  # shown by the routes
from zerosum.db.queries.processor_calls import (
    callbacks_of,
    find_call,
    find_calls_settled_by,
    insert_callback,
    list_calls,
    was_called_back,
)
from zerosum.domain.errors import (
    DomainError,
    InvalidState,
    PaymentNotFound,
    ProcessorCallNotFound,
    ProcessorNotFound,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
)
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.outcome import Posted, Refused
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments.processor_calls import CallOutcome, CallState, ProcessorCall, parse_call_key
from zerosum.domain.payments.processor_commands import SettlePayment
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, members_between
from zerosum.services.requests.paging import Cursors, Page, PageRequest

ACTOR = "zerosum worker"
CALLBACKS_AT_ONCE = 8
"""Of one processor, in one process: they are parsed by foreign code."""
CALLBACK_SECONDS_MAX = 2.0

_log = logging.getLogger(__name__)


class Rules(Protocol):
    """How a processor is asked."""

    @property
    def timeout_seconds(self) -> float: ...
    @property
    def at_once(self) -> int: ...
    @property
    def attempts_max(self) -> int: ...
    @property
    def backoff_seconds(self) -> float: ...
    @property
    def backoff_seconds_max(self) -> float: ...
    @property
    def repeats_safely(self) -> bool: ...


class Outside(Protocol):
    """A processor with its rules, as it is configured."""

    @property
    def name(self) -> str: ...
    @property
    def processor(self) -> Processor: ...
    @property
    def rules(self) -> Rules: ...


@dataclass(slots=True, kw_only=True)
class SettlementOrder:
    """What a person says became of a payment. No `amount`: all of it. `reason` is why he says so."""

    idempotency_key: str
    payment_id: UUID
    outcome: CallOutcome
    reason: str
    amount: str | None = None


class ProcessorCalls:
    """`desk` settles by hand; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cursors = cursors
        known = KnownParties(database, parties_of_calls, _no_such_call)
        self.desk: Submission[SettlementOrder, RecordedCall] = Submission(
            SettlingKind(currencies, known), committer, database, now
        )

    async def get(self, caller: Caller, payment_id: UUID) -> tuple[RecordedCall, Sequence[RecordedCallback]]:
        """With what the processor has told by itself, the newest first."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_call(connection, caller.ledger_id, payment_id)
            if found is None:
                raise _no_such_call()
            return found, await callbacks_of(connection, caller.ledger_id, payment_id)

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedCall]:
        """Raises InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        wanted = CallFilter(state=position.filters.get("state"), processor=position.filters.get("processor"))
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_calls(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda call: call.id)


class SettlingKind:
    """How a person's word becomes a command."""

    def __init__(self, currencies: Currencies, known: KnownParties) -> None:
        self._currencies = currencies
        self._known = known

    def command(
        self,
        caller: Caller,
        order: SettlementOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - all accounts are there
    ) -> Prepared:
        ledger_id = caller.ledger_id
        parties = self._known.known(ledger_id, order.payment_id, is_prepared=is_prepared)
        currency = self._currencies.known(ledger_id, parties.currency, is_prepared=is_prepared)
        is_approved = order.outcome is CallOutcome.APPROVED
        if order.amount is not None and not is_approved:
            raise ValidationFailed("What was declined has no amount.", pointer="/amount")
        amount = None if order.amount is None else Money.parse(order.amount, currency).amount
        said = {
            "payment": str(order.payment_id),
            "outcome": order.outcome,
            "amount": None if amount is None else render_amount(amount),
            "reason": order.reason,
        }
        members = members_between(parties, caller, order.idempotency_key, fingerprint("settlement by hand", said))
        command = SettlePayment(
            **members,
            payment_id=PaymentId(order.payment_id),
            is_approved=is_approved,
            amount=amount,
            reason=order.reason,
            by_person={"address": caller.address, "request_id": caller.request_id},
        )
        return Prepared(command, members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[SettlementOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.payment_id for order in orders})
        await self._currencies.load(caller.ledger_id, {parties.currency for parties in found})
        return NOTHING_IMAGINED

    def view(self, posted: Posted, names: Names) -> RecordedCall:  # noqa: ARG002 - no account is shown by its code
        call: ProcessorCall = posted.resource
        return RecordedCall(
            ledger_id=call.ledger_id,
            id=call.id,
            processor=call.processor,
            type=call.type,
            currency=call.money.currency.code,
            amount=call.money.amount,
            payer_id=call.payer_id,
            payee_id=call.payee_id,
            state=call.state,
            created_at=call.created_at,
            next_at=call.next_at,
            attempts=call.attempts,
            sent_at=call.sent_at,
            last_error=call.last_error,
            processor_payment_id=call.processor_payment_id,
            reason=call.reason,
            approved=call.approved,
            entry_id=call.entry_id,
            settled_at=call.settled_at,
            route=call.route,
        )

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedCall]:
        return await find_calls_settled_by(connection, ledger_id, sorted(ids))


class Effect(StrEnum):
    """What a callback has done."""

    SETTLED = "settled"
    CONFIRMS = "confirms"
    """It says what is known already."""
    CONTRADICTS = "contradicts"
    """It says otherwise than what was settled, and changes nothing: a person looks at it."""
    NOTED = "noted"
    """Nothing is decided yet."""
    REPEATED = "repeated"
    """It was taken before."""


class ProcessorCallbacks:
    """Each event of a processor has its effect once, in whatever order they come."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        processors: Mapping[str, Outside],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._committer = committer
        self._processors = processors
        self._crews = {name: Crew(f"callbacks of {name}", CALLBACKS_AT_ONCE) for name in processors}
        self._now = now

    async def take(self, name: str, headers: Mapping[str, str], body: bytes) -> Effect:
        """Raises ProcessorNotFound, Unauthenticated, PaymentNotFound, Unavailable."""
        outside = self._processors.get(name)
        if outside is None:
            raise ProcessorNotFound("There is no such processor here.")
        callback = await self._parsed(outside, headers, body)
        owner = parse_call_key(callback.key)
        if owner is None:
            raise PaymentNotFound("There is no such payment.")
        ledger_id, payment_id = owner
        async with self._database.work(ledger_id) as connection:
            call = await find_call(connection, ledger_id, payment_id)
            if call is None or call.processor != name:
                raise PaymentNotFound("There is no such payment.")
            if await was_called_back(connection, ledger_id, name, callback.event_id):
                return Effect.REPEATED
        effect = await self._effect(call, callback.answer)
        async with self._database.work(ledger_id) as connection:
            await insert_callback(
                connection,
                ledger_id=ledger_id,
                processor=name,
                event_id=callback.event_id,
                payment_id=payment_id,
                told=callback.answer.outcome.value,
                effect=effect,
                received_at=self._now(),
            )
        return effect

    async def _parsed(self, outside: Outside, headers: Mapping[str, str], body: bytes) -> ProcessorCallback:
        moment = self._now()
        try:
            return await self._crews[outside.name].ask(
                lambda: outside.processor.parse_callback(headers, body, moment), CALLBACK_SECONDS_MAX
            )
        except BadCallback as error:
            raise Unauthenticated(f"The callback is not believed: {error}.") from None
        except (CrewBusy, TimeoutError):
            raise Unavailable("The callback could not be read now; nothing was done.", retry_after=1) from None
        except Exception as error:
            _log.exception("the processor %s could not read a callback", outside.name)
            raise Unavailable("The callback could not be read; nothing was done.", retry_after=60) from error

    async def _effect(self, call: RecordedCall, answer: ProcessorAnswer) -> Effect:
        said = told_state(answer)
        if said is None:
            return Effect.NOTED
        if call.state in (CallState.APPROVED, CallState.DECLINED):
            return compared(call, answer)
        try:
            done = await settle(self._committer, call, answer, f"processor {call.processor}")
        except AnswerWrong as error:
            _log.error("pay_%s: a callback cannot be right: %s", call.id, error)
            return Effect.CONTRADICTS
        if done:
            return Effect.SETTLED
        async with self._database.work(call.ledger_id) as connection:
            now = await find_call(connection, call.ledger_id, call.id)
        return compared(now or call, answer)


class AnswerWrong(Exception):
    """The processor says what cannot be, of this payment."""


def told_state(answer: ProcessorAnswer) -> CallState | None:
    """None: it has decided nothing."""
    if answer.outcome is ProcessorOutcome.APPROVED:
        return CallState.APPROVED
    return CallState.DECLINED if answer.outcome is ProcessorOutcome.DECLINED else None


async def settle(committer: Committer, call: RecordedCall, answer: ProcessorAnswer, actor: str) -> bool:
    """By what the processor has said. Whether it is settled so now, or was by the same word before.

    Its key holds a blank, which no caller can send: it is settled once, whoever says it how often.
    Raises AnswerWrong, Unavailable, OutcomeUnknown.
    """
    outcome = await committer.carry_out(_settlement(call, answer, actor))
    if not isinstance(outcome, Refused):
        return True
    if isinstance(outcome.refusal, InvalidState) or outcome.refusal.code == "idempotency_key_reused":
        return False
    raise outcome.refusal


def _settlement(call: RecordedCall, answer: ProcessorAnswer, actor: str) -> SettlePayment:
    is_approved = answer.outcome is ProcessorOutcome.APPROVED
    amount = None
    if is_approved and answer.amount is not None:
        amount = _approved_amount(call, answer.amount)
    said = {
        "payment": str(call.id),
        "outcome": CallOutcome.APPROVED if is_approved else CallOutcome.DECLINED,
        "amount": None if amount is None else render_amount(amount),
        "processor_payment_id": answer.processor_payment_id,
        "reason": None if is_approved else answer.reason,
    }
    return SettlePayment(
        id=new_uuid(),
        ledger_id=LedgerId(call.ledger_id),
        idempotency_key=f"processor settlement {call.id}",
        fingerprint=fingerprint("settlement", said),
        actor=actor,
        is_remembered=False,
        payment_id=PaymentId(call.id),
        payer_id=AccountId(call.payer_id),
        payee_id=AccountId(call.payee_id),
        is_approved=is_approved,
        amount=amount,
        processor_payment_id=answer.processor_payment_id,
        reason=None if is_approved else answer.reason,
    )


def _approved_amount(call: RecordedCall, text: str) -> Decimal:
    """Raises AnswerWrong."""
    places = max(0, -int(call.amount.as_tuple().exponent))  # 10000 yen may come as 1E+4
    try:
        amount = Money.parse(text, Currency(call.currency, places)).amount
    except DomainError as error:
        raise AnswerWrong(f"the approved amount is no amount in {call.currency}: {error.code}") from None
    if amount > call.amount:
        raise AnswerWrong("more was approved than was asked for")
    return amount


def compared(call: RecordedCall, answer: ProcessorAnswer) -> Effect:
    """What is said of a call that was settled before: the same, or what only a person can put right."""
    said, amount = told_state(answer), None
    with contextlib.suppress(AnswerWrong):
        if said is CallState.APPROVED:
            amount = call.amount if answer.amount is None else _approved_amount(call, answer.amount)
    if (said, amount) == (call.state, call.approved):
        return Effect.CONFIRMS
    told = f"says {said} {answer.amount}, and it is {call.state} {call.approved}"
    _log.error("pay_%s: the processor %s %s", call.id, call.processor, told)
    return Effect.CONTRADICTS


def _no_such_call() -> ProcessorCallNotFound:
    return ProcessorCallNotFound("This ledger has no such processor call.")
