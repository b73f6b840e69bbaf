"""Imports: a name stands for one content. What comes of the rows is remembered by their idempotency keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from zerosum.db.engine import Database
from zerosum.db.queries.imports import ImportRecord as ImportRecord  # shown by the routes
from zerosum.db.queries.imports import remember_import
from zerosum.domain.errors import ImportDiffers
from zerosum.services.requests.caller import Caller


class Imports:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def begin(self, caller: Caller, name: str, content_sha256: bytes) -> ImportRecord:
        """Begin an import, or go on with one. Raises ImportDiffers when the name stands for other content."""
        wanted = ImportRecord(name=name, content_sha256=content_sha256, created_at=self._now())
        async with self._database.work(caller.ledger_id) as connection:
            found = await remember_import(connection, caller.ledger_id, wanted)
        if found.content_sha256 != content_sha256:
            raise ImportDiffers("The name was used before, for other content.", pointer="/name")
        return found
