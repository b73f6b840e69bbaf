"""Use cases about clients: their transactions come by HTTP and from files, and all go through the committer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.accounts import find_account
from zerosum.db.clients import RecordedTransaction as RecordedTransaction  # shown by the routes
from zerosum.db.clients import TransactionFilter, find_answered, find_transaction, list_clients, list_transactions
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import ClientNotFound, DomainError, TransactionNotFound, ValidationFailed
from zerosum.domain.ledger.account import Account, AccountType
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Currency, CurrencyTable, Money, render_amount
from zerosum.domain.payments.client_commands import CLIENT_COMMANDS, ClientChargeback, ClientCommand
from zerosum.domain.payments.clients import (
    CLIENT_CURRENCY,
    ClientCommandType,
    ClientTransaction,
    client_code,
)
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, clearing_code
from zerosum.services.account_directory import AccountDirectory
from zerosum.services.accounts import Accounts
from zerosum.services.caller import Caller
from zerosum.services.committer import Committer
from zerosum.services.currencies import Currencies
from zerosum.services.desk import NOTHING_IMAGINED, Desk, Imagined, Names, Prepared
from zerosum.services.fingerprint import fingerprint
from zerosum.services.paging import Cursors, Page, PageRequest
from zerosum.services.times import parse_filter_time

MOVES_MONEY = (ClientCommandType.DEPOSIT, ClientCommandType.WITHDRAWAL)
"""These name an amount; the others take it from the deposit they speak of."""


def client_currency(code: str) -> Currency:
    """What clients are counted in: an ISO currency with its places, or a code of the ledger's own with four."""
    return CurrencyTable().find(code) or Currency(code, CLIENT_CURRENCY.exponent, CLIENT_CURRENCY.name)


@dataclass(slots=True, kw_only=True)
class ClientOrder:
    """A command of a client, in its wire form."""

    idempotency_key: str
    type: ClientCommandType
    client: int
    tx: int
    amount: str | None = None
    refuse_negative_total: bool = False


class Clients:
    """`desk` takes orders; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        accounts: Accounts,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
        currency: Currency,
    ) -> None:
        self._database = database
        self._cursors = cursors
        kind = _ClientKind(accounts, directory, currencies, currency)
        self.desk: Desk[ClientOrder, RecordedTransaction] = Desk(kind, committer, database, now)

    async def transaction(self, caller: Caller, tx: int) -> RecordedTransaction:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_transaction(connection, caller.ledger_id, tx)
        if found is None:
            raise TransactionNotFound("Nothing was carried out under this tx id.")
        return found

    async def transactions(self, caller: Caller, client: int, request: PageRequest) -> Page[RecordedTransaction]:
        """Raises ClientNotFound."""
        await self.client(caller, client)
        position = self._cursors.position(caller.ledger_id, request)
        wanted = TransactionFilter(
            type=position.filters.get("type"),
            status=position.filters.get("status"),
            effective_from=parse_filter_time(position.filters, "effective_from"),
            effective_to=parse_filter_time(position.filters, "effective_to"),
        )
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_transactions(
                connection,
                caller.ledger_id,
                client,
                wanted,
                after=UUID(position.after) if position.after else None,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda one: one.entry_id)

    async def client(self, caller: Caller, client: int) -> Account:
        """The client's account: total is what is posted, and whoever is locked is frozen."""
        async with self._database.work(caller.ledger_id) as connection:
            account = await find_account(connection, caller.ledger_id, id_=None, code=client_code(client))
        if account is None:
            raise ClientNotFound("This ledger has no such client.")
        return account

    async def list(self, caller: Caller, request: PageRequest) -> Page[Account]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_clients(
                connection,
                caller.ledger_id,
                after=UUID(position.after) if position.after else None,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda account: account.state.id)


class _ClientKind:
    """How a client's order becomes a command. Every well-formed order makes its client, even if it is refused."""

    def __init__(
        self, accounts: Accounts, directory: AccountDirectory, currencies: Currencies, currency: Currency
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._currencies = currencies
        self._currency = currency
        self._clearing = clearing_code(INTERNAL_PROCESSOR, currency.code)

    def command(
        self, caller: Caller, order: ClientOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        money = self._money(order)
        ledger_id, code = caller.ledger_id, client_code(order.client)
        ids = []
        for wanted in (code, self._clearing):
            account = imagined.get(wanted)
            if account is not None:
                ids.append(account.state.id)
            else:
                ids.append(self._directory.known(ledger_id, wanted, is_prepared=is_prepared, pointer="/client").id)
        codes: dict[UUID, str] = {ids[0]: code, ids[1]: self._clearing}
        extras: dict[str, Any] = {} if money is None else {"money": money}
        cls = CLIENT_COMMANDS[order.type]
        if cls is ClientChargeback:
            extras["refuse_negative_total"] = order.refuse_negative_total
        command: ClientCommand = cls(
            id=new_uuid(),
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=_fingerprint(order, money),
            actor=caller.actor,
            codes=codes,
            client=order.client,
            tx=order.tx,
            client_id=ids[0],
            clearing_id=ids[1],
            **extras,
        )
        return Prepared(command, codes)

    async def prepare(self, caller: Caller, orders: Sequence[ClientOrder], *, may_write: bool) -> Imagined:
        """Load the clients, and make those that are new; and their currency and clearing account on first use."""
        clients = sorted({order.client for order in orders if self._is_well_formed(order)})
        ledger_id = caller.ledger_id
        codes = [client_code(client) for client in clients]
        if not clients:
            return NOTHING_IMAGINED
        await self._directory.load(ledger_id, [*codes, self._clearing])
        drafts: list[Account] = []
        if self._directory.find_known(ledger_id, self._clearing) is None:
            name = f"Clearing of the processor {INTERNAL_PROCESSOR}"
            drafts.append(self._accounts.draft(caller, self._clearing, self._currency, AccountType.ASSET, name))
            if may_write and self._currencies.find_known(ledger_id, self._currency.code) is None:
                currency = self._currency
                await self._currencies.define(caller, currency.code, currency.exponent, currency.name)
        new = [code for code in codes if self._directory.find_known(ledger_id, code) is None]
        floor = self._currency.scaled(Decimal(0))
        drafts += [
            self._accounts.draft(caller, code, self._currency, AccountType.LIABILITY, None, floor) for code in new
        ]
        if not may_write:
            return {account.code: account for account in drafts}
        for account in await self._accounts.ensure(caller, drafts):
            self._directory.remember(ledger_id, account)
        return NOTHING_IMAGINED

    def view(self, posted: Posted, names: Names) -> RecordedTransaction:  # noqa: ARG002 - no account is shown
        transaction: ClientTransaction = posted.resource
        return RecordedTransaction(
            tx=transaction.tx,
            client=transaction.client,
            type=transaction.type,
            amount=transaction.money.amount,
            currency=transaction.money.currency.code,
            status=transaction.status,
            entry_id=posted.entry.id,
            posted_at=posted.entry.posted_at,
            account_versions=posted.entry.account_versions,
        )

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedTransaction]:
        return await find_answered(connection, ledger_id, ids)

    def _money(self, order: ClientOrder) -> Money | None:
        """Raises what is wrong with the amount, where one is needed."""
        if order.type not in MOVES_MONEY:
            return None
        if order.amount is None:
            raise ValidationFailed(f"A {order.type.value} names an amount.", pointer="/amount")
        return Money.parse(order.amount, self._currency)

    def _is_well_formed(self, order: ClientOrder) -> bool:
        try:
            self._money(order)
        except DomainError:
            return False
        return True


def _fingerprint(order: ClientOrder, money: Money | None) -> bytes:
    content: dict[str, object] = {"type": order.type, "client": str(order.client), "tx": str(order.tx)}
    if money is not None:
        content["amount"] = render_amount(money.amount)
    if order.refuse_negative_total:
        content["refuse_negative_total"] = "true"
    return fingerprint("client transaction", content)
