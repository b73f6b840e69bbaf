"""The conditions of an order: from their wire form to what a Book judges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import orjson

from zerosum.domain.ledger.conditions import Condition, Conditions
from zerosum.domain.money import Currency, parse_signed_amount
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.currencies import Currencies

_TAG = b"zerosum.conditions.v1 "


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionOrder:
    """`account` is an id or a code; the amounts are in its currency."""

    account: str
    available_at_least: str | None = None
    available_at_most: str | None = None
    expected_version: int | None = None


class ConditionReader:
    def __init__(self, directory: AccountDirectory, currencies: Currencies) -> None:
        self._directory = directory
        self._currencies = currencies

    async def load(self, ledger_id: UUID, orders: Iterable[ConditionOrder]) -> None:
        """What they name, and what it counts in."""
        names = {order.account for order in orders}
        if not names:
            return
        await self._directory.load(ledger_id, names)
        found = [self._directory.find_known(ledger_id, name) for name in names]
        await self._currencies.load(ledger_id, {name.currency for name in found if name is not None})

    def read(
        self, ledger_id: UUID, orders: Sequence[ConditionOrder], ordered: bytes, *, is_prepared: bool
    ) -> Conditions:
        """`ordered` is the fingerprint of the order without them. Raises as the directory does, InvalidAmount."""
        items = [
            self._condition(ledger_id, order, f"/conditions/{place}", is_prepared=is_prepared)
            for place, order in enumerate(orders)
        ]
        return Conditions(tuple(items), ordered)

    def _condition(self, ledger_id: UUID, order: ConditionOrder, here: str, *, is_prepared: bool) -> Condition:
        name = self._directory.known(ledger_id, order.account, is_prepared=is_prepared, pointer=f"{here}/account")
        currency = self._currencies.known(ledger_id, name.currency, is_prepared=is_prepared)
        return Condition(
            name.id,
            order.account,
            name.code,
            _amount(order.available_at_least, currency, f"{here}/available_at_least"),
            _amount(order.available_at_most, currency, f"{here}/available_at_most"),
            order.expected_version,
        )


def _amount(text: str | None, currency: Currency, pointer: str) -> Decimal | None:
    return None if text is None else parse_signed_amount(text, currency, pointer=pointer)


def fingerprint_with(conditions: Conditions) -> bytes:
    """Of the whole order. The same without its conditions is another request."""
    return sha256(_TAG + conditions.ordered + orjson.dumps(conditions.content)).digest()
