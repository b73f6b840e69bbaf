"""Fail-over: a payment that its processor has surely not carried out goes to the next one of its route.

What nobody knows is never moved. Whoever dies in the middle has moved it or not: the call says which.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from zerosum.adapters.processors import ProcessorAnswer, ProcessorOutcome
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.processor_calls import ClaimedCall, RecordedCall, insert_callback
from zerosum.db.queries.processor_health import healths
from zerosum.db.queries.processor_moves import has_told_of, park_call
from zerosum.domain.identifiers import SERVICE_LEDGER, AccountId, LedgerId, PaymentId, Prefix, render_id
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.outcome import Refused
from zerosum.domain.ledger.periods import UnrefusedDating
from zerosum.domain.money import Currency
from zerosum.domain.payments.payment import PaymentType, clearing_code
from zerosum.domain.payments.processor_calls import CallState, MoveReason, call_key, onward
from zerosum.domain.payments.processor_moves import MovePayment
from zerosum.services.accounts import Accounts
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.processor_answers import ACTOR, Effect, told_state
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.requests.outside_processors import Rules

_log = logging.getLogger(__name__)


def done_after_all(processor: str) -> str:
    """Why nobody is asked for it any more."""
    return f"{processor}, which it was moved away from, says that it has carried it out after all"


async def hear_late(
    database: Database, call: ClaimedCall, processor: str, answer: ProcessorAnswer, received_at: datetime
) -> None:
    """An answer to what was asked before the payment was moved. That it was carried out posts nothing, and is kept.

    As if it were called back: whoever asks the next one looks for that before he sends anything.
    """
    if told_state(answer) is not CallState.APPROVED:
        return
    _log.error(
        "%s: %s answers late that it has carried it out, and it was moved to another",
        render_id(Prefix.PAYMENT, call.id),
        processor,
    )
    async with database.work(call.ledger_id) as connection:
        await park_call(connection, call.ledger_id, call.id, done_after_all(processor))
    await _note(database, call, processor, f"late answer {_key(call)}", answer, Effect.CONTRADICTS, received_at)


def _key(call: ClaimedCall) -> str:
    return call_key(call.ledger_id, call.id, call.number)


async def _note(
    database: Database,
    call: ClaimedCall,
    processor: str,
    event_id: str,
    answer: ProcessorAnswer,
    effect: Effect,
    received_at: datetime,
) -> None:
    """As if it were called back. `event_id` has blanks, as of no event of the processor's own."""
    async with database.work(call.ledger_id) as connection:
        await insert_callback(
            connection,
            ledger_id=call.ledger_id,
            processor=processor,
            event_id=event_id,
            payment_id=call.id,
            told=answer.outcome.value,
            effect=effect,
            received_at=received_at,
        )


async def has_had_it(database: Database, call: ClaimedCall, processor: str) -> bool:
    """Whether a processor that knows nothing of a payment has known of it before: then it may have carried it out.

    It may have thrown away what is old, or lost its memory.
    """
    if call.processor_payment_id is not None:
        return True
    async with database.work(call.ledger_id) as connection:
        return await has_told_of(connection, call.ledger_id, call.id, processor)


async def note_pending(
    database: Database, call: ClaimedCall, processor: str, answer: ProcessorAnswer, received_at: datetime
) -> None:
    """Of a processor that has the payment and gives no id for it, by which that would be remembered."""
    if answer.outcome is ProcessorOutcome.PENDING and not (call.processor_payment_id or answer.processor_payment_id):
        await _note(database, call, processor, f"answer {_key(call)}", answer, Effect.NOTED, received_at)


def may_be_moved(call: RecordedCall, reason: str | None, rules: Rules) -> bool:
    """Whether what its processor has declined for this reason is for the next one of its route."""
    return (
        rules.fails_over
        and reason in rules.technical_reasons
        and call.refunded_payment_id is None
        and call.state is not CallState.PARKED
        and bool(onward(call.routing, call.processor))
    )


class Mover:
    def __init__(
        self,
        database: Database,
        committer: Committer,
        accounts: Accounts,
        live: LiveProcessors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._committer = committer
        self._accounts = accounts
        self._live = live
        self._now = now

    async def target(self, call: ClaimedCall, processor: str, *, is_declined: bool = False) -> str | None:
        """To whom it may be moved from this one: the next that takes payments and is well.

        What was declined is moved even to one that is in trouble, and waits there: else the payment would fail.
        """
        if call.refunded_payment_id is not None:
            return None
        outside = self._live.outside
        left = [
            name for name in onward(call.routing, processor) if name in outside.names and name not in outside.paused
        ]
        if not left:
            return None
        troubled = await self._troubled()
        return next((name for name in left if name not in troubled), left[0] if is_declined else None)

    async def move(
        self,
        call: ClaimedCall,
        processor: str,
        to: str,
        why: MoveReason,
        told: str | None,
        processor_payment_id: str | None = None,
    ) -> bool:
        """Whether it is the next one's now. Not, where another claim, a settlement or a move came first."""
        command = await self._command(call, processor, to, why, told, processor_payment_id)
        outcome = await self._committer.carry_out(command)
        name = render_id(Prefix.PAYMENT, call.id)
        if isinstance(outcome, Refused):
            _log.warning("%s was not moved from %s to %s: %s", name, processor, to, outcome.refusal.code)
            return False
        _log.warning("%s was moved from %s to %s: %s, %s", name, processor, to, why, told or "no word why")
        return True

    async def _command(
        self,
        call: ClaimedCall,
        processor: str,
        to: str,
        why: MoveReason,
        told: str | None,
        processor_payment_id: str | None,
    ) -> MovePayment:
        ledger_id = LedgerId(call.ledger_id)
        clearing = await self._clearing(call, to)
        is_withdrawal = PaymentType(call.type) is PaymentType.WITHDRAWAL
        said: dict[str, Any] = {
            "payment": str(call.id),
            "number": call.number,
            "processor": processor,
            "to": to,
            "why": why.value,
            "told": told,
        }
        return MovePayment(
            id=new_uuid(),
            ledger_id=ledger_id,
            # With blanks, which no caller can send: a call is left once.
            idempotency_key=f"processor move {call.id} {call.number}",
            fingerprint=fingerprint("move", said),
            actor=ACTOR,
            is_remembered=False,
            payment_id=PaymentId(call.id),
            payer_id=AccountId(call.payer_id),
            payee_id=AccountId(call.payee_id),
            to_processor=to,
            to_payer_id=AccountId(call.payer_id) if is_withdrawal else clearing,
            to_payee_id=clearing if is_withdrawal else AccountId(call.payee_id),
            number=call.number,
            attempts=call.attempts,
            why=why,
            told=told,
            processor_payment_id=processor_payment_id,
            dating=UnrefusedDating(),
        )

    async def _clearing(self, call: ClaimedCall, processor: str) -> AccountId:
        """The account in which money to and from it waits, which its first payment opens."""
        caller = Caller(LedgerId(call.ledger_id), ACTOR)
        currency = Currency(call.currency, max(0, -int(call.amount.as_tuple().exponent)))
        code = clearing_code(processor, call.currency)
        name = f"Clearing of the processor {processor}"
        [account] = await self._accounts.ensure(
            caller, [self._accounts.draft(caller, code, currency, AccountType.ASSET, name)]
        )
        return account.state.id

    async def _troubled(self) -> Mapping[str, str]:
        """Those to which nothing new should go now."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            found = await healths(connection)
        moment, processors = self._now(), self._live.processors
        return {
            name: trouble
            for name, health in found.items()
            if name in processors and (trouble := health.trouble(processors[name].rules.breaker, moment)) is not None
        }
