"""The commands that a message can carry: the bodies of the API's calls, to the same desks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zerosum.api.overrides import OVERRIDE
from zerosum.api.payment_text import paid_or_held_body
from zerosum.api.schemas.clients import TransactionRequest, transaction_body
from zerosum.api.schemas.exchanges import ExchangeRequest, exchange_body
from zerosum.api.schemas.holds import (
    CaptureRequest,
    ExtendRequest,
    HoldRequest,
    IncrementRequest,
    VoidRequest,
    hold_body,
)
from zerosum.api.schemas.journal import JournalEntryRequest, entry_body
from zerosum.api.schemas.payments import PaymentRequest, RefundRequest, refund_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain.errors import Forbidden, InvalidId, ValidationFailed
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.services.committing.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCommand:
    """One kind of command: what its members are, who carries it out, and how what was made is shown."""

    model: Any
    desk: Submission[Any, Any]
    body_of: Callable[[Any], dict[str, Any]]
    acts_upon: tuple[str, Prefix] | None = None
    """The member that names what over HTTP stands in the path."""

    def order(self, content: Mapping[str, Any], key: str) -> Any:
        """Raises what is wrong with the members, as the call over HTTP does."""
        members = dict(content)
        if members.get(OVERRIDE) is not None:
            raise Forbidden("A message cannot be dated into a closed period.", pointer=f"/{OVERRIDE}")
        if self.acts_upon is None:
            return validated(self.model, members).order(key)
        name, prefix = self.acts_upon
        named = members.pop(name, None)
        if not isinstance(named, str):
            raise ValidationFailed(f"This is required: an id that begins with {prefix.value}.", pointer=f"/{name}")
        body = validated(self.model, members)
        try:
            return body.order(key, parse_id(prefix, named))
        except InvalidId as refusal:
            raise refusal.at(f"/{name}") from None


CLIENT_TRANSACTION = "client_transaction"


def message_commands(services: Services) -> dict[str, MessageCommand]:
    """By what a message calls them."""
    changes = services.holds.changes

    def of_hold(model: Any) -> MessageCommand:
        return MessageCommand(model=model, desk=changes, body_of=hold_body, acts_upon=("hold", Prefix.HOLD))

    return {
        "payment": MessageCommand(model=PaymentRequest, desk=services.payments.desk, body_of=paid_or_held_body),
        "refund": MessageCommand(
            model=RefundRequest,
            desk=services.refunds.desk,
            body_of=refund_body,
            acts_upon=("payment", Prefix.PAYMENT),
        ),
        "journal_entry": MessageCommand(model=JournalEntryRequest, desk=services.journal.desk, body_of=entry_body),
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
