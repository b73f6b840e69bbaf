"""Dry runs: what a call would be answered, decided by the same rules on a copy of the books, and written nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from zerosum.db.batch import Key, UsedKey
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.group_rules import LimitedGroup
from zerosum.domain.ledger.outcome import Answer, Refused
from zerosum.domain.ledger.records import ChangedRecords, RecordKey
from zerosum.services.committing.idempotent_book import IdempotentBook


class DryRunBook:
    """`accounts` and `records` as they are now, not locked: for looking, not for deciding."""

    def __init__(
        self,
        accounts: Iterable[AccountState],
        used: Mapping[Key, UsedKey],
        posted_at: datetime,
        records: Mapping[RecordKey, Any],
        groups: Iterable[LimitedGroup] = (),
    ) -> None:
        self._book = Book(accounts, ChangedRecords(records), groups)
        self._judge = IdempotentBook(self._book, used, posted_at)

    @property
    def states(self) -> list[AccountState]:
        """How the accounts would stand."""
        return list(self._book.accounts.values())

    def each(self, commands: Sequence[LedgerCommand]) -> list[Answer]:
        return [self._judge.answer(command) for command in commands]

    def together(self, commands: Sequence[LedgerCommand]) -> list[Answer] | tuple[int, Refused]:
        return self._judge.answer_together(commands)
