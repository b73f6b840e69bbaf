"""The commands that a message can carry: the bodies of the API's calls, to the same desks."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from zerosum.api.overrides import OVERRIDE
from zerosum.api.payment_text import paid_or_held_body
from zerosum.api.schemas.clients import TransactionRequest, transaction_body
from zerosum.api.schemas.disputes import (
    ChargebackRequest,
    DecisionRequest,
    DisputeRequest,
    EscalationRequest,
    EvidenceRequest,
    dispute_body,
)
from zerosum.api.schemas.exchanges import ExchangeRequest, exchange_body
from zerosum.api.schemas.holds import (
    CaptureRequest,
    ExtendRequest,
    HoldRequest,
    IncrementRequest,
    VoidRequest,
    hold_body,
)
from zerosum.api.schemas.journal import JournalEntryRequest, ReversalRequest, entry_body
from zerosum.api.schemas.payments import PaymentRequest, RefundRequest, refund_body
from zerosum.api.schemas.templates import TemplatePostRequest
from zerosum.api.services import Services
from zerosum.api.straight_payments import MEMBERS, straight_command
from zerosum.api.validation import validated
from zerosum.domain.errors import Forbidden, InvalidId, ValidationFailed
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.ledger.templates.template import TEMPLATE_NAME_PATTERN_TEXT
from zerosum.services.committing.submission import Prepared, Submission
from zerosum.services.journal import ReversalOrder
from zerosum.services.requests.caller import Caller
from zerosum.services.templates import TemplatePostOrder

_IS_TEMPLATE = re.compile(TEMPLATE_NAME_PATTERN_TEXT).fullmatch


def _order_of(body: Any, key: str, *named: Any) -> Any:
    return body.order(key, *named)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCommand:
    """One kind of command: what its members are, who carries it out, and how what was made is shown."""

    model: Any
    desk: Submission[Any, Any]
    body_of: Callable[[Any], dict[str, Any]]
    acts_upon: tuple[str, Prefix | None] | None = None
    """The member that names what over HTTP stands in the path; without a prefix it is a name and no id."""
    make: Callable[..., Any] = _order_of
    """An order out of the body, the key, and what is named."""
    look_up: Callable[[Caller, Any], Awaitable[Any]] | None = None
    """What an order needs of the books before it is carried out, as the call over HTTP reads it."""
    straight: Callable[[Caller, Mapping[str, Any], str], Prepared | None] | None = None
    """A command out of members that are plain, past model and order. None: the ordinary way is the way."""

    def order(self, content: Mapping[str, Any], key: str) -> Any:
        """Raises what is wrong with the members, as the call over HTTP does."""
        members = dict(content)
        if members.get(OVERRIDE) is not None:
            raise Forbidden("A message cannot be dated into a closed period.", pointer=f"/{OVERRIDE}")
        _check_not_forced(members)
        if self.acts_upon is None:
            return self.make(validated(self.model, members), key)
        name, prefix = self.acts_upon
        named = members.pop(name, None)
        if prefix is None:
            if not isinstance(named, str) or not _IS_TEMPLATE(named):
                raise ValidationFailed("This is required: a name.", pointer=f"/{name}")
            return self.make(validated(self.model, members), key, named)
        if not isinstance(named, str):
            raise ValidationFailed(f"This is required: an id that begins with {prefix.value}.", pointer=f"/{name}")
        body = validated(self.model, members)
        try:
            return self.make(body, key, parse_id(prefix, named))
        except InvalidId as refusal:
            raise refusal.at(f"/{name}") from None


def _check_not_forced(members: Mapping[str, Any]) -> None:
    """Over HTTP it takes the scope `admin`, which a message cannot show."""
    fee = members.get("fee")
    for pointer, holder in (("/force", members), ("/fee/force", fee if isinstance(fee, dict) else {})):
        if holder.get("force") is True:
            raise Forbidden("A message cannot be forced past what accounts are meant to hold.", pointer=pointer)


CLIENT_TRANSACTION = "client_transaction"


def message_commands(services: Services) -> dict[str, MessageCommand]:
    """By what a message calls them."""
    changes = services.holds.changes

    journal, templates, disputes = services.journal, services.templates, services.disputes
    payments = services.payments

    def straight(caller: Caller, members: Mapping[str, Any], key: str) -> Prepared | None:
        return straight_command(payments, caller, members, key, MEMBERS) if payments.desk.is_unjudged else None

    async def original(caller: Caller, order: tuple[UUID, ReversalOrder]) -> ReversalOrder:
        return replace(order[1], original=await journal.find(caller, order[0]))

    async def version_meant(caller: Caller, order: TemplatePostOrder) -> TemplatePostOrder:
        meant = await templates.meant(caller, order.name, order.version, order.idempotency_key)
        return replace(order, template=meant)

    def of_dispute(model: Any) -> MessageCommand:
        upon = ("dispute", Prefix.DISPUTE)
        return MessageCommand(model=model, desk=disputes.changes, body_of=dispute_body, acts_upon=upon)

    def of_hold(model: Any) -> MessageCommand:
        return MessageCommand(model=model, desk=changes, body_of=hold_body, acts_upon=("hold", Prefix.HOLD))

    return {
        "payment": MessageCommand(
            model=PaymentRequest, desk=payments.desk, body_of=paid_or_held_body, straight=straight
        ),
        "refund": MessageCommand(
            model=RefundRequest,
            desk=services.refunds.desk,
            body_of=refund_body,
            acts_upon=("payment", Prefix.PAYMENT),
        ),
        "journal_entry": MessageCommand(model=JournalEntryRequest, desk=services.journal.desk, body_of=entry_body),
        "reversal": MessageCommand(
            model=ReversalRequest,
            desk=journal.reversals,
            body_of=entry_body,
            acts_upon=("journal_entry", Prefix.JOURNAL_ENTRY),
            make=lambda body, key, id_: (id_, body.order(key, None)),
            look_up=original,
        ),
        "template_post": MessageCommand(
            model=TemplatePostRequest,
            desk=templates.desk,
            body_of=entry_body,
            acts_upon=("template", None),
            look_up=version_meant,
        ),
        "dispute": MessageCommand(
            model=DisputeRequest, desk=disputes.desk, body_of=dispute_body, acts_upon=("payment", Prefix.PAYMENT)
        ),
        "dispute_evidence": of_dispute(EvidenceRequest),
        "dispute_resolve": of_dispute(DecisionRequest),
        "dispute_chargeback": of_dispute(ChargebackRequest),
        "dispute_escalate": of_dispute(EscalationRequest),
        "hold": MessageCommand(model=HoldRequest, desk=services.holds.desk, body_of=hold_body),
        "capture": of_hold(CaptureRequest),
        "void": of_hold(VoidRequest),
        "increment": of_hold(IncrementRequest),
        "extend": of_hold(ExtendRequest),
        "exchange": MessageCommand(model=ExchangeRequest, desk=services.exchanges.desk, body_of=exchange_body),
        CLIENT_TRANSACTION: MessageCommand(
            model=TransactionRequest, desk=services.clients.desk, body_of=transaction_body
        ),
    }
