"""Checks what a file says that its accounts hold, day by day, and on a day in the order of the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from zerosum.domain.money import add, subtract
from zerosum.ingest.journal_files.read import Assertion, JournalFault, ReadEntry, ReadJournal, shown


def check_assertions(journal: ReadJournal) -> None:
    """Adds faults to those of the journal. What the ledger holds already is no part of it."""
    if not journal.before and not any(entry.after for entry in journal.entries):
        return
    running = _Running()
    asserted = iter(sorted(journal.before, key=lambda assertion: assertion.on))
    next_ = next(asserted, None)
    for entry in sorted(journal.entries, key=lambda entry: entry.on):
        while next_ is not None and next_.on <= entry.on:
            running.check(next_, journal)
            next_ = next(asserted, None)
        running.take(entry, journal)
    while next_ is not None:
        running.check(next_, journal)
        next_ = next(asserted, None)


class _Running:
    """What each account holds, by itself and with those below it."""

    def __init__(self) -> None:
        self._own: dict[str, dict[str, Decimal]] = defaultdict(dict)
        self._whole: dict[str, dict[str, Decimal]] = defaultdict(dict)

    def take(self, entry: ReadEntry, journal: ReadJournal) -> None:
        after = iter(entry.after)
        next_ = next(after, None)
        for place, posting in enumerate(entry.postings, 1):
            currency, amount = posting.currency, posting.amount
            if currency is not None and amount is not None:
                for held in (self._own[posting.account], *map(self._whole.__getitem__, _upwards(posting.account))):
                    held[currency] = add(held.get(currency, Decimal(0)), amount)
            while next_ is not None and next_[0] <= place:
                self.check(next_[1], journal)
                next_ = next(after, None)

    def check(self, wanted: Assertion, journal: ReadJournal) -> None:
        held = (self._whole if wanted.is_inclusive else self._own)[wanted.account]
        amount = held.get(wanted.currency, Decimal(0))
        if abs(subtract(amount, wanted.amount)) > wanted.tolerance:
            told = f"{shown(wanted.account)} holds {amount:f} {wanted.currency} here, and not {wanted.amount:f}"
            journal.faults.append(JournalFault(wanted.line, told))
        elif wanted.is_sole and any(rest for currency, rest in held.items() if currency != wanted.currency):
            told = f"{shown(wanted.account)} holds more here than {wanted.currency}"
            journal.faults.append(JournalFault(wanted.line, told))


def _upwards(account: str) -> Iterator[str]:
    """The account and all above it."""
    while account:
        yield account
        account = account.rpartition(":")[0]
