"""The currencies a ledger counts in: ISO 4217, and what it has defined for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.ledgers import find_currency, insert_currency, list_currencies
from zerosum.domain.errors import CurrencyExists, InvalidCurrency
from zerosum.domain.money import Currency, CurrencyTable
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller

REMEMBERED_MAX = 10_000
"""Custom currencies kept in memory over all ledgers. A currency never changes, so nothing goes stale."""

_ISO = CurrencyTable()

Tell = Callable[[Connection, Caller, Currency], Awaitable[None]]
"""Tells of one that is new, in the unit of work that makes it."""


class Currencies:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._custom: dict[tuple[UUID, str], Currency] = {}

    def find_known(self, ledger_id: UUID, code: str) -> Currency | None:
        """Without asking the database: what is in ISO 4217 or was met before."""
        return _ISO.find(code) or self._custom.get((ledger_id, code))

    def is_custom(self, ledger_id: UUID, code: str) -> bool:
        return _ISO.find(code) is None and (ledger_id, code) in self._custom

    def known(self, ledger_id: UUID, code: str, *, is_prepared: bool, pointer: str = "/currency") -> Currency:
        """What a request names, once it was loaded. Raises NotPrepared before that, then InvalidCurrency."""
        found = self.find_known(ledger_id, code)
        if found is not None:
            return found
        if not is_prepared:
            raise NotPrepared
        raise _unknown_currency().at(pointer)

    async def load(self, ledger_id: UUID, codes: Iterable[str]) -> None:
        """Remember these, as far as the ledger knows them."""
        for code in codes:
            with contextlib.suppress(InvalidCurrency):
                await self.get(ledger_id, code)

    async def get(self, ledger_id: UUID, code: str) -> Currency:
        """Raises InvalidCurrency."""
        known = self.find_known(ledger_id, code)
        if known is not None:
            return known
        if isinstance(code, str) and "\0" not in code:
            async with self._database.work(ledger_id) as connection:
                found = await find_currency(connection, ledger_id, code)
            if found is not None:
                self._remember(ledger_id, found)
                return found
        raise _unknown_currency()

    async def define(self, caller: Caller, code: str, exponent: int, name: str, tell: Tell | None = None) -> Currency:
        """Idempotent: the same code with the same places is fine; a new one is told of in the same unit of work.

        Raises CurrencyExists, InvalidCurrency.
        """
        wanted = Currency(code, exponent, name)
        _ISO.check_definable(wanted)
        if _ISO.find(code) is not None:
            return _ISO[code]
        async with self._database.work(caller.ledger_id) as connection:
            is_new = await find_currency(connection, caller.ledger_id, code) is None
            stored = await insert_currency(connection, caller.ledger_id, wanted, self._now())
            if is_new and tell is not None:
                await tell(connection, caller, stored)
        if stored.exponent != exponent:
            raise CurrencyExists(
                "The currency exists with another number of places.", currency=code, places=stored.exponent
            )
        self._remember(caller.ledger_id, stored)
        return stored

    async def table(self, caller: Caller) -> CurrencyTable:
        async with self._database.work(caller.ledger_id) as connection:
            return CurrencyTable(await list_currencies(connection, caller.ledger_id))

    def _remember(self, ledger_id: UUID, currency: Currency) -> None:
        if len(self._custom) >= REMEMBERED_MAX:
            del self._custom[next(iter(self._custom))]
        self._custom[ledger_id, currency.code] = currency


def _unknown_currency() -> InvalidCurrency:
    return InvalidCurrency("The currency is neither in ISO 4217 nor defined in this ledger.", pointer="/currency")
