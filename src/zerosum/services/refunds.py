"""Use cases about refunds: giving money of a payment back, and reading what was given back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import own_kind
from zerosum.db.queries.payments import RecordedSettlement as RecordedSettlement  # shown by the routes
from zerosum.db.queries.refunds import RecordedRefund as RecordedRefund  # shown by the routes
from zerosum.db.queries.refunds import list_refunds, refunds_as_made
from zerosum.domain.errors import ProcessorNotFound
from zerosum.domain.identifiers import AccountId, PaymentId
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR
from zerosum.domain.payments.processor_refunds import ProposeRefund
from zerosum.domain.payments.processor_splits import ProposeRefundInParts
from zerosum.domain.payments.refunds import Refund, RefundPayment
from zerosum.domain.payments.refunds import RefundStatus as RefundStatus  # shown by the routes
from zerosum.domain.payments.split_commands import RefundInParts
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, members_between
from zerosum.services.requests.outside_processors import NO_PROCESSORS, Choosing
from zerosum.services.requests.paging import Cursors, Page, PageRequest


@dataclass(slots=True, kw_only=True)
class RefundOrder:
    """A request for a refund, in its wire form. No `amount`: all that is left of the payment."""

    idempotency_key: str
    payment_id: UUID
    amount: str | None = None
    reason: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Refunds:
    """`desk` takes orders; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        currencies: Currencies,
        payments: KnownParties,
        cursors: Cursors,
        now: Callable[[], datetime],
        outside: Choosing = NO_PROCESSORS,
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._known = payments
        self.desk: ExpressSubmission[RefundOrder, RecordedRefund] = ExpressSubmission(
            RefundKind(currencies, self._known, outside), committer, database, now
        )

    async def list(self, caller: Caller, payment_id: UUID, request: PageRequest) -> Page[RecordedRefund]:
        """Raises PaymentNotFound."""
        await self._known.load(caller.ledger_id, [payment_id])
        self._known.known(caller.ledger_id, payment_id, is_prepared=True)
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_refunds(
                connection,
                caller.ledger_id,
                payment_id,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda refund: refund.id)


def _whole(is_asked: bool, members: dict[str, Any]) -> RefundPayment:
    return ProposeRefund(**members) if is_asked else RefundPayment(**members)


def _in_parts(is_asked: bool, members: dict[str, Any]) -> RefundPayment:
    return ProposeRefundInParts(**members) if is_asked else RefundInParts(**members)


class RefundKind:
    """How an order for a refund becomes a command. Whom the payment is between is known before: it never changes."""

    def __init__(self, currencies: Currencies, known: KnownParties, outside: Choosing) -> None:
        self._currencies = currencies
        self._known = known
        self._outside = outside

    def command(
        self,
        caller: Caller,
        order: RefundOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - a refund opens no account
        is_recalled: bool = False,
    ) -> Prepared:
        """`is_recalled`: to be compared with what its key was used for, and nothing else."""
        ledger_id = caller.ledger_id
        parties = self._known.known(ledger_id, order.payment_id, is_prepared=is_prepared)
        currency = self._currencies.known(ledger_id, parties.currency, is_prepared=is_prepared)
        money = None if order.amount is None else Money.parse(order.amount, currency)
        said = {
            "payment": str(order.payment_id),
            "amount": None if money is None else render_amount(money.amount),
            "reason": order.reason,
            "metadata": order.metadata,
        }
        members = members_between(parties, caller, order.idempotency_key, fingerprint("refund", said))
        members |= {
            "metadata": order.metadata,
            "payment_id": PaymentId(own_kind(order.payment_id)),
            "money": money,
            "reason": order.reason,
        }
        gives = _in_parts if parties.receivers else _whole
        if parties.receivers:
            members["codes"] |= dict(parties.receivers)
            members["receivers"] = tuple(AccountId(id_) for id_, _ in parties.receivers)
        try:
            is_asked = self._outside.is_asked_to_refund(parties.processor or INTERNAL_PROCESSOR)
        except ProcessorNotFound as gone:
            if not is_recalled:
                raise
            is_asked, members["gone"] = True, gone
        return Prepared(gives(is_asked, members), members["codes"])

    def recalled(self, caller: Caller, order: RefundOrder) -> Prepared:
        """Though the payment's processor is not in the file any more. Raises NotPrepared, DomainError."""
        return self.command(caller, order, is_prepared=True, is_recalled=True)

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[RefundOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.payment_id for order in orders})
        await self._currencies.load(caller.ledger_id, {parties.currency for parties in found})
        return NOTHING_IMAGINED

    def view(self, posted: Posted, names: Names) -> RecordedRefund:  # noqa: ARG002 - no account is shown by its code
        refund: Refund = posted.resource
        if isinstance(posted, PostedPair):  # Nearly every refund is shown so, without being made out.
            created_at, metadata = posted.posted_at, posted.command.metadata
        else:
            created_at, metadata = posted.entry.posted_at, posted.entry.metadata
        lines = posted.lines
        return RecordedRefund(
            id=refund.id,
            payment_id=refund.payment_id,
            amount=refund.money.amount,
            currency=refund.money.currency.code,
            reason=refund.reason,
            created_at=created_at,
            metadata=metadata,
            account_versions={line.account_id: line.account_version for line in lines},
            lines=lines,
            status=refund.status,
        )

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedRefund]:
        return await refunds_as_made(connection, ledger_id, ids)
