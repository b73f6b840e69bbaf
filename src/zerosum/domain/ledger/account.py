"""Accounts: where money lies, in one currency, and the state by which a Book decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.money import Currency, add, subtract


class Side(StrEnum):
    """The left and the right side of an account. Nothing else: neither out and in, nor bad and good."""

    DEBIT = "debit"
    CREDIT = "credit"

    @property
    def opposite(self) -> Side:
        return Side.CREDIT if self is Side.DEBIT else Side.DEBIT


class Layer(StrEnum):
    """The two planes in which a posting can lie. Each balances by itself."""

    POSTED = "posted"
    PENDING = "pending"


class AccountType(StrEnum):
    """From our own point of view: a customer's wallet is what we owe, hence a liability."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"

    @property
    def normal_side(self) -> Side:
        """The side that increases the account."""
        return Side.DEBIT if self in (AccountType.ASSET, AccountType.EXPENSE) else Side.CREDIT


class AccountStatus(StrEnum):
    OPEN = "open"
    FROZEN = "frozen"
    """Takes no posting on either side until it is unfrozen."""
    CLOSED = "closed"
    """Takes no posting any more; only an account with nothing posted and nothing held can be closed."""


@dataclass(slots=True, kw_only=True)
class AccountState:
    """An account as a Book sees it: the row that is locked while it is decided about.

    Amounts carry the currency's places. `posted_debits` and `posted_credits` only grow. `held` is what open holds will
    take out (the pending amount on the side opposite to the normal one). `version` counts the account's postings, and
    `head` is the hash of the last of them. `overdrawn` says that a dispute, which may do so, took the available balance
    below the floor; nothing else ever does.
    """

    ledger_id: LedgerId
    id: AccountId
    currency: Currency
    type: AccountType
    normal_side: Side
    status: AccountStatus
    min_available: Decimal | None
    max_available: Decimal | None
    posted_debits: Decimal
    posted_credits: Decimal
    held: Decimal
    version: int
    head: bytes
    overdrawn: bool = False

    @property
    def posted(self) -> Decimal:
        """Signed so that the normal side is positive."""
        if self.normal_side is Side.CREDIT:
            return subtract(self.posted_credits, self.posted_debits)
        return subtract(self.posted_debits, self.posted_credits)

    @property
    def available(self) -> Decimal:
        """What may still be spent: posted less held. Expected incoming money does not count."""
        return subtract(self.posted, self.held)

    def take(self, side: Side, amount: Decimal, layer: Layer, *, releases: bool) -> None:
        """Carry one posting. The Book has judged it before."""
        if layer is Layer.POSTED:
            if side is Side.DEBIT:
                self.posted_debits = add(self.posted_debits, amount)
            else:
                self.posted_credits = add(self.posted_credits, amount)
        elif side is not self.normal_side:
            self.held = subtract(self.held, amount) if releases else add(self.held, amount)
        self.version += 1

    def copy(self) -> AccountState:
        return replace(self)
