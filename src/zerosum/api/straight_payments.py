"""Plain payments past the schema: from the members of a body straight to a command, and from the books to the text.

What a body says is judged by `PaymentRequest`, and a payment is shown by `payment_body`. Here is the same in a second
form, for payments that have none but the usual members and go as a plain pair; whatever is more goes the first way,
and so does whatever is wrong. `tests/services/test_straight_payments.py` and `tests/api/test_express_payments.py` hold
the ways together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from zerosum.api.card_numbers import place_of_card_number
from zerosum.api.express_orders import CREATED, HEADERS, HEADERS_OF_REPLAY
from zerosum.api.payment_text import paid_or_held_status, paid_or_held_text
from zerosum.api.schemas.fields import TEXT_MAX
from zerosum.api.text_parts import metadata_text, texts_members
from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.moments import render_time
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, STATUS_WHEN_MADE
from zerosum.gateway.guards.request_guard import KEY_PATTERN_TEXT
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.routing import Call, HttpAnswer
from zerosum.services.committing.committer import each_of, outlasting
from zerosum.services.committing.submission import BULK_ITEMS_MAX, Done, Prepared
from zerosum.services.committing.work import Answers
from zerosum.services.payments import Payments
from zerosum.services.requests.caller import Caller

MEMBERS = frozenset({"type", "amount", "currency", "from", "to", "reference", "description"})
ITEM_MEMBERS = MEMBERS | {"idempotency_key"}
_TEXT = {str}
_KEY = re.compile(KEY_PATTERN_TEXT, re.ASCII)
_STATUS = STATUS_WHEN_MADE.value

TellEach = Callable[[Call, Sequence[Done[Any] | DomainError]], HttpAnswer]
"""How the items of a bulk call are answered that were not all posted as plain pairs."""


def straight_command(
    payments: Payments,
    caller: Principal | Caller,
    content: Mapping[str, Any],
    idempotency_key: str,
    members: frozenset[str],
) -> Prepared | None:
    """None: the ordinary way makes the command, or says what is wrong."""
    if not content.keys() <= members or {type(member) for member in content.values()} != _TEXT:
        return None
    find = content.get
    reference, description = find("reference"), find("description")
    for text in (reference, description):
        if text is not None and not 0 < len(text) <= TEXT_MAX:
            return None
    if place_of_card_number(content) is not None:
        return None
    return payments.straight.command(
        caller.ledger_id,
        caller.actor,
        idempotency_key,
        type_text=find("type", ""),
        amount=find("amount", ""),
        currency_code=find("currency", ""),
        payer=find("from"),
        payee=find("to"),
        reference=reference,
        description=description,
    )


def begin_straight(payments: Payments, call: Call) -> BegunPayment | None:
    """Between two socket events. None: nothing was begun, and the ordinary way is the way."""
    caller, desk = call.principal, payments.desk
    if caller is None or not desk.is_unjudged:
        return None
    prepared = straight_command(payments, caller, call.content, call.idempotency_key or "", MEMBERS)
    if prepared is None:
        return None
    outcome = desk.hand_over((prepared.command,))
    return BegunPayment(payments, call, prepared, outcome)


class BegunPayment:
    """A plain payment with the committer (`gateway.routing.Begun`)."""

    __slots__ = ("_call", "_payments", "_prepared", "outcome")

    def __init__(self, payments: Payments, call: Call, prepared: Prepared, outcome: asyncio.Future[Answers]) -> None:
        self._payments, self._call, self._prepared, self.outcome = payments, call, prepared, outcome

    def plain_answer(self) -> HttpAnswer | None:
        answer = self.outcome.result()[0]
        if not isinstance(answer, Posted):
            return None
        return HttpAnswer(CREATED, _text(self._payments, self._prepared, answer), HEADERS)

    async def answer(self) -> HttpAnswer:
        answers = await self.outcome
        plain = self.plain_answer()
        if plain is not None:
            return plain
        done = await self._payments.desk.done(self._call.caller, self._prepared, answers)
        headers = HEADERS_OF_REPLAY if done.is_replay else HEADERS
        return HttpAnswer(paid_or_held_status(done.view), paid_or_held_text(done.view), headers)


def _text(payments: Payments, prepared: Prepared, posted: Posted) -> bytes:
    """Of a payment that nobody has judged, so that it is no review."""
    if type(posted) is PostedPair:
        payments.kind.remember(posted, prepared.names)
        return pair_text(posted)
    return paid_or_held_text(payments.desk.view_of(prepared, posted))


def pair_text(posted: PostedPair) -> bytes:
    """As `payment_text` writes what such a payment is shown as, for a third of the price."""
    command, debit, credit = posted.command, posted.debit, posted.credit
    if not isinstance(command, Pay) or command.codes is None:
        raise TypeError("this is the text of a plain payment")
    payer_id, payee_id, codes, effective_at = command.payer_id, command.payee_id, command.codes, command.effective_at
    id_text, none = str(command.id), _nothing(command.money.currency.exponent)
    created_at = render_time(posted.posted_at)
    return (
        f'{{"id":"pay_{id_text}","type":"{command.type._value_}","status":"{_STATUS}","amount":"{posted.amount}",'
        f'"currency":"{command.money.currency.code}","from":"acc_{payer_id}","from_code":"{codes[payer_id]}",'
        f'"to":"acc_{payee_id}","to_code":"{codes[payee_id]}",{texts_members(command.texts)},'
        f'"processor":"{INTERNAL_PROCESSOR}","refunded":"{none}","disputed":"{none}",'
        f'"journal_entry_ids":["je_{id_text}"],"account_versions":{{"acc_{payer_id}":{debit.account_version},'
        f'"acc_{payee_id}":{credit.account_version}}},'
        f'"effective_at":"{created_at if effective_at is None else render_time(effective_at)}",'
        f'"created_at":"{created_at}","metadata":{metadata_text(command.metadata)}}}'
    ).encode()


@cache
def _nothing(places: int) -> str:
    """As an amount of so many places."""
    return f"{0:.{places}f}"


async def answer_each_straight(payments: Payments, call: Call, told: TellEach) -> HttpAnswer | None:
    """A bulk call whose items are all plain, each judged by itself. None: nothing was begun."""
    desk = payments.desk
    prepared = _straight_commands(payments, call) if desk.is_unjudged and not call.query_string else None
    if prepared is None:
        return None
    answers = each_of(await outlasting(desk.hand_over([one.command for one in prepared])))
    posted = [answer for answer in answers if isinstance(answer, Posted)]
    if len(posted) != len(answers):
        return told(call, await desk.done_each(call.caller, prepared, answers))
    texts = [_text(payments, one, answer) for one, answer in zip(prepared, posted, strict=True)]
    results = [b'{"index":%d,"status":%d,"data":%b}' % (index, CREATED, text) for index, text in enumerate(texts)]
    return HttpAnswer(200, b'{"results":[%b]}' % b",".join(results), HEADERS)


def _straight_commands(payments: Payments, call: Call) -> list[Prepared] | None:
    """Of all items, or None."""
    caller, items = call.principal, call.content.get("items")
    if caller is None or len(call.content) != 1 or type(items) is not list or not 0 < len(items) <= BULK_ITEMS_MAX:
        return None
    prepared: list[Prepared] = []
    for item in items:
        key = item.get("idempotency_key") if type(item) is dict else None
        if type(key) is not str or key[:1] == '"' or _KEY.fullmatch(key) is None:
            return None  # Quotes around a key are no part of it.
        one = straight_command(payments, caller, item, key, ITEM_MEMBERS)
        if one is None:
            return None
        prepared.append(one)
    return prepared
