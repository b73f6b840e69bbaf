"""The books prove themselves: every link, sum, version and stored balance of a ledger is computed again.

This is the second program of the hash chain: it shares no code with the one that writes it (`domain/ledger/chain.py`),
so that a mistake there is found here and not repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.integrity import (
    all_accounts,
    count_postings,
    currency_places,
    entries_without_postings,
    stream_chain,
    unbalanced_entries,
)
from zerosum.domain.money.iso4217 import ISO_4217

ISO_PLACES = {code: places for code, (places, _) in ISO_4217.items()}

BREAKS_MAX = 100
"""After so many the books are known to be wrong; the first is the one to look at."""

_EXACT = Context(prec=100, traps=[Inexact])
_ASSET_LIKE = ("asset", "expense")


@dataclass(frozen=True, slots=True)
class Break:
    """Something in the books that cannot be."""

    account_id: UUID | None
    account_version: int | None
    what: str


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    ledger_id: UUID
    postings: int = 0
    accounts: int = 0
    breaks: list[Break] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not self.breaks

    def note(self, what: str, account_id: UUID | None = None, account_version: int | None = None) -> None:
        if len(self.breaks) < BREAKS_MAX:
            self.breaks.append(Break(account_id, account_version, what))


class _Walk:
    """One account's history so far."""

    def __init__(self, ledger_id: UUID, account: Any, places: int | None) -> None:
        self.account = account
        self.places = places
        self.version = 0
        self.debits = Decimal(0)
        self.credits = Decimal(0)
        self.held = Decimal(0)
        self.head = hashlib.sha256(b"zerosum.genesis.v1" + ledger_id.bytes + account.id.bytes).digest()

    @property
    def balance(self) -> Decimal:
        difference = _EXACT.subtract(self.debits, self.credits)
        return difference if self.account.type in _ASSET_LIKE else difference.copy_negate()


async def verify_ledger(database: Database, ledger_id: UUID, on_progress: Callable[[int, int], None]) -> Report:
    """Everything, in one consistent look. `on_progress` is told how many postings of how many were walked."""
    report = Report(ledger_id)
    async with database.snapshot(ledger_id) as connection:
        total = await count_postings(connection, ledger_id)
        for row in await unbalanced_entries(connection, ledger_id, BREAKS_MAX):
            report.note(f"the journal entry {row.entry_id} does not balance in {row.currency}")
        for row in await entries_without_postings(connection, ledger_id, BREAKS_MAX):
            report.note(f"the journal entry {row.id} has no postings")
        places = await currency_places(connection, ledger_id) | ISO_PLACES
        walks = {
            account.id: _Walk(ledger_id, account, places.get(account.currency))
            for account in await all_accounts(connection, ledger_id)
        }
        async for row in stream_chain(connection, ledger_id):
            walk = walks.get(row.account_id)
            if walk is None:
                report.note("a posting to an account that does not exist", row.account_id, row.account_version)
            else:
                with _noting(report, "the posting or its journal entry cannot be read", row):
                    _step(report, ledger_id, walk, row)
                walk.version, walk.head = row.account_version, row.hash
            report.postings += 1
            if report.postings % 1000 == 0:
                on_progress(report.postings, total)
        for walk in walks.values():
            with _noting(report, "the account cannot be read", walk.account):
                _compare_with_account(report, walk)
            report.accounts += 1
    on_progress(total, total)
    return report


@contextlib.contextmanager
def _noting(report: Report, what: str, row: Any) -> Iterator[None]:
    """The database accepts more than can be counted with: NaN, metadata that is a list. That is a break like others."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        report.note(what, getattr(row, "account_id", None) or row.id, getattr(row, "account_version", None))


def _step(report: Report, ledger_id: UUID, walk: _Walk, row: Any) -> None:
    here = (row.account_id, row.account_version)
    walk.version += 1
    if row.account_version != walk.version:
        report.note(f"version {walk.version} is missing", *here)
    amount = Decimal(row.amount)
    if not amount.is_finite() or (walk.places is not None and -int(amount.as_tuple().exponent) > walk.places):
        report.note("the amount is finer than its currency, or no number", *here)
    if row.layer == "p":
        if row.side == "d":
            walk.debits = _EXACT.add(walk.debits, amount)
        else:
            walk.credits = _EXACT.add(walk.credits, amount)
    elif (row.side == "d") != (walk.account.type in _ASSET_LIKE):
        walk.held = _EXACT.add(walk.held, amount.copy_negate() if row.releases else amount)
    if row.currency != walk.account.currency:
        report.note("the posting is in another currency than its account", *here)
    if Decimal(row.balance_after) != walk.balance or Decimal(row.held_after) != walk.held:
        report.note("the running balance is not the sum of the postings", *here)
    if row.idempotency_key is None:
        report.note(f"the journal entry {row.entry_id} is missing", *here)
    elif (row.posting_effective_at, row.posting_posted_at) != (row.effective_at, row.posted_at):
        report.note("the posting has other times than its journal entry", *here)
    elif _link(walk.head, ledger_id, row) != row.hash:
        report.note("the hash does not follow from the posting, its entry and the hash before", *here)


def _compare_with_account(report: Report, walk: _Walk) -> None:
    account = walk.account
    here = (account.id, walk.version)
    if walk.places is None:
        report.note("the account's currency is not known", *here)
    if account.version != walk.version:
        report.note(f"the account is at version {account.version}, its postings end at {walk.version}", *here)
    if account.head != walk.head:
        report.note("the account's head is not the hash of its last posting", *here)
    stored = (Decimal(account.posted_debits), Decimal(account.posted_credits), Decimal(account.held))
    if stored != (walk.debits, walk.credits, walk.held):
        report.note("the account's stored balance is not the sum of its postings", *here)
    available = _EXACT.subtract(walk.balance, walk.held)
    if account.min_available is not None and not account.overdrawn and available < Decimal(account.min_available):
        report.note("the account is below its floor", *here)


def _link(previous: bytes, ledger_id: UUID, row: Any) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it, from the stored columns alone."""
    side = {"d": "debit", "c": "credit"}[row.side]
    layer = {"p": "posted", "h": "pending"}[row.layer]
    own = "|".join(
        (
            str(row.account_id),
            str(row.account_version),
            str(row.place),
            side,
            layer,
            "1" if row.releases else "0",
            row.amount,
            row.currency,
            row.balance_after,
            row.held_after,
        )
    )
    digest = _entry_digest(ledger_id, row)
    return hashlib.sha256(b"zerosum.posting.v1" + previous + digest + own.encode()).digest()


def _entry_digest(ledger_id: UUID, row: Any) -> bytes:
    fixed = "|".join(
        (
            str(ledger_id),
            str(row.entry_id),
            row.effective_at,
            row.posted_at,
            str(row.reverses or ""),
            row.fingerprint.hex(),
            row.resource_type,
            "",
        )
    )
    texts = [row.resource_id or "", row.idempotency_key, row.actor, row.reason]
    for key, value in sorted((row.metadata or {}).items()):
        texts += [key, value]
    content = b"zerosum.entry.v1" + fixed.encode()
    for text in texts:
        raw = text.encode()
        content += str(len(raw)).encode() + b":" + raw + b","
    return hashlib.sha256(content).digest()
