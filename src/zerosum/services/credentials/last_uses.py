"""When API keys were last used: noted in memory by whoever judges a credential, written now and then in the background.

A key is judged at most once in some seconds, so a note costs nothing; it is written at most once a minute a key.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from zerosum.db.credentials.api_keys import update_last_uses
from zerosum.db.engine import Database
from zerosum.domain.identifiers import ApiKeyId, LedgerId

WRITTEN_APART = timedelta(minutes=1)
"""Over all processes: what another one has written less than this ago stays."""

NOTED_MAX = 10_000
"""Keys noted between two writings. Those beyond are noted at the next occasion."""

PAGE_SIZE = 100

_log = logging.getLogger(__name__)


class LastUses:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[tuple[LedgerId, ApiKeyId], datetime] = {}

    def note(self, ledger_id: LedgerId, key_id: ApiKeyId, now: datetime) -> None:
        """Without waiting for anything."""
        place = (ledger_id, key_id)
        if place in self._noted or len(self._noted) < NOTED_MAX:
            self._noted[place] = now

    async def write_forever(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITTEN_APART.total_seconds())
            try:
                await self.write()
            except Exception as error:
                _log.warning("when keys were used cannot be written now (%s)", type(error).__name__)

    async def write(self) -> None:
        """What was noted since the last time, in short units of work of their own. Raises Unavailable."""
        noted, self._noted = self._noted, {}
        uses = [(ledger_id, key_id, used_at) for (ledger_id, key_id), used_at in sorted(noted.items())]
        for start in range(0, len(uses), PAGE_SIZE):
            page = uses[start : start + PAGE_SIZE]
            async with self._database.work(*{ledger_id for ledger_id, _, _ in page}) as connection:
                await update_last_uses(connection, page, WRITTEN_APART)
