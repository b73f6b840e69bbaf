"""Use cases about balances: now, through the cache; at an instant, from the postings; and over the whole ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from zerosum.adapters.balance_cache import CachedBalance, Lease
from zerosum.db.engine import Database
from zerosum.db.gently import gently
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.balances import Instant, currency_totals, totals_at, trial_balance_lines
from zerosum.db.queries.balances import TrialBalanceLine as TrialBalanceLine  # shown by the routes
from zerosum.db.queries.branch_totals import BranchTotal, find_sealed_totals
from zerosum.domain.errors import AccountNotFound, AmountTooPrecise, InvalidCurrency, TooManyItems, VersionNotReached
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.money import add, render_amount, subtract
from zerosum.services.requests.account_directory import AccountDirectory, AccountName
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest, Position
from zerosum.services.requests.settled_time import SettledTime
from zerosum.services.requests.times import INSTANT, by_now, parse_as_of

TRIAL_BALANCE_LINES_MAX = 10_000
"""Of a trial balance that is asked for as a whole."""


class BalanceReader(Protocol):
    """The cache as a reader sees it."""

    async def read(self, ledger_id: UUID, account_id: UUID) -> CachedBalance | Lease | None: ...

    async def fill(self, lease: Lease, state: AccountState) -> None: ...


@dataclass(slots=True, kw_only=True)
class Balance:
    """Amounts in their wire form. `is_cached` tells whether it came out of Redis."""

    account: AccountName
    posted: str
    held: str
    available: str
    version: int
    as_of: datetime
    is_cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotal:
    currency: str
    debits: Decimal
    credits: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """All accounts with their totals at one instant. The difference is zero in every currency."""

    as_of: datetime
    currencies: Sequence[CurrencyTotal]
    accounts: Page[TrialBalanceLine]


class Balances:
    def __init__(
        self,
        database: Database,
        directory: AccountDirectory,
        currencies: Currencies,
        cache: BalanceReader,
        cursors: Cursors,
        settled: SettledTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._directory = directory
        self._currencies = currencies
        self._cache = cache
        self._cursors = cursors
        self._settled = settled
        self._now = now

    async def now(self, caller: Caller, reference: str, *, min_version: int) -> Balance:
        """From the cache where it has the version asked for, otherwise from PostgreSQL.

        Raises VersionNotReached where the account itself has not got there.
        """
        account = await self._directory.get(caller.ledger_id, reference)
        cached = await self._cache.read(caller.ledger_id, account.id)
        if isinstance(cached, CachedBalance) and cached.version >= min_version:
            return Balance(
                account=account,
                posted=cached.posted,
                held=cached.held,
                available=cached.available,
                version=cached.version,
                as_of=self._now(),
                is_cached=True,
            )
        as_of = self._now()
        state = await self._state(caller, account)
        if isinstance(cached, Lease):
            await self._cache.fill(cached, state)
        if state.version < min_version:
            raise VersionNotReached("The account has not reached this version.", version=state.version)
        return Balance(
            account=account,
            posted=render_amount(state.posted),
            held=render_amount(state.held),
            available=render_amount(state.available),
            version=state.version,
            as_of=as_of,
            is_cached=False,
        )

    async def at(
        self, caller: Caller, reference: str, *, effective: datetime | None, recorded: datetime | None
    ) -> Balance:
        """What lay in the account at an instant of the world, as far as it was written at an instant of ours."""
        account = await self._directory.get(caller.ledger_id, reference)
        currency = await self._currencies.get(caller.ledger_id, account.currency)
        if recorded is not None:
            recorded = await self._settled.reach(caller.ledger_id, recorded)
        effective = by_now(effective, self._now())
        instant = Instant(effective=effective, recorded=recorded)
        async with self._database.work(caller.ledger_id) as connection:
            totals = await totals_at(connection, caller.ledger_id, account.id, instant)
        if totals is None:
            raise _no_such_account()
        posted, held = currency.scaled(totals.posted), currency.scaled(totals.held)
        return Balance(
            account=account,
            posted=render_amount(posted),
            held=render_amount(held),
            available=render_amount(subtract(posted, held)),
            version=totals.version,
            as_of=effective or recorded or self._now(),
            is_cached=False,
        )

    async def trial_balance(self, caller: Caller, request: PageRequest, *, is_pinned: bool = True) -> TrialBalance:
        """One consistent look at the whole ledger; its accounts come in pages by code.

        All pages look at the instant of the first: what is written meanwhile is on none of them. That instant has to
        settle, which takes more than a second; unless it `is_pinned`, each page of now is a look of its own.
        """
        position = self._cursors.position(caller.ledger_id, request)
        recorded = position.pinned or parse_as_of(position.filters, "recorded_as_of")
        if recorded is not None and position.pinned is None:
            recorded = await self._settled.reach(caller.ledger_id, recorded)
        looked_at = await self._look(caller, request, replace(position, pinned=recorded))
        if is_pinned and recorded is None and looked_at.accounts.next_cursor is not None:
            pinned = await self._settled.reach(caller.ledger_id)
            looked_at = await self._look(caller, request, replace(position, pinned=pinned))
        return looked_at

    async def whole_trial_balance(
        self, caller: Caller, request: PageRequest, lines_max: int = TRIAL_BALANCE_LINES_MAX
    ) -> TrialBalance:
        """All accounts at once. Raises TooManyItems where they are more than fit."""
        whole = await self.trial_balance(caller, replace(request, limit=lines_max))
        if whole.accounts.next_cursor is not None:
            raise TooManyItems(
                f"The ledger has more than {lines_max} accounts: ask for pages, with `limit`.", lines_max=lines_max
            )
        return whole

    async def sealed(
        self, caller: Caller, request: PageRequest, ends_at: datetime, recorded_until: datetime | None
    ) -> Page[TrialBalanceLine]:
        """The accounts that anything was posted to before a time, as far as it was written by another, by code."""
        position = self._cursors.position(caller.ledger_id, request)
        instant = Instant(effective=ends_at - INSTANT, recorded=recorded_until)
        async with self._database.work(caller.ledger_id) as connection:
            found = await trial_balance_lines(
                connection,
                caller.ledger_id,
                instant,
                after_code=position.after,
                limit=request.limit + 1,
                is_of_moved=True,
            )
        await self._currencies.load(caller.ledger_id, {line.currency for line in found})
        lines = await gently(lambda line: self._scaled_line(caller, line), found)
        return self._cursors.page(caller.ledger_id, request, position, lines, lambda line: line.code)

    async def _look(self, caller: Caller, request: PageRequest, position: Position) -> TrialBalance:
        """One page, in one snapshot with the totals: as far as it was written by the pinned instant, if any."""
        is_of_now = not {"as_of", "recorded_as_of"} & position.filters.keys()
        # All pages look at one instant: where the first has pinned it, now is what it was then.
        now = self._now() if position.pinned is None or "recorded_as_of" in position.filters else position.pinned
        instant = Instant(effective=by_now(parse_as_of(position.filters, "as_of"), now), recorded=position.pinned)
        looked_at = instant.effective or instant.recorded or self._now()
        async with self._database.snapshot(caller.ledger_id) as connection:
            sealed = await find_sealed_totals(connection, caller.ledger_id, instant)
            if sealed is None:
                totals = await currency_totals(connection, caller.ledger_id, instant, is_of_all=is_of_now)
            else:
                totals = by_currency(await sealed.whole(connection), is_of_all=is_of_now)
            found = await trial_balance_lines(
                connection, caller.ledger_id, instant, after_code=position.after, limit=request.limit + 1
            )
        await self._currencies.load(caller.ledger_id, {line.currency for line in found})
        lines = await gently(lambda line: self._scaled_line(caller, line), found)  # First, since they name the account.
        return TrialBalance(
            as_of=looked_at,
            currencies=[await self._currency_total(caller, *total) for total in totals],
            accounts=self._cursors.page(caller.ledger_id, request, position, lines, lambda line: line.code),
        )

    async def _state(self, caller: Caller, account: AccountName) -> AccountState:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_account(connection, caller.ledger_id, id_=account.id, code=None)
        if found is None:
            raise _no_such_account()
        return found.state

    async def _currency_total(self, caller: Caller, code: str, debits: Decimal, credits_: Decimal) -> CurrencyTotal:
        currency = await self._currencies.get(caller.ledger_id, code)
        return CurrencyTotal(
            currency=code,
            debits=currency.scaled(debits),
            credits=currency.scaled(credits_),
            difference=currency.scaled(subtract(debits, credits_)),
        )

    def _scaled_line(self, caller: Caller, line: TrialBalanceLine) -> TrialBalanceLine:
        try:
            currency = self._currencies.known(caller.ledger_id, line.currency, is_prepared=True)
            debits, credits_ = currency.scaled(line.debits), currency.scaled(line.credits)
        except (AmountTooPrecise, InvalidCurrency) as refusal:
            refusal.facts["account"] = render_id(Prefix.ACCOUNT, line.account_id)
            raise
        return replace(line, debits=debits, credits=credits_)


def by_currency(totals: Sequence[BranchTotal], *, is_of_all: bool) -> Sequence[tuple[str, Decimal, Decimal]]:
    """As `currency_totals` tells it."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for one in totals:
        if one.lines or (is_of_all and one.accounts):
            debits, credits_ = sums.get(one.currency, (Decimal(), Decimal()))
            sums[one.currency] = add(debits, one.debits), add(credits_, one.credits)
    return [(currency, *sums[currency]) for currency in sorted(sums)]


def _no_such_account() -> AccountNotFound:
    return AccountNotFound("This ledger has no such account.")
