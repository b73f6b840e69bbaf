"""Conditions: what a caller wants to be true of accounts, or else nothing is to be posted.

They are judged with the rows locked, and together with the entry: an account's version as it is before it, what is
available as it would be after it. Of an account that the entry does not touch both are what they are.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.errors import ConditionFailed, DomainError, VersionConflict
from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountState, render_limit
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import add, render_amount

CONDITIONS_MAX = 20

ENTRY_CONDITIONS = "entry_conditions"
"""Of which kind conditions are among the records, each known by the id of its entry."""


class Condition(NamedTuple):
    """About one account. `called` is how the caller has named it; what is None is not asked for."""

    account_id: AccountId
    called: str
    code: str
    available_at_least: Decimal | None = None
    available_at_most: Decimal | None = None
    expected_version: int | None = None

    @property
    def content(self) -> list[Any]:
        """As it is kept, and as the fingerprint of the order has it."""
        return [
            self.called,
            render_limit(self.available_at_least),
            render_limit(self.available_at_most),
            self.expected_version,
        ]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Those of one command. `ordered` is the fingerprint of its order without them: so they can be proved later."""

    items: tuple[Condition, ...]
    ordered: bytes

    @property
    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple([condition.account_id for condition in self.items])

    @property
    def content(self) -> list[list[Any]]:
        return [condition.content for condition in self.items]


@dataclass(frozen=True, slots=True)
class EntryConditions:
    """What an entry was posted under, kept beside it."""

    id: UUID
    conditions: Conditions


def kept(ledger_id: LedgerId, entry_id: UUID, conditions: Conditions) -> tuple[RecordKey, EntryConditions]:
    return RecordKey(ledger_id, ENTRY_CONDITIONS, entry_id), EntryConditions(entry_id, conditions)


def failed(
    conditions: Sequence[Condition],
    accounts: dict[UUID, AccountState],
    growth: dict[UUID, Decimal],
    unknown: Container[UUID],
) -> Iterator[DomainError]:
    """What of it is not so, in order. `growth` is what the entry adds to what is available.

    Of accounts in `unknown` nobody knows what would be available: the entry names another currency.
    """
    for place, condition in enumerate(conditions):
        account = accounts.get(condition.account_id)
        if account is not None:
            known = None if account.id in unknown else growth.get(account.id, Decimal())
            yield from _failed(condition, account, known, f"/conditions/{place}")


def _failed(condition: Condition, account: AccountState, growth: Decimal | None, pointer: str) -> Iterator[DomainError]:
    named = {
        "account": condition.called,
        "account_id": render_id(Prefix.ACCOUNT, account.id),
        "account_code": condition.code,
    }
    if condition.expected_version is not None and condition.expected_version != account.version:
        yield VersionConflict(
            "The account has another version than expected.",
            pointer=f"{pointer}/expected_version",
            **named,
            expected_version=condition.expected_version,
            version=account.version,
        )
    if growth is None:
        return
    available = account.available
    after = add(available, growth)
    seen = {
        "currency": account.currency,
        "available": render_amount(available),
        "available_after": render_amount(after),
    }
    least, most = condition.available_at_least, condition.available_at_most
    if least is not None and after < least:
        yield ConditionFailed(
            "The account would have less available than it is to have.",
            pointer=f"{pointer}/available_at_least",
            **named,
            **seen,
            available_at_least=render_amount(least),
        )
    if most is not None and after > most:
        yield ConditionFailed(
            "The account would have more available than it is to have.",
            pointer=f"{pointer}/available_at_most",
            **named,
            **seen,
            available_at_most=render_amount(most),
        )
