"""An account's postings walked link by link, and what they add up to.

This is the second program of the hash chain: it shares no code with the one that writes it (`domain/ledger/chain.py`),
so that a mistake there is found here and not repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from typing import Any
from uuid import UUID

from zerosum.services.proofs.report import Report

_EXACT = Context(prec=100, traps=[Inexact])
_ASSET_LIKE = ("asset", "expense")

# What the entries about a deposit make of it, by their reason.
_FROM_OUTSIDE = ("dispute", "dispute escalation", "resolve", "chargeback")
"""These ask no account whether it is open, and reversals that are forced do not either."""
_UNREADABLE = "the posting or its journal entry cannot be read"
_STATUS_AFTER = {"dispute": "disputed", "resolve": "resolved", "chargeback": "charged_back"}


class Walk:
    """One account's history so far. `account` is its row as it was at the newest look, `places` its currency's."""

    def __init__(self, ledger_id: UUID, account_id: UUID) -> None:
        self.account: Any = None
        self.places: int | None = None
        self.version = 0
        self.debits = Decimal(0)
        self.credits = Decimal(0)
        self.held = Decimal(0)
        self.head = hashlib.sha256(b"zerosum.genesis.v1" + ledger_id.bytes + account_id.bytes).digest()
        self.is_from_outside = False
        """Whether the newest posting that set nothing free was: then a closed account may have something in it."""
        self.client_transactions: dict[str, str] = {}
        """By tx: the status of those that were disputed. The others are as they were carried out."""
        self.is_whole = True
        """Whether it was begun at the first posting: otherwise debits and credits are known by their difference."""

    def position(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "sums": [str(self.debits), str(self.credits), str(self.held)],
            "head": self.head.hex(),
            "is_from_outside": self.is_from_outside,
            "client_transactions": dict(self.client_transactions),
        }

    def go_on(self, position: Mapping[str, Any]) -> None:
        self.version, self.head = int(position["version"]), bytes.fromhex(position["head"])
        self.debits, self.credits, self.held = (Decimal(one) for one in position["sums"])
        self.is_from_outside = bool(position.get("is_from_outside"))
        self.client_transactions = dict(position["client_transactions"])

    @property
    def balance(self) -> Decimal:
        difference = _EXACT.subtract(self.debits, self.credits)
        return difference if self.account.type in _ASSET_LIKE else difference.copy_negate()

    @property
    def available(self) -> Decimal:
        return _EXACT.subtract(self.balance, self.held)

    def begin_at(self, report: Report, ledger_id: UUID, row: Any) -> None:
        """At a posting whose hash something else binds: what it says of all that was before is believed, if its hash
        is over that. `row` has its `previous_hash`."""
        self.is_whole = False
        self.version = row.account_version - 1
        if row.account_version > 1:
            self.head = row.previous_hash or b""
        with report.noting(_UNREADABLE, row.account_id, row.account_version):
            self._compare_with_entry(report, ledger_id, row)
            balance = Decimal(row.balance_after)
            is_debit = self.account.type in _ASSET_LIKE
            self.debits, self.credits = (balance, Decimal(0)) if is_debit else (Decimal(0), balance)
            self.held = Decimal(row.held_after)
            # Where it set something free, what was before it is not known.
            self.is_from_outside = row.releases or _is_from_outside(row)
        self.version, self.head = row.account_version, row.hash

    def take(self, report: Report, ledger_id: UUID, row: Any) -> None:
        with report.noting(_UNREADABLE, row.account_id, row.account_version):
            self._step(report, ledger_id, row)
        self.version, self.head = row.account_version, row.hash

    def _step(self, report: Report, ledger_id: UUID, row: Any) -> None:
        here = (row.account_id, row.account_version)
        self.version += 1
        if row.account_version != self.version:
            report.note(f"version {self.version} is missing", *here)
        amount = Decimal(row.amount)
        if not amount.is_finite() or (self.places is not None and -int(amount.as_tuple().exponent) > self.places):
            report.note("the amount is finer than its currency, or no number", *here)
        self._add(row, amount)
        if row.currency != self.account.currency:
            report.note("the posting is in another currency than its account", *here)
        if Decimal(row.balance_after) != self.balance or Decimal(row.held_after) != self.held:
            report.note("the running balance is not the sum of the postings", *here)
        self._compare_with_entry(report, ledger_id, row)
        if not row.releases:  # What is set free asks no account either, and says nothing of what lies in it.
            self.is_from_outside = _is_from_outside(row)
        # The first line of what is said about a deposit lies in the client's account.
        if row.resource_type == "client_transaction" and row.place == 0 and row.reason in _STATUS_AFTER:
            self.client_transactions[row.resource_id] = _STATUS_AFTER[row.reason]

    def _compare_with_entry(self, report: Report, ledger_id: UUID, row: Any) -> None:
        here = (row.account_id, row.account_version)
        if not row.has_entry:
            report.note(f"the journal entry {row.entry_id} is missing", *here)
        elif (row.posting_effective_at, row.posting_posted_at) != (row.effective_at, row.posted_at):
            report.note("the posting has other times than its journal entry", *here)
        elif _link(self.head, ledger_id, row) != row.hash:
            report.note("the hash does not follow from the posting, its entry and the hash before", *here)

    def _add(self, row: Any, amount: Decimal) -> None:
        if row.layer == "p":
            if row.side == "d":
                self.debits = _EXACT.add(self.debits, amount)
            else:
                self.credits = _EXACT.add(self.credits, amount)
        elif (row.side == "d") != (self.account.type in _ASSET_LIKE):
            self.held = _EXACT.add(self.held, amount.copy_negate() if row.releases else amount)

    def compare_with_row(self, report: Report) -> None:
        """Called when all postings have been walked that there were when the row was read."""
        account = self.account
        here = (account.id, self.version)
        if self.places is None:
            report.note("the account's currency is not known", *here)
        if account.version != self.version:
            report.note(f"the account is at version {account.version}, its postings end at {self.version}", *here)
        if account.head != self.head:
            report.note("the account's head is not the hash of its last posting", *here)
        stored = (Decimal(account.posted_debits), Decimal(account.posted_credits), Decimal(account.held))
        if not self.is_whole:
            before = _EXACT.subtract(self.debits, stored[0])
            stored = (self.debits, _EXACT.add(stored[1], before), stored[2])
        if stored != (self.debits, self.credits, self.held):
            report.note("the account's stored balance is not the sum of its postings", *here)
        is_below = account.min_available is not None and self.available < Decimal(account.min_available)
        if is_below and not account.overdrawn:
            report.note("the account is below its floor", *here)
        if account.overdrawn and not is_below:
            report.note("the account may go below its floor, though it does not lie there", *here)
        if account.status == "closed" and (self.balance or self.held) and not self.is_from_outside:
            report.note("the account is closed with something in it", *here)


def _is_from_outside(row: Any) -> bool:
    return row.reason in _FROM_OUTSIDE or row.reverses is not None


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
    tag = b"zerosum.posting.v1"
    if row.hold_id is not None:
        tag, own = b"zerosum.posting.v2", f"{own}|{row.hold_id}"
    digest = _entry_digest(ledger_id, row)
    return hashlib.sha256(tag + previous + digest + own.encode()).digest()


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
    texts = [row.resource_id or "", row.idempotency_key or "", row.actor, row.reason]
    for key, value in sorted((row.metadata or {}).items()):
        texts += [key, value]
    tag = b"zerosum.entry.v1"
    if row.late_way is not None:
        tag = b"zerosum.entry.v2"
        fixed += f"{row.late_closing}|{row.late_way}|{row.late_requested_at}|"
        texts.append(row.late_reason or "")
    netstrings = [b"%d:%b," % (len(raw), raw) for raw in map(str.encode, texts)]
    return hashlib.sha256(b"".join((tag, fixed.encode(), *netstrings))).digest()
