"""Use cases about disputes: opening one, what becomes of it, and reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.disputes import (
    DisputeFilter,
    find_answered_disputes,
    find_dispute,
    list_disputes,
    parties_of_disputes,
)
from zerosum.db.queries.disputes import RecordedDispute as RecordedDispute  # shown by the routes
from zerosum.db.queries.given_versions import find_lines
from zerosum.db.queries.house_rules import find_house_rules
from zerosum.db.queries.parties import Parties
from zerosum.db.queries.payments import Line as Line  # shown by the routes
from zerosum.domain.errors import AccountNotFound, CurrencyMismatch, DisputeNotFound, SameAccount, Unavailable
from zerosum.domain.identifiers import DisputeId, PaymentId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account_change import another_account_for
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments import dispute_commands as commands
from zerosum.domain.payments.disputes import Dispute, DisputeChange, DisputeStage, DisputeTexts, DisputeVerb
from zerosum.domain.payments.house_rules import HouseRules
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.committing.work import outcome_unknown
from zerosum.services.requests.account_directory import AccountDirectory, AccountName, NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, in_a_work, members_between
from zerosum.services.requests.paging import Cursors, Page, PageRequest

RULES_MAX = 1_000
"""Of so many ledgers house rules are kept, from when an order is prepared until it is made a command."""


@dataclass(slots=True, kw_only=True)
class DisputeOrder:
    """A notice that a payment is questioned, in its wire form. No `amount`: all that is left of the payment."""

    idempotency_key: str
    payment_id: UUID
    texts: DisputeTexts
    amount: str | None = None


@dataclass(slots=True, kw_only=True)
class DisputeChangeOrder:
    """What becomes of a dispute. `text` is the evidence, or a note.

    `stage` and `respond_by` (in its wire form) belong to an escalation; `fee` and `fee_to` (an id or a code) to a loss.
    """

    idempotency_key: str
    dispute_id: UUID
    verb: DisputeVerb
    text: str | None = None
    stage: DisputeStage | None = None
    respond_by: str | None = None
    fee: str | None = None
    fee_to: str | None = None
    is_fee_forced: bool = False
    is_fee_waived: bool = False
    """It costs nothing, whatever the house rules say."""

    @property
    def is_by_house_rules(self) -> bool:
        return self.verb is DisputeVerb.LOST and self.fee is None and not self.is_fee_waived


class _Fee(NamedTuple):
    """What losing costs, who gets it, and the version of the house rules that say so, if it is they."""

    money: Money
    earner: AccountName
    is_forced: bool
    house_rules: int | None = None
    unfit: CurrencyMismatch | None = None
    """Told by the books, whose word is kept under the key of the order."""


class Disputes:
    """`desk` opens disputes, `changes` does the rest; and they are read here."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        directory: AccountDirectory,
        currencies: Currencies,
        payments: KnownParties,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._unknown_keys = committer.unknown_keys
        known = KnownParties(database, in_a_work(parties_of_disputes), _no_such_dispute)
        self.desk: Submission[DisputeOrder, RecordedDispute] = Submission(
            OpeningKind(currencies, payments), committer, database, now
        )
        self.changes: Submission[DisputeChangeOrder, RecordedDispute] = Submission(
            ChangingKind(database, directory, currencies, known), committer, database, now
        )

    async def get(self, caller: Caller, dispute_id: UUID) -> RecordedDispute:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_dispute(connection, caller.ledger_id, dispute_id)
        if found is None:
            raise _no_such_dispute()
        return found

    async def lines_of(self, caller: Caller, dispute: RecordedDispute, key: str) -> Sequence[Line]:
        """What the step that left it so has posted, in order. It was done, whatever keeps it from being read now: that
        nothing was done is not said of its key, now or when it is asked for again."""
        try:
            async with self._database.work(caller.ledger_id) as connection:
                return await find_lines(connection, caller.ledger_id, dispute.step_id)
        except Unavailable as refusal:
            self._unknown_keys.add([(caller.ledger_id, key)])
            raise outcome_unknown() from refusal

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedDispute]:
        """Raises InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        payment = position.filters.get("payment")
        wanted = DisputeFilter(
            payment_id=None if payment is None else parse_id(Prefix.PAYMENT, payment),
            status=position.filters.get("status"),
        )
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_disputes(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda dispute: dispute.id)


class _Recorded:
    """What is shown of a dispute after something has become of it."""

    def view(self, posted: Posted, names: Names) -> RecordedDispute:  # noqa: ARG002 - no account is shown by its code
        change: DisputeChange = posted.resource
        return shown_dispute(change.dispute)

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedDispute]:
        return await find_answered_disputes(connection, ledger_id, ids)


class OpeningKind(_Recorded):
    """How a notice becomes a command. Whom the payment is between is known before: it never changes."""

    def __init__(self, currencies: Currencies, known: KnownParties) -> None:
        self._currencies = currencies
        self._known = known

    def command(
        self,
        caller: Caller,
        order: DisputeOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - a dispute opens no account
    ) -> Prepared:
        ledger_id = caller.ledger_id
        parties = self._known.known(ledger_id, order.payment_id, is_prepared=is_prepared)
        currency = self._currencies.known(ledger_id, parties.currency, is_prepared=is_prepared)
        money = None if order.amount is None else Money.parse(order.amount, currency)
        said = {
            "payment": str(order.payment_id),
            "amount": None if money is None else render_amount(money.amount),
            **order.texts._asdict(),
        }
        members = members_between(parties, caller, order.idempotency_key, fingerprint("dispute", said))
        command = commands.OpenDispute(
            **members, payment_id=PaymentId(order.payment_id), texts=order.texts, money=money
        )
        return Prepared(command, members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[DisputeOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.payment_id for order in orders})
        await self._currencies.load(caller.ledger_id, {parties.currency for parties in found})
        return NOTHING_IMAGINED


class ChangingKind(_Recorded):
    """How what becomes of a dispute becomes a command."""

    def __init__(
        self, database: Database, directory: AccountDirectory, currencies: Currencies, known: KnownParties
    ) -> None:
        self._database = database
        self._directory = directory
        self._currencies = currencies
        self._known = known
        self._rules: dict[UUID, HouseRules] = {}
        """As they were when an order was prepared, which each order by them is."""

    def command(
        self,
        caller: Caller,
        order: DisputeChangeOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - a dispute opens no account
    ) -> Prepared:
        parties = self._known.known(caller.ledger_id, order.dispute_id, is_prepared=is_prepared)
        if parties.payment_id is None:
            raise LookupError("a dispute of no payment")
        fee = self._fee(caller, order, parties, is_prepared=is_prepared)
        own = None if order.fee is None else fee
        said = {
            "dispute": str(order.dispute_id),
            "verb": order.verb,
            "text": order.text,
            "stage": order.stage,
            "respond_by": order.respond_by,
            "fee": None if own is None else render_amount(own.money.amount),
            "fee_to": order.fee_to,
            "fee_waived": "true" if order.is_fee_waived else None,
            "fee_force": "true" if order.is_fee_forced else None,
        }
        members = members_between(parties, caller, order.idempotency_key, fingerprint("dispute change", said))
        members |= {"payment_id": PaymentId(parties.payment_id), "dispute_id": DisputeId(order.dispute_id)}
        if fee is not None:
            members["codes"] = {**members["codes"], fee.earner.id: fee.earner.code}
        return Prepared(_change(order, members, fee), members["codes"])

    def _fee(self, caller: Caller, order: DisputeChangeOrder, parties: Parties, *, is_prepared: bool) -> _Fee | None:
        """Raises SameAccount besides what an amount and a name may be refused for."""
        if order.is_by_house_rules:
            return self._fee_by_rules(caller, parties, is_prepared=is_prepared)
        if order.fee is None or order.fee_to is None:
            return None
        currency = self._currencies.known(caller.ledger_id, parties.currency, is_prepared=is_prepared)
        money = Money.parse(order.fee, currency, pointer="/fee/amount")
        try:
            earner = self._directory.known(caller.ledger_id, order.fee_to, is_prepared=is_prepared, pointer="/fee/to")
        except AccountNotFound as missing:
            missing.detail += " A fee opens none, whatever the chart says: open it before, or with a first payment."
            raise
        if earner.id == parties.payee_id:
            raise SameAccount("Who was paid pays the fee, and does not get it.", pointer="/fee/to")
        unfit = None
        if earner.currency != parties.currency:
            unfit = CurrencyMismatch(
                f"The account {earner.code} holds {earner.currency}. {another_account_for(parties.currency)}",
                pointer="/fee/to",
                account=order.fee_to,
                account_id=earner.wire_id,
                account_code=earner.code,
            )
        return _Fee(money, earner, order.is_fee_forced, unfit=unfit)

    def _fee_by_rules(self, caller: Caller, parties: Parties, *, is_prepared: bool) -> _Fee | None:
        """Who was paid pays nothing to himself."""
        if not is_prepared:
            raise NotPrepared
        rules = self._rules[caller.ledger_id]
        rule = rules.dispute_fees.get(parties.currency)
        if rule is None or rule.account_id == parties.payee_id:
            return None
        currency = self._currencies.known(caller.ledger_id, parties.currency, is_prepared=True)
        name = render_id(Prefix.ACCOUNT, rule.account_id)
        earner = self._directory.known(caller.ledger_id, name, is_prepared=True, pointer="/fee")
        return _Fee(Money(rule.amount, currency), earner, rule.is_forced, rules.version)

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[DisputeChangeOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.dispute_id for order in orders})
        earners = {order.fee_to for order in orders if order.fee_to is not None}
        if any(order.is_by_house_rules for order in orders):
            earners |= await self._load_rules(caller)
        if earners:
            await self._currencies.load(caller.ledger_id, {parties.currency for parties in found})
            await self._directory.load(caller.ledger_id, earners)
        return NOTHING_IMAGINED

    async def _load_rules(self, caller: Caller) -> set[str]:
        """Who may get a fee by them."""
        async with self._database.work(caller.ledger_id) as connection:
            rules = await find_house_rules(connection, caller.ledger_id)
        self._rules.pop(caller.ledger_id, None)
        if len(self._rules) >= RULES_MAX:
            del self._rules[next(iter(self._rules))]
        self._rules[caller.ledger_id] = rules
        return {render_id(Prefix.ACCOUNT, fee.account_id) for fee in rules.dispute_fees.values()}


def _change(order: DisputeChangeOrder, members: Mapping[str, Any], fee: _Fee | None) -> commands.ChangeDispute:
    if order.verb is DisputeVerb.EVIDENCE_ADDED and order.text is not None:
        return commands.AddEvidence(**members, text=order.text)
    if order.verb is DisputeVerb.WON:
        return commands.WinDispute(**members, note=order.text)
    if order.verb is DisputeVerb.LOST:
        if fee is None:
            return commands.LoseDispute(**members, note=order.text)
        return commands.LoseDispute(
            **members,
            note=order.text,
            unfit_fee=fee.unfit,
            fee_called=order.fee_to,
            fee=fee.money,
            fee_account_id=fee.earner.id,
            is_forced=fee.is_forced,
            house_rules=fee.house_rules,
        )
    if order.verb is DisputeVerb.ESCALATED and order.stage is not None:
        return commands.EscalateDispute(**members, stage=order.stage, respond_by=order.respond_by, note=order.text)
    raise LookupError(f"nobody can ask for this to be done with a dispute: {order}")


def shown_dispute(dispute: Dispute) -> RecordedDispute:
    return RecordedDispute(
        id=dispute.id,
        payment_id=dispute.payment_id,
        status=dispute.status,
        amount=dispute.money.amount,
        currency=dispute.money.currency.code,
        payer_id=dispute.payer_id,
        payee_id=dispute.payee_id,
        texts=dispute.texts,
        note=dispute.note,
        evidence=dispute.evidence,
        entry_ids=dispute.entry_ids,
        created_at=dispute.created_at,
        stage=dispute.stage,
        fee=None if dispute.fee is None else dispute.fee.amount,
        fee_account_id=dispute.fee_account_id,
        fee_house_rules=dispute.fee_house_rules,
        step_id=dispute.last_change_id,
    )


def _no_such_dispute() -> DisputeNotFound:
    return DisputeNotFound("This ledger has no such dispute.")
