"""What is said of idempotency keys without carrying anything out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

from zerosum.db.batch import unlocked_loader
from zerosum.db.engine import Database
from zerosum.domain.errors import DomainError, OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.work import key_reused, refusal_in


class KeyLookup:
    def __init__(self, database: Database, committer: Committer) -> None:
        self._database = database
        self._committer = committer

    async def used(self, ledger_id: LedgerId, keys: Collection[str]) -> Collection[str]:
        """A key is looked at before what a request asks: one that was used before was used for something else."""
        if not keys:
            return ()
        with self.true_of(ledger_id, keys):
            async with self._database.work(ledger_id) as connection:
                used = await unlocked_loader(connection).used_keys([(ledger_id, key) for key in keys])
        return {key for _, key in used}

    async def carry_out(
        self, ledger_id: LedgerId, keys: Collection[str], prepare: Callable[[], Awaitable[LedgerCommand]]
    ) -> Posted | Replayed:
        """What `prepare` makes, under these keys. Raises the refusal, IdempotencyKeyReused, what the committer raises.

        What is wrong with the request is told only where its key was not used before: then it was for something else.
        """
        try:
            with self.true_of(ledger_id, keys):
                command = await prepare()
        except (Unavailable, OutcomeUnknown):
            raise
        except DomainError as refusal:
            raise (key_reused() if await self.used(ledger_id, keys) else refusal) from None
        answer = await self._committer.carry_out(command)
        if isinstance(answer, Refused):
            raise refusal_in(answer)
        return answer

    @contextmanager
    def true_of(self, ledger_id: LedgerId, keys: Collection[str]) -> Iterator[None]:
        """That nothing was done is not said of a key whose COMMIT was lost."""
        try:
            yield
        except Unavailable as refusal:
            raise self._committer.refusal_of(refusal, [(ledger_id, key) for key in keys]) from refusal
