"""Use cases about exchanges: selling one currency for another, and reading what was exchanged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.exchanges import RecordedExchange as RecordedExchange  # shown by the routes
from zerosum.db.queries.exchanges import find_exchanges, list_exchanges
from zerosum.domain.errors import ExchangeNotFound, ValidationFailed
from zerosum.domain.ledger.account import Account, AccountType
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Currency, Money, RoundingMode, parse_percent, parse_rate, render_amount, render_number
from zerosum.domain.payments.exchanges import (
    Conversion,
    Exchange,
    MakeExchange,
    Terms,
    convert,
    convert_back,
    exchange_code,
    margin_code,
    rounding_code,
)
from zerosum.domain.payments.payment import NO_TEXTS, PaymentTexts
from zerosum.services.accounts import Accounts
from zerosum.services.charts import Charts, known_or_imagined, opened_by
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest


@dataclass(slots=True, kw_only=True)
class ExchangeOrder:
    """A request for an exchange, in its wire form: `amount` of `currency` is sold, or `bought` of `bought_currency`."""

    idempotency_key: str
    payer: str
    payee: str
    amount: str | None
    currency: str
    bought_currency: str
    rate: str
    rate_source: str
    rate_at: datetime
    bought: str | None = None
    margin_percent: str | None = None
    rounding: RoundingMode = RoundingMode.HALF_EVEN
    texts: PaymentTexts = NO_TEXTS
    effective_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Exchanges:
    """`desk` takes orders; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        accounts: Accounts,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        closed_periods: ClosedPeriods,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cursors = cursors
        self.desk: Submission[ExchangeOrder, RecordedExchange] = Submission(
            ExchangeKind(accounts, charts, directory, currencies, closed_periods), committer, database, now
        )

    async def get(self, caller: Caller, exchange_id: UUID) -> RecordedExchange:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_exchanges(connection, caller.ledger_id, [exchange_id])
        if exchange_id not in found:
            raise ExchangeNotFound("This ledger has no such exchange.")
        return found[exchange_id]

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedExchange]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_exchanges(
                connection,
                caller.ledger_id,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda exchange: exchange.id)


class ExchangeKind:
    """How an order for an exchange becomes a command. What is bought follows from the order alone."""

    def __init__(
        self,
        accounts: Accounts,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        closed_periods: ClosedPeriods,
    ) -> None:
        self._accounts = accounts
        self._charts = charts
        self._directory = directory
        self._currencies = currencies
        self._closed_periods = closed_periods

    def command(
        self, caller: Caller, order: ExchangeOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        ledger_id = caller.ledger_id
        if order.currency == order.bought_currency:
            raise ValidationFailed("An exchange is between two currencies.", pointer="/to_currency")
        currency = self._currencies.known(ledger_id, order.currency, is_prepared=is_prepared)
        other = self._currencies.known(
            ledger_id, order.bought_currency, is_prepared=is_prepared, pointer="/to_currency"
        )
        terms = _terms(order)
        sold, conversion = _converted(order, terms, currency, other)
        bought = Money(conversion.bought, other)
        known = functools.partial(known_or_imagined(self._directory, imagined), ledger_id, is_prepared=is_prepared)
        own = [exchange_code(currency.code), exchange_code(other.code), margin_code(other.code)]
        if order.bought is not None:
            own.append(rounding_code(other.code))
        payer, payee = known(order.payer, pointer="/from"), known(order.payee, pointer="/to")
        positions = [known(code, pointer="") for code in own]
        codes: dict[UUID, str] = {account.id: account.code for account in (payer, payee, *positions)}
        command = MakeExchange(
            id=new_uuid(),
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=_fingerprint(order, sold, None if order.bought is None else bought, terms),
            actor=caller.actor,
            metadata=order.metadata,
            codes=codes,
            opens=opened_by((order.payer, order.payee, *own), imagined),
            called=_called(order, own, conversion),
            payer_id=payer.id,
            payee_id=payee.id,
            sold_id=positions[0].id,
            bought_id=positions[1].id,
            margin_id=positions[2].id,
            rounding_id=None if order.bought is None else positions[3].id,
            sold=sold,
            bought=bought,
            terms=terms,
            conversion=conversion,
            texts=order.texts,
            effective_at=order.effective_at,
            dating=self._closed_periods.dating(ledger_id, order.effective_at, None, is_prepared=is_prepared),
        )
        return Prepared(command, codes)

    async def prepare(self, caller: Caller, orders: Sequence[ExchangeOrder], *, may_write: bool) -> Imagined:
        """Load what is named. The exchange accounts of a currency are opened by its first use."""
        ledger_id = caller.ledger_id
        used = {code for order in orders for code in (order.currency, order.bought_currency)}
        await self._currencies.load(ledger_id, used)
        await self._closed_periods.load(ledger_id, [order.effective_at for order in orders])
        rounded_into = {order.bought_currency for order in orders if order.bought is not None}
        own = dict(self._own_accounts(caller, used, rounded_into))
        await self._directory.load(ledger_id, {name for order in orders for name in (order.payer, order.payee, *own)})
        lacking = [account for code, account in own.items() if self._directory.find_known(ledger_id, code) is None]
        if lacking and may_write:
            await self._accounts.check_quota(ledger_id, len(lacking))
        sold = [(order.payer, order.currency) for order in orders]
        bought = [(order.payee, order.bought_currency) for order in orders]
        imagined = await self._charts.imagined(caller, [*sold, *bought], may_write=may_write)
        imagined.update((account.code, account) for account in lacking)
        return imagined

    def _own_accounts(
        self, caller: Caller, codes: Iterable[str], rounded_into: Collection[str]
    ) -> Iterable[tuple[str, Account]]:
        """By code: what lies in them is ours or owed by us as the rates go, so positions are equity."""
        for code in codes:
            currency = self._currencies.find_known(caller.ledger_id, code)
            if currency is None:
                continue
            position, margin = exchange_code(code), margin_code(code)
            yield position, self._accounts.draft(caller, position, currency, AccountType.EQUITY, "Exchange position")
            yield margin, self._accounts.draft(caller, margin, currency, AccountType.REVENUE, "Exchange margin")
            if code in rounded_into:
                gain = rounding_code(code)
                yield gain, self._accounts.draft(caller, gain, currency, AccountType.REVENUE, "Exchange rounding")

    def view(self, posted: Posted, names: Names) -> RecordedExchange:
        made: Exchange = posted.resource
        entry = posted.entry
        return RecordedExchange(
            id=made.id,
            payer_id=made.payer_id,
            payer_code=names[made.payer_id],
            payee_id=made.payee_id,
            payee_code=names[made.payee_id],
            amount=made.sold.amount,
            currency=made.sold.currency.code,
            bought_currency=made.bought.currency.code,
            terms=made.terms,
            conversion=made.conversion,
            texts=made.texts,
            effective_at=entry.effective_at,
            created_at=entry.posted_at,
            metadata=entry.metadata,
            account_versions=entry.account_versions,
            late=entry.late,
            lines=entry.postings,
        )

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedExchange]:
        return await find_exchanges(connection, ledger_id, ids)


def _converted(order: ExchangeOrder, terms: Terms, currency: Currency, other: Currency) -> tuple[Money, Conversion]:
    if order.bought is not None:
        return convert_back(Money.parse(order.bought, other, pointer="/bought"), terms, currency)
    sold = Money.parse(order.amount or "", currency)
    return sold, convert(sold, terms, other)


def _called(order: ExchangeOrder, own: Sequence[str], conversion: Conversion) -> tuple[str, ...]:
    """In the order of the postings: what was earned has one where it is anything."""
    earned = [code for code, money in zip(own[2:], (conversion.margin, conversion.gain), strict=False) if money]
    return (order.payer, own[0], own[1], order.payee, *earned)


def _terms(order: ExchangeOrder) -> Terms:
    percent = order.margin_percent
    return Terms(
        rate=parse_rate(order.rate, pointer="/rate"),
        source=order.rate_source,
        rate_at=order.rate_at,
        margin_percent=None if percent is None else parse_percent(percent, pointer="/margin_percent"),
        rounding=order.rounding if order.bought is None else RoundingMode.UP,
    )


def _fingerprint(order: ExchangeOrder, sold: Money, bought: Money | None, terms: Terms) -> bytes:
    """`bought` is what was asked for, where that was said and not what is sold."""
    return fingerprint(
        "exchange",
        {
            "from": order.payer,
            "to": order.payee,
            "amount": render_amount(sold.amount) if bought is None else None,
            "bought": None if bought is None else render_amount(bought.amount),
            "currency": order.currency,
            "to_currency": order.bought_currency,
            "rate": render_number(terms.rate),
            "rate_source": terms.source,
            "rate_at": terms.rate_at,
            "margin_percent": None if terms.margin_percent is None else render_number(terms.margin_percent),
            "rounding": terms.rounding,
            **order.texts._asdict(),
            "effective_at": order.effective_at,
            "metadata": order.metadata,
        },
    )
