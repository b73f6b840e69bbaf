"""Fills in what one posting leaves to the others, and sees that every entry balances in each of its currencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from zerosum.domain.money import add
from zerosum.ingest.journal_files.read import JournalFault, ReadEntry, ReadJournal, ReadPosting, shown


def balance(journal: ReadJournal) -> None:
    """Every amount is there afterwards. Adds faults to those of the journal."""
    for entry in journal.entries:
        try:
            entry.postings, places = _filled(entry)
            entry.after = [(places[place - 1], assertion) for place, assertion in entry.after]
        except JournalFault as fault:
            journal.faults.append(fault)


def _filled(entry: ReadEntry) -> tuple[list[ReadPosting], list[int]]:
    """With how many postings there are now up to each that was there before."""
    differences = {layer: _differences(entry.postings, is_pending=layer) for layer in (False, True)}
    made: list[ReadPosting] = []
    places: list[int] = []
    filled = set[bool]()
    for posting in entry.postings:
        if posting.amount is not None:
            made.append(posting)
        else:
            if posting.is_pending in filled:
                raise JournalFault(posting.line, "only one posting of an entry may leave out its amount")
            filled.add(posting.is_pending)
            rest = differences.pop(posting.is_pending)
            made += [replace(posting, amount=-amount, currency=currency) for currency, amount in rest.items() if amount]
        places.append(len(made))
    for difference in differences.values():
        for currency, amount in difference.items():
            if amount:
                raise JournalFault(entry.line, f"the entry does not balance: {amount:f} {shown(currency)} is too much")
    return made, places


def _differences(postings: Sequence[ReadPosting], *, is_pending: bool) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for posting in postings:
        if posting.is_pending is is_pending and posting.amount is not None and posting.currency is not None:
            totals[posting.currency] = add(totals.get(posting.currency, Decimal(0)), posting.amount)
    return totals
