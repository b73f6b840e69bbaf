"""Entries with nothing unusual about them: judged, carried and hashed in one walk over their lines.

It is what the Book does, at a third of the price, and it leaves to it whatever it does not know (docs/decisions/0052):
accounts that are not open, that have a ceiling, limits of velocity or debts, entries of several currencies or from
outside, and all refusals. `tests/domain/test_usual.py` holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from zerosum.domain.ledger.account import AccountState, AccountStatus, Layer, Side
from zerosum.domain.ledger.entry import JournalEntry, Nature, PostedPosting
from zerosum.domain.money import BALANCE_LIMIT, add, render_amount, subtract

_OPEN, _POSTED, _DEBIT, _CREDIT = AccountStatus.OPEN, Layer.POSTED, Side.DEBIT, Side.CREDIT
_LOWEST = BALANCE_LIMIT.copy_negate()


class _Walk:
    """One account on the way through the lines of an entry. Nothing of it counts before the end."""

    __slots__ = (
        "account",
        "balance",
        "balance_text",
        "credits",
        "debits",
        "head",
        "held",
        "held_text",
        "id",
        "version",
    )

    def __init__(self, account: AccountState) -> None:
        self.account = account
        self.id = str(account.id)
        self.debits, self.credits, self.held = account.posted_debits, account.posted_credits, account.held
        self.version, self.head = account.version, account.head
        self.balance = account.posted
        self.balance_text, self.held_text = render_amount(self.balance), render_amount(self.held)

    def take(self, side: Side, amount: Decimal, layer: Layer, *, releases: bool) -> None:
        """As `AccountState.take`."""
        self.version += 1
        if layer is _POSTED:
            if side is _DEBIT:
                self.debits = add(self.debits, amount)
            else:
                self.credits = add(self.credits, amount)
            is_credit = self.account.normal_side is _CREDIT
            self.balance = subtract(self.credits, self.debits) if is_credit else subtract(self.debits, self.credits)
            self.balance_text = render_amount(self.balance)
        elif side is not self.account.normal_side:
            self.held = subtract(self.held, amount) if releases else add(self.held, amount)
            self.held_text = render_amount(self.held)

    @property
    def is_within(self) -> bool:
        """Whether nothing stands against where it has come to (`AccountChange.objections`)."""
        account = self.account
        available, floor = subtract(self.balance, self.held), account.min_available
        if floor is not None and available < floor and available < account.available:
            return False
        is_bounded = _LOWEST < self.balance < BALANCE_LIMIT and _LOWEST < available < BALANCE_LIMIT
        return is_bounded and self.held < BALANCE_LIMIT

    def arrive(self, posted_at: datetime) -> None:
        account = self.account
        account.posted_debits, account.posted_credits, account.held = self.debits, self.credits, self.held
        account.version, account.head, account.last_posted_at = self.version, self.head, posted_at


def carry_usual(
    accounts: Mapping[UUID, AccountState], entry: JournalEntry, digest: bytes, posted_at: datetime
) -> tuple[PostedPosting, ...] | None:
    """The lines as they were written. None where anything at all is unusual: then nothing was touched."""
    if entry.nature is not Nature.INTENTION or entry.conditions:
        return None
    currency = entry.postings[0].money.currency.code
    walks: dict[UUID, _Walk] = {}
    lines: list[PostedPosting] = []
    for place, posting in enumerate(entry.postings):
        account_id, side, money, layer, releases, hold = posting
        walk = walks.get(account_id)
        if walk is None:
            account = accounts.get(account_id)
            if account is None or not _is_usual(account, currency):
                return None
            walk = walks[account_id] = _Walk(account)
        if money.currency.code != currency:
            return None
        amount = money.amount
        walk.take(side, amount, layer, releases=releases)
        where = "debit|" if side is _DEBIT else "credit|"
        where += "posted|" if layer is _POSTED else "pending|"
        own = (
            f"{walk.id}|{walk.version}|{place}|{where}{1 if releases else 0}"
            f"|{render_amount(amount)}|{currency}|{walk.balance_text}|{walk.held_text}"
        )
        tag = b"zerosum.posting.v1"
        if hold is not None:
            tag, own = b"zerosum.posting.v2", f"{own}|{hold}"
        walk.head = sha256(tag + walk.head + digest + own.encode("ascii")).digest()
        lines.append(PostedPosting(posting, place, walk.version, walk.balance, walk.held, walk.head))
    for walk in walks.values():
        if not walk.is_within:
            return None
    for walk in walks.values():
        walk.arrive(posted_at)
    return tuple(lines)


def _is_usual(account: AccountState, currency: str) -> bool:
    return not (
        account.status is not _OPEN
        or account.currency != currency
        or account.max_available is not None
        or account.overdrawn
        or account.velocity
        or account.used
        or account.groups
    )
