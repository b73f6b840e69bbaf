"""Use cases about holds: placing one, what is done with it later, and reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid, own_kind
from zerosum.db.queries.holds import HoldFilter, find_answered_holds, find_hold, list_holds
from zerosum.db.queries.holds import RecordedHold as RecordedHold  # shown by the routes
from zerosum.db.queries.parties import glance_at_holds, parties_of
from zerosum.domain.errors import AccountNotFound, HoldNotFound, ValidationFailed
from zerosum.domain.identifiers import AccountId, HoldId
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments import hold_commands as commands
from zerosum.domain.payments.holds import Hold, HoldChange, HoldVerb
from zerosum.domain.payments.payment import NO_TEXTS, PaymentTexts
from zerosum.domain.payments.split_commands import CaptureInParts
from zerosum.domain.payments.splits import AskedSplit
from zerosum.services.accounts import metadata_filters
from zerosum.services.charts import Charts, Wanted, known_or_imagined, opened_by
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared
from zerosum.services.judging import PaymentRules
from zerosum.services.judging_holds import HoldChangeJudge, HoldJudge
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, members_between
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.splits import Payee, SplitOrder, asked_splits, names_in, said_of


@dataclass(slots=True, kw_only=True)
class HoldOrder:
    """A request for a hold, in its wire form. `payer` and `payee` are ids or codes."""

    idempotency_key: str
    amount: str
    currency: str
    payer: str
    payee: str
    expires_at: datetime | None = None
    capture_max: str | None = None
    texts: PaymentTexts = NO_TEXTS
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class HoldChangeOrder:
    """What is to be done with a hold. `amount` and `is_final` belong to a capture, `expires_at` to an extension."""

    idempotency_key: str
    hold_id: UUID
    verb: HoldVerb
    amount: str | None = None
    is_final: bool = False
    expires_at: datetime | None = None
    splits: Sequence[SplitOrder] = ()
    """Of a capture: who gets a part of what is paid."""


class Holds:
    """`desk` places holds, `changes` does the rest; and they are read here."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
        rules: PaymentRules | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._cursors = cursors
        judge = None if rules is None else HoldJudge(rules)
        changes_judge = None if rules is None else HoldChangeJudge(rules, database)
        known = KnownParties(database, glance_at_holds, _no_such_hold)
        self.desk: ExpressSubmission[HoldOrder, RecordedHold] = ExpressSubmission(
            PlacingKind(charts, directory, currencies, known), committer, database, now, judge
        )
        self.changes: ExpressSubmission[HoldChangeOrder, RecordedHold] = ExpressSubmission(
            ChangingKind(charts, directory, currencies, known), committer, database, now, changes_judge
        )

    async def get(self, caller: Caller, hold_id: UUID) -> RecordedHold:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_hold(connection, caller.ledger_id, hold_id)
        if found is None:
            raise _no_such_hold()
        return found

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedHold]:
        """Raises InvalidParameter, AccountNotFound for an account that is named and not there."""
        position = self._cursors.position(caller.ledger_id, request)
        filters = position.filters
        account = await self._directory.find_filter(caller.ledger_id, filters)
        wanted = HoldFilter(
            account_id=None if account is None else account.id,
            status=filters.get("status"),
            currency=filters.get("currency"),
            reference=filters.get("reference"),
            metadata=metadata_filters(filters),
        )
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_holds(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda hold: hold.id)


class _Recorded:
    """What is shown of a hold after something was done with it."""

    def __init__(self, currencies: Currencies, known: KnownParties) -> None:
        self._currencies = currencies
        self._known = known

    def view(self, posted: Posted, names: Names) -> RecordedHold:
        change: HoldChange = posted.resource
        shown = shown_hold(change.hold, names)
        lines = posted.lines
        if lines:
            shown.lines = lines
            shown.account_versions = {line.account_id: line.account_version for line in lines}
        return shown

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedHold]:
        return await find_answered_holds(connection, ledger_id, ids)


class PlacingKind(_Recorded):
    """How an order for a hold becomes a command."""

    def __init__(
        self, charts: Charts, directory: AccountDirectory, currencies: Currencies, known: KnownParties
    ) -> None:
        super().__init__(currencies, known)
        self._charts = charts
        self._directory = directory

    def command(
        self,
        caller: Caller,
        order: HoldOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,
    ) -> Prepared:
        ledger_id = caller.ledger_id
        known = known_or_imagined(self._directory, imagined)
        currency = self._currencies.known(ledger_id, order.currency, is_prepared=is_prepared)
        money = Money.parse(order.amount, currency)
        capture_max = _capture_max(order, currency, money)
        try:
            payer = known(ledger_id, order.payer, is_prepared=is_prepared, pointer="/from")
        except AccountNotFound as missing:
            raise self._directory.all_missing(ledger_id, missing, [(order.payee, "/to")], imagined) from None
        payee = known(ledger_id, order.payee, is_prepared=is_prepared, pointer="/to")
        codes: dict[UUID, str] = {payer.id: payer.code, payee.id: payee.code}
        id_ = new_uuid()
        command = commands.PlaceHold(
            id=id_,
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=fingerprint(
                "hold",
                {
                    "amount": render_amount(money.amount),
                    "currency": order.currency,
                    "from": order.payer,
                    "to": order.payee,
                    "expires_at": order.expires_at,
                    "capture_max": None if capture_max is None else render_amount(capture_max),
                    **order.texts._asdict(),
                    "metadata": order.metadata,
                },
            ),
            actor=caller.actor,
            metadata=order.metadata,
            codes=codes,
            opens=opened_by((order.payer, order.payee), imagined),
            called=(order.payer, order.payee),
            hold_id=HoldId(id_),
            payer_id=payer.id,
            payee_id=payee.id,
            money=money,
            expires_at=order.expires_at,
            capture_max=capture_max,
            texts=order.texts,
        )
        return Prepared(command, codes)

    def view(self, posted: Posted, names: Names) -> RecordedHold:
        shown = super().view(posted, names)
        self._known.remember(posted.ledger_id, shown.id, parties_of(shown))
        return shown

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[HoldOrder],
        *,
        may_write: bool,
    ) -> Imagined:
        await self._currencies.load(caller.ledger_id, {order.currency for order in orders})
        named = [(name, order.currency) for order in orders for name in (order.payer, order.payee)]
        await self._directory.load(caller.ledger_id, {name for name, _ in named})
        return await self._charts.imagined(caller, named, may_write=may_write)


class ChangingKind(_Recorded):
    """How an order about a hold becomes a command. Whom it is between is known before: it never changes."""

    def __init__(
        self, charts: Charts, directory: AccountDirectory, currencies: Currencies, known: KnownParties
    ) -> None:
        super().__init__(currencies, known)
        self._charts = charts
        self._directory = directory

    def command(
        self,
        caller: Caller,
        order: HoldChangeOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,
    ) -> Prepared:
        ledger_id = caller.ledger_id
        parties = self._known.known(ledger_id, order.hold_id, is_prepared=is_prepared)
        currency = self._currencies.known(ledger_id, parties.currency, is_prepared=is_prepared)
        money = None if order.amount is None else Money.parse(order.amount, currency)
        asked: tuple[AskedSplit, ...] = ()
        codes: Mapping[UUID, str] = {}
        if order.splits:
            account = known_or_imagined(self._directory, imagined)
            asked, codes = asked_splits(
                order.splits,
                currency,
                AccountId(parties.payer_id),
                Payee(AccountId(parties.payee_id), parties.payee_code, parties.payee_code),
                lambda name, pointer: account(ledger_id, name, is_prepared=is_prepared, pointer=pointer),
            )
        members = members_between(parties, caller, order.idempotency_key, _change_fingerprint(order, money, asked))
        members["hold_id"] = HoldId(own_kind(order.hold_id))
        members["codes"] |= codes
        members["opens"] = opened_by([split.to for split in order.splits], imagined)
        return Prepared(_change(order, money, members, asked), members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[HoldChangeOrder],
        *,
        may_write: bool,
    ) -> Imagined:
        found = await self._known.load(caller.ledger_id, {order.hold_id for order in orders})
        await self._currencies.load(caller.ledger_id, {parties.currency for parties in found})
        await self._directory.load(caller.ledger_id, {name for order in orders for name in names_in(order.splits)})
        wanted = [one for order in orders for one in self._wanted(caller.ledger_id, order)]
        return await self._charts.imagined(caller, wanted, may_write=may_write) if wanted else NOTHING_IMAGINED

    def _wanted(self, ledger_id: UUID, order: HoldChangeOrder) -> Wanted:
        """Nothing of a hold that is not there, which `command` explains."""
        if not order.splits:
            return ()
        try:
            currency = self._known.known(ledger_id, order.hold_id, is_prepared=True).currency
        except HoldNotFound:
            return ()
        return [(split.to, currency) for split in order.splits]


def _change(
    order: HoldChangeOrder, money: Money | None, members: Mapping[str, Any], asked: tuple[AskedSplit, ...]
) -> commands.ChangeHold:
    if order.verb is HoldVerb.CAPTURED and asked:
        return CaptureInParts(**members, money=money, is_final=order.is_final, asked=asked)
    if order.verb is HoldVerb.CAPTURED:
        return commands.CaptureHold(**members, money=money, is_final=order.is_final)
    if order.verb is HoldVerb.VOIDED:
        return commands.VoidHold(**members)
    if order.verb is HoldVerb.INCREMENTED and money is not None:
        return commands.IncrementHold(**members, money=money)
    if order.verb is HoldVerb.EXTENDED and order.expires_at is not None:
        return commands.ExtendHold(**members, expires_at=order.expires_at)
    raise LookupError(f"nobody can ask for this to be done with a hold: {order}")


def _change_fingerprint(order: HoldChangeOrder, money: Money | None, asked: Sequence[AskedSplit]) -> bytes:
    return fingerprint(
        "hold change",
        {
            "hold": str(order.hold_id),
            "verb": order.verb,
            "amount": None if money is None else render_amount(money.amount),
            "final": "true" if order.is_final else None,
            "expires_at": order.expires_at,
            "splits": said_of(asked) or None,
        },
    )


def _capture_max(order: HoldOrder, currency: Currency, money: Money) -> Decimal | None:
    if order.capture_max is None:
        return None
    capture_max = Money.parse(order.capture_max, currency, pointer="/capture_max").amount
    if capture_max < money.amount:
        raise ValidationFailed("This is at least what is held.", pointer="/capture_max")
    return capture_max


def shown_hold(hold: Hold, names: Names) -> RecordedHold:
    return RecordedHold(
        id=hold.id,
        status=hold.status,
        amount=hold.money.amount,
        captured=hold.captured,
        capture_max=hold.capture_max,
        currency=hold.money.currency.code,
        payer_id=hold.payer_id,
        payer_code=names[hold.payer_id],
        payee_id=hold.payee_id,
        payee_code=names[hold.payee_id],
        texts=hold.texts,
        expires_at=hold.expires_at,
        created_at=hold.created_at,
        metadata=hold.metadata,
        entry_ids=hold.entry_ids,
        payment_ids=hold.payment_ids,
        house_rules=hold.house_rules,
    )


def _no_such_hold() -> HoldNotFound:
    return HoldNotFound("This ledger has no such hold.")
