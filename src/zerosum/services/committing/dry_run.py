"""Dry runs: what a call would be answered, decided by the same rules on a copy of the books, and written nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from zerosum.db.batch import Key, UsedKey
from zerosum.domain.errors import IdempotencyKeyReused
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book, LedgerCommand
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
    ) -> None:
        self._book = Book(accounts, ChangedRecords(records))
        self._judge = IdempotentBook(self._book, used, posted_at)

    @property
    def states(self) -> list[AccountState]:
        """How the accounts would stand."""
        return list(self._book.accounts.values())

    def each(self, commands: Sequence[LedgerCommand]) -> list[Answer]:
        return [self._explained(self._judge.answer(command), command) for command in commands]

    def together(self, commands: Sequence[LedgerCommand]) -> list[Answer] | tuple[int, Refused]:
        answers = self._judge.answer_together(commands)
        if isinstance(answers, tuple):
            index, refused = answers
            # The refusal is explained where it fell: after those before it.
            for command in commands[:index]:
                self._judge.answer(command)
            self._explained(refused, commands[index])
        return answers

    def _explained(self, answer: Answer, command: LedgerCommand) -> Answer:
        """A refusal of the books names every condition that fails, not only the first."""
        if isinstance(answer, Refused) and not answer.is_replay and answer.refusal.code != IdempotencyKeyReused.code:
            found = list(command.objections(self._book_for(command)))
            is_of_books = bool(found) and found[0].code == answer.refusal.code
            answer.refusal.others = found[1:] if is_of_books else found
        return answer

    def _book_for(self, command: LedgerCommand) -> Book:
        """With the accounts that the command would have opened: they are not what is wrong with it."""
        if not command.opens:
            return self._book
        opened = {account.state.id: account.state for account in command.opens}
        return Book((opened | self._book.accounts).values(), self._book.records)
