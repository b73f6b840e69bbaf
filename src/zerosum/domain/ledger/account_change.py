"""What an entry does to an account, and what stands against that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from uuid import UUID

from zerosum.domain.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotFound,
    BalanceOverflow,
    CurrencyMismatch,
    DomainError,
    InsufficientFunds,
    LimitExceeded,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountState, AccountStatus, Layer
from zerosum.domain.ledger.entry import JournalEntry, Posting
from zerosum.domain.ledger.velocity_rules import Moved
from zerosum.domain.money import BALANCE_LIMIT, Money, add, render_amount, subtract

ZERO = Decimal(0)
_LOWEST = BALANCE_LIMIT.copy_negate()


def objections_to_account(
    account: AccountState | None, posting: Posting, *, is_intention: bool
) -> tuple[DomainError, ...]:
    """In the fixed order. That it takes nothing now does not make it one of the right currency."""
    if account is None:
        return (AccountNotFound("There is no such account.", account=wire_account_id(posting.account_id)),)
    is_of_currency = account.currency == posting.money.currency.code
    if is_intention and account.status is not AccountStatus.OPEN:
        is_closed = account.status is AccountStatus.CLOSED
        refusal, detail = (
            (AccountClosed, "The account is closed.") if is_closed else (AccountFrozen, "The account is frozen.")
        )
        not_open = refusal(detail, account=wire_account_id(account.id))
        return (not_open,) if is_of_currency else (not_open, _of_another_currency(account, posting))
    return () if is_of_currency else (_of_another_currency(account, posting),)


def _of_another_currency(account: AccountState, posting: Posting) -> CurrencyMismatch:
    return CurrencyMismatch(
        f"The account holds {account.currency}. {another_account_for(posting.money.currency.code)}",
        account=wire_account_id(account.id),
        currency=account.currency,
    )


class AccountChange:
    """What one entry does to one account, summed over its postings."""

    __slots__ = ("account", "held", "pointer", "posted")

    def __init__(self, account: AccountState, index: int) -> None:
        self.account = account
        self.pointer = f"/postings/{index}/account"
        self.posted = ZERO
        self.held = ZERO

    def include(self, posting: Posting) -> None:
        is_normal = posting.side is self.account.normal_side
        amount = posting.money.amount
        if posting.layer is Layer.POSTED:
            self.posted = add(self.posted, amount) if is_normal else subtract(self.posted, amount)
        elif not is_normal:
            self.held = subtract(self.held, amount) if posting.releases else add(self.held, amount)

    @property
    def growth(self) -> Decimal:
        """Of what is available."""
        return subtract(self.posted, self.held)

    @property
    def income(self) -> Decimal:
        """Without what is set free: that was in the account before."""
        return self.growth if self.held > 0 else self.posted

    @property
    def moved(self) -> Moved:
        return Moved(self.growth, self.income)

    def objections(self, *, is_intention: bool) -> Iterator[DomainError]:
        """Too little available, too much, or more than a balance can hold. Limits judge intentions only."""
        account = self.account
        posted_after, held_after = add(account.posted, self.posted), add(account.held, self.held)
        available_after = subtract(posted_after, held_after)
        growth = self.growth
        floor, ceiling = (account.min_available, account.max_available) if is_intention else (None, None)
        if growth < 0 and floor is not None and available_after < floor:
            yield InsufficientFunds(
                "The account has too little available.",
                account=wire_account_id(account.id),
                currency=account.currency,
                available=render_amount(account.available),
                required=render_amount(growth.copy_abs()),
                min_available=render_amount(floor),
                pointer=self.pointer,
            )
        income = self.income
        if income > 0 and ceiling is not None and available_after > ceiling:
            yield above_ceiling(account, ceiling, income).at(self.pointer)
        if not (
            _LOWEST < posted_after < BALANCE_LIMIT
            and _LOWEST < available_after < BALANCE_LIMIT
            and held_after < BALANCE_LIMIT
        ):
            yield BalanceOverflow(
                "The balance would pass 20 integer digits.",
                account=wire_account_id(account.id),
                currency=account.currency,
                pointer=self.pointer,
            )


def objection_to_income(account: AccountState, money: Money) -> LimitExceeded | None:
    """What would stand against it if the account were paid this now, on its normal side."""
    ceiling = account.max_available
    if ceiling is None or add(account.available, money.amount) <= ceiling:
        return None
    return above_ceiling(account, ceiling, money.amount)


def above_ceiling(account: AccountState, ceiling: Decimal, income: Decimal) -> LimitExceeded:
    return LimitExceeded(
        "The account would hold more than its limit.",
        account=wire_account_id(account.id),
        currency=account.currency,
        available=render_amount(account.available),
        incoming=render_amount(income),
        max_available=render_amount(ceiling),
    )


def wire_account_id(account_id: UUID) -> str:
    return render_id(Prefix.ACCOUNT, account_id)


def account_changes(entry: JournalEntry, accounts: Mapping[UUID, AccountState]) -> list[AccountChange]:
    """What the entry does to accounts in groups."""
    changes: dict[UUID, AccountChange] = {}
    for index, posting in enumerate(entry.postings):
        account = accounts[posting.account_id]
        if account.groups:
            changes.setdefault(account.id, AccountChange(account, index)).include(posting)
    return list(changes.values())


def another_account_for(currency: str) -> str:
    """What to do where one code was to hold several currencies."""
    return (
        f"An account has one currency: for {currency} name another account, such as its code with "
        f":{currency.lower()} behind it."
    )
