"""Payments under the rules: judged before they are handed over, and with their key looked at first.

What needs the books is judged by the books (`domain/payments/book_checks.py`); whoever is asked outside is asked here,
with nothing locked and no transaction open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.payments.book_checks import BookCheck, Duplicate
from zerosum.domain.payments.hold_commands import PlaceHold
from zerosum.domain.payments.judged_holds import PROMISED
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.processor_splits import splits_of
from zerosum.domain.payments.review_commands import JudgedPayment, Ruling
from zerosum.domain.payments.rules import Finding, Judged, RuleAction, StaticRule, findings
from zerosum.domain.traces import current_origins, of_each
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Prepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.payment_orders import PaymentOrder, kept_content, ordered_content
from zerosum.services.requests.splits import said_of
from zerosum.services.spans import NO_SPANS, Spans, StepKind, among_chosen, in_step

CLEARING = "clearing:"
"""Accounts of processors are no party of a payment."""

ATOMIC = "All or nothing cannot wait for a review: send it alone."
CONDITIONAL = "What has conditions cannot wait for a review."
PERSONAL = "What says something about a person cannot wait for a review."

Judgeable = Pay | PlaceHold


class Rules(Protocol):
    """Those of one version of the file."""

    @property
    def version(self) -> str: ...
    @property
    def static(self) -> Sequence[StaticRule]: ...
    @property
    def checks(self) -> tuple[BookCheck, ...]: ...
    @property
    def reviews_last(self) -> timedelta: ...
    @property
    def is_empty(self) -> bool: ...
    @property
    def asks_outside(self) -> bool: ...

    async def ask(
        self,
        ledger_id: LedgerId,
        payments: Sequence[Judged],
        telling: Callable[[str, int], AbstractContextManager[Any]],
    ) -> list[list[Finding]]:
        """Each rule is asked about each payment within what is told of that: by the rule's name and the place."""


class RuleBook(Protocol):
    """The rules as they are now."""

    @property
    def is_idle(self) -> bool: ...

    async def current(self) -> Rules: ...


class PaymentRules:
    """What the rules of this moment say of payments."""

    def __init__(self, book: RuleBook, database: Database, committer: Committer, spans: Spans = NO_SPANS) -> None:
        self._book = book
        self._spans = spans
        self._keys = KeyLookup(database, committer)

    @property
    def is_idle(self) -> bool:
        return self._book.is_idle

    async def commands(
        self,
        ledger_id: LedgerId,
        payments: Sequence[Judgeable],
        ordered: Sequence[Mapping[str, Any]],
        *,
        is_atomic: bool,
    ) -> Sequence[LedgerCommand]:
        """Each as it is, where no rule has anything to say; or under what was said."""
        rules = await self._book.current()
        if rules.is_empty:
            return payments
        used = await self.used(ledger_id, payments)
        fresh = [payment for payment in payments if payment.idempotency_key not in used]
        with among_chosen([payment.idempotency_key not in used for payment in payments]):
            rulings = iter(
                await self.rulings(rules, fresh, [ATOMIC if is_atomic else _cannot_wait(payment) for payment in fresh])
            )
        return [
            _under(payment, None if payment.idempotency_key in used else next(rulings), said)
            for payment, said in zip(payments, ordered, strict=True)
        ]

    async def current(self) -> Rules:
        return await self._book.current()

    async def used(self, ledger_id: LedgerId, commands: Sequence[LedgerCommand]) -> Collection[str]:
        """Those of their keys that were used before: nobody is asked about these."""
        return await self._keys.used(ledger_id, {command.idempotency_key for command in commands})

    async def asked(
        self, rules: Rules, ledger_id: LedgerId, judged: Sequence[Judged], are_asked: Sequence[bool]
    ) -> list[list[Finding]]:
        """What those outside say of each of these; `are_asked` are they of all that is judged together."""
        with among_chosen(are_asked):
            telling = self._telling(len(judged))
        return await rules.ask(ledger_id, judged, telling)

    def _telling(self, number: int) -> Callable[[str, int], AbstractContextManager[Any]]:
        """A question is a part of the trace of the payment that it is about."""
        origins = of_each(current_origins.get(), number)

        def telling(rule: str, place: int) -> AbstractContextManager[Any]:
            return in_step(self._spans.begin("rule", StepKind.ASKS, origins[place], {"zerosum.rule": rule}))

        return telling

    async def rulings(
        self, rules: Rules, payments: Sequence[Judgeable], cannot_wait: Sequence[str | None]
    ) -> list[Ruling]:
        """Whoever is refused by what he says is not asked about outside."""
        judged = [as_judged(payment) for payment in payments]
        found = [findings(rules.static, payment) for payment in judged]
        asked = [place for place, one in enumerate(found) if not is_refused(one)]
        if asked:
            are_asked = [not is_refused(one) for one in found]
            answers = await self.asked(rules, payments[0].ledger_id, [judged[place] for place in asked], are_asked)
            for place, answer in zip(asked, answers, strict=True):
                found[place] += answer
        return [
            Ruling(
                version=rules.version,
                judged=payment,
                findings=tuple(one),
                checks=() if is_refused(one) else _checks_of(rules, paying, payment),
                cannot_wait=why,
            )
            for paying, payment, one, why in zip(payments, judged, found, cannot_wait, strict=True)
        ]


class Judge:
    """Of a desk."""

    def __init__(self, rules: PaymentRules) -> None:
        self._rules = rules

    @property
    def is_idle(self) -> bool:
        return self._rules.is_idle

    async def _under_rules(
        self,
        caller: Caller,
        prepared: Sequence[Prepared],
        judged: Sequence[Judgeable],
        ordered: Sequence[Mapping[str, Any]],
        *,
        is_atomic: bool,
    ) -> list[Prepared]:
        commands = await self._rules.commands(caller.ledger_id, judged, ordered, is_atomic=is_atomic)
        return [Prepared(command, one.names) for command, one in zip(commands, prepared, strict=True)]


class PaymentJudge(Judge):
    """Of the desk that takes payments: what a review would keep is what the order has said."""

    async def judged(
        self, caller: Caller, orders: Sequence[PaymentOrder], prepared: Sequence[Prepared], *, is_atomic: bool
    ) -> list[Prepared]:
        payments = [_payment(one) for one in prepared]
        ordered = [_ordered(order, payment) for order, payment in zip(orders, payments, strict=True)]
        return await self._under_rules(caller, prepared, payments, ordered, is_atomic=is_atomic)


def _payment(prepared: Prepared) -> Pay:
    if not isinstance(prepared.command, Pay):
        raise TypeError("what is judged is a payment")
    return prepared.command


def _ordered(order: PaymentOrder, payment: Pay) -> Mapping[str, Any]:
    splits = said_of(split.asked for split in splits_of(payment))
    return kept_content(ordered_content(order, payment.money, splits))


def as_judged(payment: Judgeable) -> Judged:
    """By codes: an id in the order means the same account."""
    codes = payment.codes or {}
    found = [codes[split.asked.account_id] for split in splits_of(payment)]
    receivers = tuple(code for code in found if not code.startswith(CLEARING))
    return Judged(
        type=payment.type,
        amount=_promised(payment) if isinstance(payment, PlaceHold) else payment.money.amount,
        currency=payment.money.currency.code,
        payer=None if payment.type is PaymentType.DEPOSIT else codes[payment.payer_id],
        payee=None if payment.type is PaymentType.WITHDRAWAL else codes[payment.payee_id],
        receivers=receivers,
        metadata=payment.metadata,
        reference=payment.texts.reference,
        description=payment.texts.description,
        actor=payment.actor,
    )


def _promised(hold: PlaceHold) -> Decimal:
    """At most so much will be captured, as far as the order says."""
    return max(hold.money.amount, hold.capture_max or hold.money.amount)


def _cannot_wait(payment: Judgeable) -> str | None:
    if not isinstance(payment, Pay):
        return PROMISED
    if payment.personal is not None:
        return PERSONAL
    return None if payment.conditions is None else CONDITIONAL


def _checks_of(rules: Rules, payment: Judgeable, judged: Judged) -> tuple[BookCheck, ...]:
    """A hold is no payment yet, and has no duplicate."""
    return tuple(
        check
        for check in rules.checks
        if check.rule.scope.holds(judged) and (isinstance(payment, Pay) or not isinstance(check, Duplicate))
    )


def is_refused(found: Sequence[Finding]) -> bool:
    return any(one.action is RuleAction.REFUSE for one in found)


def _under(payment: Judgeable, ruling: Ruling | None, ordered: Mapping[str, Any]) -> LedgerCommand:
    if ruling is not None and ruling.is_clear:
        return payment
    return JudgedPayment(
        id=payment.id,
        ledger_id=payment.ledger_id,
        idempotency_key=payment.idempotency_key,
        fingerprint=payment.fingerprint,
        actor=payment.actor,
        metadata=payment.metadata,
        codes=payment.codes,
        called=payment.called,
        opens=payment.opens,
        payment=payment,
        ruling=ruling,
        ordered=ordered,
    )
