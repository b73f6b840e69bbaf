"""Use cases about clients: their transactions come by HTTP and from files, and all go through the committer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.clients import RecordedTransaction as RecordedTransaction  # shown by the routes
from zerosum.db.queries.clients import (
    TransactionFilter,
    find_answered,
    find_transaction,
    list_clients,
    list_transactions,
)
from zerosum.domain.errors import ClientNotFound, DomainError, TransactionNotFound, ValidationFailed
from zerosum.domain.ledger.account import Account, AccountType
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments.client_commands import CLIENT_COMMANDS, ClientChargeback, ClientCommand
from zerosum.domain.payments.clients import (
    ClientCommandType,
    ClientTransaction,
    client_code,
)
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, clearing_code
from zerosum.services.accounts import Accounts
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared
from zerosum.services.requests.account_directory import AccountDirectory, NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.client_currency import ClientCurrencies
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.times import parse_filter_time

MOVES_MONEY = (ClientCommandType.DEPOSIT, ClientCommandType.WITHDRAWAL)
"""These name an amount; the others take it from the deposit they speak of."""


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
        kind = _ClientKind(accounts, directory, ClientCurrencies(database, currencies, currency))
        self.desk: ExpressSubmission[ClientOrder, RecordedTransaction] = ExpressSubmission(
            kind, committer, database, now
        )

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
                after=position.after_as(UUID),
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
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda account: account.state.id)


class _ClientKind:
    """How a client's order becomes a command. Every well-formed order makes its client, even if it is refused."""

    def __init__(self, accounts: Accounts, directory: AccountDirectory, currencies: ClientCurrencies) -> None:
        self._accounts = accounts
        self._directory = directory
        self._currencies = currencies

    def command(
        self, caller: Caller, order: ClientOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        ledger_id, code = caller.ledger_id, client_code(order.client)
        if not is_prepared and self._currencies.known(ledger_id) is None:
            raise NotPrepared
        currency = self._currencies.expected(ledger_id)
        money = _money(order, currency)
        clearing = clearing_code(INTERNAL_PROCESSOR, currency.code)
        ids = []
        for wanted in (code, clearing):
            account = imagined.get(wanted)
            if account is not None:
                ids.append(account.state.id)
            else:
                ids.append(self._directory.known(ledger_id, wanted, is_prepared=is_prepared, pointer="/client").id)
        codes: dict[UUID, str] = {ids[0]: code, ids[1]: clearing}
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
        currency = await self._currencies.find(caller)
        clients = _well_formed(orders, currency)
        if not clients:
            return NOTHING_IMAGINED
        if may_write:
            currency = await self._begin(caller, clients[0])
            clients = _well_formed(orders, currency)
        ledger_id, clearing = caller.ledger_id, clearing_code(INTERNAL_PROCESSOR, currency.code)
        codes = [client_code(client) for client in clients]
        await self._directory.load(ledger_id, [*codes, clearing])
        drafts: list[Account] = []
        if self._directory.find_known(ledger_id, clearing) is None:
            name = f"Clearing of the processor {INTERNAL_PROCESSOR}"
            drafts.append(self._accounts.draft(caller, clearing, currency, AccountType.ASSET, name))
        new = [code for code in codes if self._directory.find_known(ledger_id, code) is None]
        drafts += [self._draft(caller, code, currency) for code in new]
        if not may_write:
            return {account.code: account for account in drafts}
        for account in await self._accounts.ensure(caller, drafts):
            self._directory.remember(ledger_id, account)
        return NOTHING_IMAGINED

    async def _begin(self, caller: Caller, client: int) -> Currency:
        """The ledger's currency, which its first client settles."""
        known = self._currencies.known(caller.ledger_id)
        if known is not None:
            return known

        async def open_first(connection: Connection, currency: Currency) -> None:
            draft = self._draft(caller, client_code(client), currency)
            await self._accounts.ensure_within(connection, [draft])

        return await self._currencies.begin(caller, open_first)

    def _draft(self, caller: Caller, code: str, currency: Currency) -> Account:
        floor = currency.scaled(Decimal(0))
        return self._accounts.draft(caller, code, currency, AccountType.LIABILITY, None, floor)

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


def _money(order: ClientOrder, currency: Currency) -> Money | None:
    """Raises what is wrong with the amount, where one is needed."""
    if order.type not in MOVES_MONEY:
        return None
    if order.amount is None:
        raise ValidationFailed(f"A {order.type.value} names an amount.", pointer="/amount")
    return Money.parse(order.amount, currency)


def _well_formed(orders: Sequence[ClientOrder], currency: Currency) -> list[int]:
    """The clients that are to be there, in order."""
    clients = set()
    for order in orders:
        with contextlib.suppress(DomainError):
            _money(order, currency)
            clients.add(order.client)
    return sorted(clients)


def _fingerprint(order: ClientOrder, money: Money | None) -> bytes:
    content: dict[str, object] = {"type": order.type, "client": str(order.client), "tx": str(order.tx)}
    if money is not None:
        content["amount"] = render_amount(money.amount)
    if order.refuse_negative_total:
        content["refuse_negative_total"] = "true"
    return fingerprint("client transaction", content)
