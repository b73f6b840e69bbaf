"""What is said of idempotency keys without carrying anything out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from zerosum.db.batch import unlocked_loader
from zerosum.db.engine import Database
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId
from zerosum.services.committing.committer import Committer


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

    @contextmanager
    def true_of(self, ledger_id: LedgerId, keys: Collection[str]) -> Iterator[None]:
        """That nothing was done is not said of a key whose COMMIT was lost."""
        try:
            yield
        except Unavailable as refusal:
            raise self._committer.refusal_of(refusal, [(ledger_id, key) for key in keys]) from refusal
