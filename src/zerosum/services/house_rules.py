"""Use cases about house rules: what holds and disputes are made under where their requests say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.house_rules import find_house_rules
from zerosum.domain.errors import CurrencyMismatch, DomainError, ValidationFailed
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.account_change import another_account_for
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Money, parse_percent
from zerosum.domain.payments.house_rules import ChangeHouseRules, FeeRule, HouseRules, house_rules_of
from zerosum.services.audit import log_record
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies


class OverAmount(NamedTuple):
    amount: str
    currency: str


class FeeOrder(NamedTuple):
    """`to` is an id or a code."""

    amount: str
    currency: str
    to: str
    is_forced: bool = False


@dataclass(slots=True, kw_only=True)
class HouseRulesOrder:
    """All of them, in their wire form."""

    idempotency_key: str
    over_percent: str | None = None
    over_amounts: Sequence[OverAmount] = field(default_factory=tuple)
    dispute_fees: Sequence[FeeOrder] = field(default_factory=tuple)


class HouseRulesBook:
    """Reads them, and puts others in their place."""

    def __init__(
        self, database: Database, committer: Committer, directory: AccountDirectory, currencies: Currencies
    ) -> None:
        self._database = database
        self._keys = KeyLookup(database, committer)
        self._directory = directory
        self._currencies = currencies

    async def get(self, caller: Caller) -> HouseRules:
        async with self._database.work(caller.ledger_id) as connection:
            return await find_house_rules(connection, caller.ledger_id)

    async def put(self, caller: Caller, order: HouseRulesOrder) -> Done[HouseRules]:
        """Raises what is wrong with them, IdempotencyKeyReused, and what the committer raises."""

        async def prepare() -> ChangeHouseRules:
            return self._command(caller, order, await self._rules(caller, order))

        answer = await self._keys.carry_out(caller.ledger_id, [order.idempotency_key], prepare)
        if isinstance(answer, Posted):
            for record in answer.told:
                log_record(record)
            return Done(answer.resource)
        if answer.content is None:
            raise key_reused()
        content = answer.content
        return Done(house_rules_of(caller.ledger_id, content, version=content["version"]), is_replay=True)

    @staticmethod
    def _command(caller: Caller, order: HouseRulesOrder, rules: HouseRules) -> ChangeHouseRules:
        return ChangeHouseRules(
            id=new_uuid(),
            ledger_id=caller.ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=fingerprint("house rules", rules.content),
            actor=caller.actor,
            address=caller.address,
            request_id=caller.request_id,
            rules=rules,
        )

    async def _rules(self, caller: Caller, order: HouseRulesOrder) -> HouseRules:
        percent = order.over_percent
        return HouseRules(
            ledger_id=caller.ledger_id,
            over_percent=None if percent is None else parse_percent(percent, pointer="/over_capture/percent"),
            over_amounts=await self._over_amounts(caller, order.over_amounts),
            dispute_fees=await self._dispute_fees(caller, order.dispute_fees),
        )

    async def _over_amounts(self, caller: Caller, orders: Sequence[OverAmount]) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for place, order in enumerate(orders):
            here = f"/over_capture/amounts/{place}"
            money = await self._money(caller, order.amount, order.currency, here)
            if order.currency in found:
                raise _named_twice(here)
            found[order.currency] = money.amount
        return found

    async def _dispute_fees(self, caller: Caller, orders: Sequence[FeeOrder]) -> dict[str, FeeRule]:
        found: dict[str, FeeRule] = {}
        for place, order in enumerate(orders):
            here = f"/dispute_fees/{place}"
            money = await self._money(caller, order.amount, order.currency, here)
            if order.currency in found:
                raise _named_twice(here)
            try:
                account = await self._directory.get(caller.ledger_id, order.to)
            except DomainError as refusal:
                raise refusal.at(f"{here}/to") from None
            if account.currency != order.currency:
                raise CurrencyMismatch(
                    f"The account {account.code} holds {account.currency}. {another_account_for(order.currency)}",
                    pointer=f"{here}/to",
                    account=order.to,
                )
            found[order.currency] = FeeRule(money.amount, AccountId(account.id), order.is_forced)
        return found

    async def _money(self, caller: Caller, amount: str, currency_code: str, here: str) -> Money:
        try:
            currency = await self._currencies.get(caller.ledger_id, currency_code)
        except DomainError as refusal:
            raise refusal.at(f"{here}/currency") from None
        return Money.parse(amount, currency, pointer=f"{here}/amount")


def _named_twice(here: str) -> ValidationFailed:
    return ValidationFailed("This currency is there already.", pointer=f"{here}/currency")
