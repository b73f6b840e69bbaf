"""What a ledger counts its clients in: the currency it began with, whatever the setting says since.

A ledger begins with its first client. Until then the setting says what it will be; from then on the account of that
client does, to every process and after every restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.clients import find_client_currency
from zerosum.domain.errors import CurrencyExists
from zerosum.domain.money import Currency, CurrencyTable
from zerosum.domain.payments.clients import CLIENT_CURRENCY
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies

REMEMBERED_MAX = 10_000
"""Ledgers whose currency is kept in memory. It never changes, so nothing goes stale."""

_ISO = CurrencyTable()


def client_currency(code: str) -> Currency:
    """What clients are counted in: an ISO currency with its places, or a code of the ledger's own with four."""
    return _ISO.find(code) or Currency(code, CLIENT_CURRENCY.exponent, CLIENT_CURRENCY.name)


class ClientCurrencies:
    def __init__(self, database: Database, currencies: Currencies, at_first: Currency) -> None:
        """`at_first` is what a ledger begins with."""
        self._database = database
        self._currencies = currencies
        self._at_first = at_first
        self._begun: dict[UUID, Currency] = {}

    def known(self, ledger_id: UUID) -> Currency | None:
        """Without asking the database: that of a ledger which is known to have begun."""
        return self._begun.get(ledger_id)

    def expected(self, ledger_id: UUID) -> Currency:
        """What a ledger that was looked at has begun with, or would begin with now."""
        return self._begun.get(ledger_id, self._at_first)

    async def find(self, caller: Caller) -> Currency:
        """What the ledger has begun with, or would begin with now. Raises CurrencyExists where that cannot be."""
        known = self._begun.get(caller.ledger_id)
        if known is not None:
            return known
        async with self._database.work(caller.ledger_id) as connection:
            code = await find_client_currency(connection, caller.ledger_id)
        if code is not None:
            return await self._remember(caller.ledger_id, code)
        await self._currencies.load(caller.ledger_id, [self._at_first.code])
        return _checked(self._currencies.find_known(caller.ledger_id, self._at_first.code) or self._at_first)

    async def begin(self, caller: Caller, open_first: Callable[[Connection, Currency], Awaitable[None]]) -> Currency:
        """Let the ledger begin, unless it has. Only one process opens the first client, so there is one currency.

        Raises CurrencyExists where the ledger has defined the currency with other places than clients have.
        """
        wanted = await self.find(caller)
        known = self.known(caller.ledger_id)
        if known is not None:
            return known  # Another request may have learned it while this one looked and found nothing.
        await self._currencies.define(caller, wanted.code, wanted.exponent, wanted.name)
        async with self._database.work(caller.ledger_id) as connection:
            await lock_until_commit(connection, f"clients of {caller.ledger_id}")
            code = await find_client_currency(connection, caller.ledger_id)
            if code is None:
                await open_first(connection, wanted)
        return await self._remember(caller.ledger_id, code or wanted.code)

    async def _remember(self, ledger_id: UUID, code: str) -> Currency:
        currency = _checked(await self._currencies.get(ledger_id, code))
        if len(self._begun) >= REMEMBERED_MAX:
            del self._begun[next(iter(self._begun))]
        self._begun[ledger_id] = currency
        return currency


def _checked(currency: Currency) -> Currency:
    """The same from every process, whatever it has met before. Raises CurrencyExists."""
    if _ISO.find(currency.code) is None and currency.exponent != CLIENT_CURRENCY.exponent:
        raise CurrencyExists(
            f"Clients are counted with {CLIENT_CURRENCY.exponent} places; the ledger has defined their currency with "
            "others.",
            currency=currency.code,
            places=currency.exponent,
        )
    return currency
