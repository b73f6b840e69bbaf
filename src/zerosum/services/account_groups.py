"""Use cases about account groups: make, read and end them, and add up what their accounts come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.account_groups import (
    count_limited_groups,
    count_members,
    find_account_group,
    group_totals,
    list_account_groups,
)
from zerosum.db.queries.balances import Instant
from zerosum.domain.errors import (
    AccountGroupNotFound,
    DomainError,
    QuotaExceeded,
    TooManyItems,
    ValidationFailed,
)
from zerosum.domain.events import ResourceType
from zerosum.domain.ledger.account_group_commands import DeleteAccountGroup, PutAccountGroup, group_of_facts
from zerosum.domain.ledger.account_groups import (
    LIMITED_ACCOUNTS_MAX,
    LIMITED_GROUPS_MAX,
    AccountGroup,
    GroupLimit,
    Members,
)
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.velocity import VelocityLimit, Window
from zerosum.domain.money import Money
from zerosum.services.account_reports import ReportLine
from zerosum.services.audit import log_record
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.settled_time import SettledTime
from zerosum.services.requests.times import by_now
from zerosum.services.requests.velocity_limits import VelocityLimitOrder


class GroupLimitOrder(NamedTuple):
    """What the group's accounts of one currency may move together."""

    currency: str
    limit: VelocityLimitOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountGroupOrder:
    """The group as it is to be. `name` has the shape of one."""

    idempotency_key: str
    name: str
    description: str | None
    members: Sequence[str]
    limits: Sequence[GroupLimitOrder] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """One line for each currency and type of account. They are all of one instant."""

    group: AccountGroup
    as_of: datetime
    lines: Sequence[ReportLine]


class AccountGroups:
    def __init__(
        self,
        database: Database,
        committer: Committer,
        currencies: Currencies,
        cursors: Cursors,
        settled: SettledTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._currencies = currencies
        self._cursors = cursors
        self._settled = settled
        self._now = now
        self._keys = KeyLookup(database, committer)

    async def put(self, caller: Caller, order: AccountGroupOrder) -> Done[AccountGroup]:
        """Raises what is wrong with the members, IdempotencyKeyReused, and what the committer raises."""

        async def prepare() -> LedgerCommand:
            members = Members(order.members)
            limits = await self._limits(caller, order.limits)
            if limits:
                await self._check_bounds(caller, order.name, members)
            said = {
                "name": order.name,
                "description": order.description,
                "members": list(order.members),
                "velocity_limits": [one.content for one in limits],
            }
            return PutAccountGroup(
                id=new_uuid(),
                ledger_id=caller.ledger_id,
                idempotency_key=order.idempotency_key,
                fingerprint=fingerprint("account group", said),
                actor=caller.actor,
                address=caller.address,
                request_id=caller.request_id,
                name=order.name,
                description=order.description,
                members=order.members,
                limits=limits,
            )

        return await self._carry_out(caller, order.idempotency_key, prepare)

    async def _limits(self, caller: Caller, orders: Sequence[GroupLimitOrder]) -> Sequence[GroupLimit]:
        """In one order, whatever the caller's. Raises InvalidAmount, InvalidCurrency, ValidationFailed for twins."""
        limits: dict[tuple[str, Window], GroupLimit] = {}
        for place, (code, order) in enumerate(orders):
            here = f"/velocity_limits/{place}"
            try:
                currency = await self._currencies.get(caller.ledger_id, code)
            except DomainError as refusal:
                raise refusal.at(f"{here}/currency") from None
            if (currency.code, order.window) in limits:
                raise ValidationFailed(
                    "There is another limit of the same currency and window.", pointer=f"{here}/window"
                )
            given = order.amount
            amount = None if given is None else Money.parse(given, currency, pointer=f"{here}/amount").amount
            limit = VelocityLimit(order.window, amount, order.count)
            limits[currency.code, order.window] = GroupLimit(currency.code, limit)
        return [limits[key] for key in sorted(limits, key=lambda one: (one[0], *one[1][:2], one[1].seconds or 0))]

    async def _check_bounds(self, caller: Caller, name: str, members: Members) -> None:
        """Raises QuotaExceeded, TooManyItems. What becomes more afterwards is judged all the same, and costs more."""
        async with self._database.work(caller.ledger_id) as connection:
            others = await count_limited_groups(connection, caller.ledger_id, besides=name)
            accounts = await count_members(connection, caller.ledger_id, members, limit=LIMITED_ACCOUNTS_MAX + 1)
        if others >= LIMITED_GROUPS_MAX:
            raise QuotaExceeded(f"At most {LIMITED_GROUPS_MAX} groups of a ledger have limits.")
        if accounts > LIMITED_ACCOUNTS_MAX:
            raise TooManyItems(
                f"A group with limits has at most {LIMITED_ACCOUNTS_MAX:,} accounts.",
                pointer="/members",
                accounts_max=LIMITED_ACCOUNTS_MAX,
            )

    async def delete(self, caller: Caller, name: str, idempotency_key: str) -> Done[AccountGroup]:
        """Raises AccountGroupNotFound, IdempotencyKeyReused, and what the committer raises."""

        async def prepare() -> LedgerCommand:
            return DeleteAccountGroup(
                id=new_uuid(),
                ledger_id=caller.ledger_id,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint("account group deleted", {"name": name}),
                actor=caller.actor,
                address=caller.address,
                request_id=caller.request_id,
                name=name,
            )

        return await self._carry_out(caller, idempotency_key, prepare)

    async def _carry_out(
        self, caller: Caller, key: str, prepare: Callable[[], Awaitable[LedgerCommand]]
    ) -> Done[AccountGroup]:
        answer = await self._keys.carry_out(caller.ledger_id, [key], prepare)
        if isinstance(answer, Posted):
            for record in answer.told:
                log_record(record)
            return Done(answer.resource)
        if answer.content is None or answer.resource_type is not ResourceType.ACCOUNT_GROUP:
            raise key_reused()
        return Done(group_of_facts(caller.ledger_id, answer.content), is_replay=True)

    async def get(self, caller: Caller, name: str) -> AccountGroup:
        """Raises AccountGroupNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_account_group(connection, caller.ledger_id, name)
        return _there(found)

    async def list(self, caller: Caller, request: PageRequest) -> Page[AccountGroup]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_account_groups(
                connection,
                caller.ledger_id,
                after=position.after,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda group: group.name)

    async def balances(
        self, caller: Caller, name: str, *, effective: datetime | None, recorded: datetime | None
    ) -> GroupReport:
        """What the accounts that it has now came to at an instant. Raises AccountGroupNotFound."""
        if recorded is not None:
            recorded = await self._settled.reach(caller.ledger_id, recorded)
        effective = by_now(effective, self._now())
        looked_at = effective or recorded or self._now()
        instant = Instant(effective=effective, recorded=recorded)
        async with self._database.snapshot(caller.ledger_id) as connection:
            group = _there(await find_account_group(connection, caller.ledger_id, name))
            found = await group_totals(connection, caller.ledger_id, Members(group.members), instant)
        lines = []
        for one in found:
            currency = await self._currencies.get(caller.ledger_id, one.currency)
            lines.append(
                ReportLine(
                    branch=group.name,
                    type=one.type,
                    currency=one.currency,
                    accounts=one.accounts,
                    debits=currency.scaled(one.debits),
                    credits=currency.scaled(one.credits),
                )
            )
        return GroupReport(group=group, as_of=looked_at, lines=lines)


def _there(group: AccountGroup | None) -> AccountGroup:
    if group is None:
        raise AccountGroupNotFound("This ledger has no such account group.")
    return group
