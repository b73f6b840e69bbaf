"""Use cases about accounts, but for what callers change of them (`account_administration.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.accounts import (
    AccountFilter,
    find_account,
    find_accounts,
    insert_account,
    insert_accounts,
    list_accounts,
    lock_account,
    name_actor,
    update_account,
)
from zerosum.db.queries.events import NewEvent, insert_events
from zerosum.db.queries.inspection import count_accounts
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import AccountExists, AccountNotFound, CodeReserved
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, Prefix, is_reserved_code, render_id
from zerosum.domain.ledger.account import (
    Account,
    AccountState,
    AccountStatus,
    AccountType,
    status_after_freeze,
    with_limits,
)
from zerosum.domain.ledger.account_commands import UNCHANGED
from zerosum.domain.ledger.account_content import account_facts
from zerosum.domain.ledger.chain import genesis
from zerosum.domain.ledger.velocity import VelocityLimit
from zerosum.domain.money import Currency, parse_signed_amount
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.account_directory import AccountDirectory, parse_account_reference
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.quotas import CountedQuota
from zerosum.services.requests.velocity_limits import VelocityLimitOrder, velocity_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """A request for a new account. Limits are in their wire form; a floor of None means that there is none."""

    code: str
    currency: str
    type: AccountType
    name: str | None
    min_available: str | None
    max_available: str | None
    metadata: Mapping[str, str]
    velocity_limits: Sequence[VelocityLimitOrder] = UNCHANGED
    """Left alone where there are none, as in orders from before there were any: their keys are known by that."""


class Accounts:
    def __init__(
        self,
        database: Database,
        currencies: Currencies,
        directory: AccountDirectory,
        cursors: Cursors,
        now: Callable[[], datetime],
        quota: CountedQuota | None = None,
    ) -> None:
        self._quota = quota
        self._database = database
        self._currencies = currencies
        self._directory = directory
        self._cursors = cursors
        self._now = now

    async def open(self, caller: Caller, request: OpenAccount) -> Account:
        """For a process without a committer (`account_administration.py` for all others).

        Raises AccountExists, CodeReserved, InvalidCurrency, QuotaExceeded, and what is wrong with the limits.

        The floor may lie above the nothing that is in the account, as a minimum balance does.
        """
        account = await self.requested(caller, request)
        async with self._database.work(caller.ledger_id) as connection:
            await self._check_quota(connection, caller.ledger_id, 1)
            await name_actor(connection, caller.actor)
            if not await insert_account(connection, account):
                raise AccountExists("The ledger has an account of this code.", pointer="/code")
            await self._announce(connection, account, EventType.ACCOUNT_OPENED)
        self._directory.remember(caller.ledger_id, account)
        return account

    async def requested(self, caller: Caller, request: OpenAccount) -> Account:
        """The account as it would be opened now. Raises CodeReserved, InvalidCurrency, what is wrong with limits."""
        if is_reserved_code(request.code):
            raise CodeReserved("Accounts whose codes begin so are opened by the service alone.", pointer="/code")
        currency = await self._currencies.get(caller.ledger_id, request.currency)
        floor = _limit(request.min_available, currency, "/min_available")
        ceiling = _limit(request.max_available, currency, "/max_available")
        velocity: tuple[VelocityLimit, ...] = ()
        if request.velocity_limits is not UNCHANGED:
            velocity = velocity_limits(request.velocity_limits, currency)
        drafted = self.draft(caller, request.code, currency, request.type, request.name, floor, ceiling, velocity)
        return replace(drafted, metadata=request.metadata)

    def draft(
        self,
        caller: Caller,
        code: str,
        currency: Currency,
        type_: AccountType,
        name: str | None,
        floor: Decimal | None = None,
        ceiling: Decimal | None = None,
        velocity: tuple[VelocityLimit, ...] = (),
    ) -> Account:
        """An account as it would be opened now."""
        return Account(
            code=code,
            name=name,
            type=type_,
            metadata={},
            created_at=self._now(),
            state=replace(with_limits(new_account_state(caller, currency, type_), floor, ceiling), velocity=velocity),
        )

    async def ensure(self, caller: Caller, drafts: Sequence[Account]) -> list[Account]:
        """The accounts of these codes, which are opened where there are none yet: clearing accounts and clients.

        Raises QuotaExceeded.
        """
        if not drafts:
            return []
        async with self._database.work(caller.ledger_id) as connection:
            await name_actor(connection, caller.actor)
            made = await self.ensure_within(connection, drafts)
            there = {account.code for account in drafts} - {account.code for account in made}
            if not there:
                return made
            return made + await find_accounts(connection, caller.ledger_id, ids=(), codes=there)

    async def ensure_within(self, connection: Connection, drafts: Sequence[Account]) -> list[Account]:
        """Those that were opened, in the caller's transaction: all whose code was free. Raises QuotaExceeded."""
        await self._check_quota(connection, drafts[0].state.ledger_id, len(drafts))
        opened = await insert_accounts(connection, drafts)
        made = [account for account in drafts if account.state.id in opened]
        await insert_events(connection, [self._opening(account) for account in made])
        return made

    async def check_quota(self, ledger_id: UUID, number: int) -> None:
        """Raises QuotaExceeded. The database is asked only where no count is remembered."""

        async def count() -> int:
            async with self._database.work(ledger_id) as connection:
                return await count_accounts(connection, ledger_id)

        if self._quota is not None:
            await self._quota.take(ledger_id, number, count)

    async def _check_quota(self, connection: Connection, ledger_id: UUID, number: int) -> None:
        if self._quota is not None:
            await self._quota.take(ledger_id, number, lambda: count_accounts(connection, ledger_id))

    async def get(self, caller: Caller, reference: str) -> Account:
        """Raises InvalidId, AccountNotFound."""
        id_, code = parse_account_reference(reference)
        async with self._database.work(caller.ledger_id) as connection:
            return _must_exist(await find_account(connection, caller.ledger_id, id_=id_, code=code))

    async def find_all(self, caller: Caller, codes: Sequence[str]) -> dict[str, Account]:
        """By code, those that there are. The codes come in bounded numbers."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_accounts(connection, caller.ledger_id, ids=(), codes=codes)
        return {account.code: account for account in found}

    async def list(self, caller: Caller, request: PageRequest) -> Page[Account]:
        position = self._cursors.position(caller.ledger_id, request)
        filters = position.filters
        wanted = AccountFilter(
            type=filters.get("type"),
            currency=filters.get("currency"),
            status=filters.get("status"),
            code_prefix=filters.get("code_prefix"),
            is_in_debt="in_debt" in filters,
            metadata=metadata_filters(filters),
        )
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_accounts(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda account: account.state.id)

    async def freeze(self, caller: Caller, account_id: UUID, reason: str) -> None:
        """For proofs, which run without a committer: lock the row as it does. Idempotent by state.

        Raises AccountNotFound, InvalidState.
        """
        async with self._database.work(caller.ledger_id) as connection:
            account = _must_exist(await lock_account(connection, caller.ledger_id, account_id))
            status = status_after_freeze(account.state)
            if status is account.state.status:
                return
            await name_actor(connection, caller.actor)
            await update_account(connection, caller.ledger_id, account_id, {"status": status.value})
            frozen = replace(account, state=replace(account.state, status=status))
            await self._announce(connection, frozen, EventType.ACCOUNT_FROZEN)
            record = audit_record(
                AuditType.ACCOUNT_FROZEN,
                caller,
                self._now(),
                resource=render_id(Prefix.ACCOUNT, account_id),
                reason=reason,
                facts={"code": account.code},
            )
            await audited(connection, record)

    async def _announce(self, connection: Connection, account: Account, event: EventType) -> None:
        await insert_events(connection, [replace(self._opening(account), type=event)])

    def _opening(self, account: Account) -> NewEvent:
        return NewEvent(
            ledger_id=account.state.ledger_id,
            id=new_uuid(),
            type=EventType.ACCOUNT_OPENED,
            resource_type=ResourceType.ACCOUNT,
            resource_id=account.state.id,
            created_at=self._now(),
            data=account_facts(account),
        )


def bare_accounts(database: Database, now: Callable[[], datetime]) -> Accounts:
    """For a process that serves nobody: it has no quota, and gives out no lists whose cursors would need a secret."""
    return Accounts(database, Currencies(database, now), AccountDirectory(database), Cursors(bytes(32)), now)


def new_account_state(caller: Caller, currency: Currency, type_: AccountType) -> AccountState:
    """An account with nothing in it and without limits, its amounts scaled to the currency's places."""
    account_id = AccountId(new_uuid())
    zero = currency.scaled(Decimal(0))
    return AccountState(
        ledger_id=caller.ledger_id,
        id=account_id,
        currency=currency.code,
        normal_side=type_.normal_side,
        status=AccountStatus.OPEN,
        min_available=None,
        max_available=None,
        posted_debits=zero,
        posted_credits=zero,
        held=zero,
        version=0,
        head=genesis(caller.ledger_id, account_id),
    )


def metadata_filters(filters: Mapping[str, str]) -> dict[str, str]:
    """What the parameters `metadata[key]` ask for."""
    return {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in filters.items()
        if name.startswith("metadata[")
    }


def _limit(text: str | None, currency: Currency, pointer: str) -> Decimal | None:
    if text is None:
        return None
    return parse_signed_amount(text, currency, pointer=pointer)


def _must_exist(account: Account | None) -> Account:
    if account is None:
        raise AccountNotFound("This ledger has no such account.")
    return account
