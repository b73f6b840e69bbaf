"""Use cases that open and change accounts: commands that go through the committer, like payments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import QuotaExceeded
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger import account_commands as commands
from zerosum.domain.ledger.account import Account, render_limit
from zerosum.domain.ledger.account_commands import UNCHANGED as UNCHANGED  # what an order leaves alone
from zerosum.domain.ledger.account_commands import AccountCommand
from zerosum.domain.ledger.account_content import account_of_content, velocity_content
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import parse_signed_amount
from zerosum.domain.payments import closing
from zerosum.domain.payments.clients import CLIENT_CHARGEBACK, CLIENT_CODE_PATTERN
from zerosum.services.accounts import Accounts, OpenAccount
from zerosum.services.audit import log_record
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.requests.account_directory import AccountDirectory, parse_account_reference
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.velocity_limits import VelocityLimitOrder, velocity_limits

_CLIENT_CODE = re.compile(CLIENT_CODE_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount:
    """Limits are in their wire form."""

    account: str
    name: str | None = field(default=UNCHANGED)
    min_available: str | None = field(default=UNCHANGED)
    max_available: str | None = field(default=UNCHANGED)
    velocity_limits: Sequence[VelocityLimitOrder] = field(default=UNCHANGED)
    metadata: Mapping[str, str] = field(default=UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeAccount:
    account: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeAccount:
    """`reopen` says that a client who was locked by a chargeback is meant to be opened again."""

    account: str
    reason: str | None = None
    reopen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount:
    account: str
    reason: str | None = None


LIMITS = ("min_available", "max_available")

AccountOrder = OpenAccount | ChangeAccount | FreezeAccount | UnfreezeAccount | CloseAccount


class AccountAdministration:
    """Each order may bear a key, under which its answer is kept as it was given; without one it is kept nowhere."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        accounts: Accounts,
        directory: AccountDirectory,
        currencies: Currencies,
    ) -> None:
        self._keys = KeyLookup(database, committer)
        self._committer = committer
        self._accounts = accounts
        self._directory = directory
        self._currencies = currencies

    async def carry_out(self, caller: Caller, order: AccountOrder, key: str | None = None) -> Done[Account]:
        """Raises the refusal, IdempotencyKeyReused, and what the committer raises."""
        keys = [] if key is None else [key]
        answer = await self._keys.carry_out(caller.ledger_id, keys, lambda: self._command(caller, order, key))
        if isinstance(answer, Posted):
            account: Account = answer.resource
            if isinstance(order, OpenAccount):
                self._directory.remember(caller.ledger_id, account)
            for record in answer.told:
                log_record(record)
            return Done(account)
        if answer.content is None:
            raise key_reused()
        return Done(account_of_content(caller.ledger_id, answer.content), is_replay=True)

    async def _command(self, caller: Caller, order: AccountOrder, key: str | None) -> AccountCommand:
        id_ = new_uuid()
        carried: dict[str, Any] = {
            "id": id_,
            "ledger_id": caller.ledger_id,
            "idempotency_key": key or f"none-{id_}",
            "is_remembered": key is not None,
            "actor": caller.actor,
            "address": caller.address,
            "request_id": caller.request_id,
        }
        if isinstance(order, OpenAccount):
            return await self._opening(caller, order, key, carried)
        parse_account_reference(order.account)
        name = await self._directory.get(caller.ledger_id, order.account)
        carried["account_id"] = name.id
        if isinstance(order, ChangeAccount):
            return await self._changing(caller, order, name.currency, carried)
        carried |= {"fingerprint": order_fingerprint(order), "reason": order.reason}
        if isinstance(order, FreezeAccount):
            return commands.FreezeAccount(**carried)
        if isinstance(order, CloseAccount):
            return closing.CloseAccount(**carried)
        client = name.code.partition(":")[2] if _CLIENT_CODE.match(name.code) else None
        chargeback = None if client is None else RecordKey(caller.ledger_id, CLIENT_CHARGEBACK, client)
        return commands.UnfreezeAccount(**carried, chargeback=chargeback, reopens=order.reopen)

    async def _opening(
        self, caller: Caller, order: OpenAccount, key: str | None, carried: dict[str, Any]
    ) -> commands.OpenAccount:
        account = await self._accounts.requested(caller, order)
        try:
            await self._accounts.check_quota(caller.ledger_id, 1)
        except QuotaExceeded:
            if key is None or not await self._keys.used(caller.ledger_id, [key]):
                raise  # What was opened under this key before counts in the quota already.
        opened = AccountId(account.state.id)
        limits: dict[str, Any] = {name: render_limit(getattr(account.state, name)) for name in LIMITS}
        if order.velocity_limits is not UNCHANGED:
            limits["velocity_limits"] = velocity_content(account.state)
        carried |= {"id": opened, "fingerprint": order_fingerprint(replace(order, **limits))}
        return commands.OpenAccount(**carried, account_id=opened, account=account)

    async def _changing(
        self, caller: Caller, order: ChangeAccount, currency_code: str, carried: dict[str, Any]
    ) -> commands.ChangeAccount:
        currency = await self._currencies.get(caller.ledger_id, currency_code)
        given = {name: getattr(order, name) for name in LIMITS if getattr(order, name) is not UNCHANGED}
        limits: dict[str, Any] = {
            name: text if text is None else parse_signed_amount(text, currency, pointer=f"/{name}")
            for name, text in given.items()
        }
        written: dict[str, Any] = {name: render_limit(limit) for name, limit in limits.items()}
        if order.velocity_limits is not UNCHANGED:
            velocity = velocity_limits(order.velocity_limits, currency)
            limits["velocity_limits"], written["velocity_limits"] = velocity, [limit.content for limit in velocity]
        carried["fingerprint"] = order_fingerprint(replace(order, **written))
        return commands.ChangeAccount(**carried, **limits, name=order.name, new_metadata=order.metadata)


def order_fingerprint(order: AccountOrder) -> bytes:
    """Over every member that is given: null is another wish than a member that is not there.

    Its limits are amounts with the places of their currency, however many the caller has written.
    """
    given = {one.name: [getattr(order, one.name)] for one in fields(order) if getattr(order, one.name) is not UNCHANGED}
    return fingerprint(type(order).__name__, given)
