"""Use cases about processor calls: reading them, and settling one by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.adapters.processors import WithdrawingProcessor
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.parties import parties_of_calls
from zerosum.db.queries.processor_calls import CallFilter as CallFilter
from zerosum.db.queries.processor_calls import RecordedCall as RecordedCall  # shown by the routes
from zerosum.db.queries.processor_calls import RecordedCallback as RecordedCallback  # shown by the routes
from zerosum.db.queries.processor_calls import callbacks_of, find_call, find_calls_settled_by, list_calls
from zerosum.db.queries.processor_moves import RecordedMove as RecordedMove  # shown by the routes
from zerosum.db.queries.processor_moves import moves_of
from zerosum.domain.errors import DomainError, ProcessorCallNotFound, Unavailable, ValidationFailed
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.periods import UnrefusedDating
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.processor_calls import CallOutcome, ProcessorCall, call_key
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Done, Imagined, Names, Prepared, Submission
from zerosum.services.processor_answers import settlement_of, settling
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, in_a_work, members_between
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.requests.paging import Cursors, Page, PageRequest

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class SettlementOrder:
    """What a person says became of a payment or refund. No `amount`: all of it. `reason` is why he says so."""

    idempotency_key: str
    id: UUID
    """Of the payment, or of the refund."""
    is_of_refund: bool = False
    outcome: CallOutcome
    reason: str
    amount: str | None = None
    processor: str | None = None
    """At which he has looked. None: at the one that has it."""


class SettlementDesk(Submission[SettlementOrder, RecordedCall]):
    """Whoever settles by hand, from wherever: a processor that holds orders before they go out is told first."""

    def __init__(
        self,
        kind: SettlingKind,
        committer: Committer,
        database: Database,
        now: Callable[[], datetime],
        outside: LiveProcessors,
    ) -> None:
        super().__init__(kind, committer, database, now)
        self._outside = outside

    async def one(self, caller: Caller, order: SettlementOrder) -> Done[RecordedCall]:
        """Raises Unavailable where the processor cannot be told, and the refusal."""
        await self._withdraw(caller, order)
        return await super().one(caller, order)

    async def _withdraw(self, caller: Caller, order: SettlementOrder) -> None:
        """What cannot be settled is left to it. Who dies behind it has settled it: a look-up says the same."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_call(connection, caller.ledger_id, order.id)
        if found is None or found.settled_at is not None or order.is_of_refund:
            return
        outside = self._outside.processors.get(found.processor)
        if outside is None or not isinstance(outside.processor, WithdrawingProcessor):
            return
        rehearsed = await self.rehearse(caller, [order])
        if isinstance(rehearsed, tuple) or isinstance(rehearsed.results[0], DomainError):
            return
        is_approved, key = order.outcome is CallOutcome.APPROVED, call_key(caller.ledger_id, order.id, found.number)
        telling = asyncio.to_thread(outside.processor.withdraw, key, is_approved=is_approved, amount=order.amount)
        try:
            await asyncio.wait_for(telling, outside.rules.timeout_seconds)
        except Exception as error:
            _log.warning("%s could not be told of a settlement by hand: %s", found.processor, error)
            raise Unavailable(f"{found.processor} cannot be told now: nothing was settled, try again.") from error


class ProcessorCalls:
    """`desk` settles by hand; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
        outside: LiveProcessors,
    ) -> None:
        self._database = database
        self._cursors = cursors
        known = KnownParties(database, in_a_work(parties_of_calls), _no_such_call)
        self.desk = SettlementDesk(SettlingKind(currencies, known), committer, database, now, outside)

    async def get(
        self, caller: Caller, id_: UUID, *, is_of_refund: bool
    ) -> tuple[RecordedCall, Sequence[RecordedMove], Sequence[RecordedCallback]]:
        """With the processors that it has left, and with what processors have told by themselves, the newest first."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_call(connection, caller.ledger_id, id_)
            if found is None or (found.refunded_payment_id is not None) is not is_of_refund:
                raise _no_such_call()
            moves = await moves_of(connection, caller.ledger_id, id_) if found.number > 1 else ()
            return found, moves, await callbacks_of(connection, caller.ledger_id, id_)

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
        parties = self._known.known(ledger_id, order.id, is_prepared=is_prepared)
        if (parties.payment_id is not None) is not order.is_of_refund:
            raise _no_such_call()
        currency = self._currencies.known(ledger_id, parties.currency, is_prepared=is_prepared)
        is_approved = order.outcome is CallOutcome.APPROVED
        if order.amount is not None and not is_approved:
            raise ValidationFailed("What was declined has no amount.", pointer="/amount")
        amount = None if order.amount is None else Money.parse(order.amount, currency).amount
        said = {
            **settlement_of(order.id, parties.payment_id),
            "outcome": order.outcome,
            "amount": None if amount is None else render_amount(amount),
            "reason": order.reason,
            "processor": order.processor,
        }
        members = members_between(parties, caller, order.idempotency_key, fingerprint("settlement by hand", said))
        members |= {
            "is_approved": is_approved,
            "amount": amount,
            "reason": order.reason,
            "seen_at": order.processor,
            "by_person": {"address": caller.address, "request_id": caller.request_id},
            "dating": UnrefusedDating(),
        }
        members["codes"] |= dict(parties.receivers)
        receivers = [id_ for id_, _ in parties.receivers]
        return Prepared(settling(order.id, parties.payment_id, receivers, members), members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[SettlementOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.id for order in orders})
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
            refunded_payment_id=call.refunded_payment_id,
            routing=call.routing,
            number=call.number,
            effective_at=call.effective_at,
        )

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedCall]:
        return await find_calls_settled_by(connection, ledger_id, sorted(ids))


def _no_such_call() -> ProcessorCallNotFound:
    return ProcessorCallNotFound("This ledger has no such processor call.")
