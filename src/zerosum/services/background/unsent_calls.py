"""What waits for a processor that is left alone, and was never asked for, does not wait where it can go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import ClaimedCall
from zerosum.db.queries.processor_moves import unsent_calls
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.payments.processor_calls import MoveReason
from zerosum.services.apart import apart
from zerosum.services.processor_moves import Mover

UNSENT_AT_ONCE = 100
"""Calls that nobody has asked for yet: so many are looked at in a turn of a processor that is left alone."""

_log = logging.getLogger(__name__)


class UnsentCalls:
    """Those of one processor. Each turn goes on behind the one before: what cannot be moved hides nothing younger."""

    def __init__(self, database: Database, mover: Mover, processor: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._mover = mover
        self._processor = processor
        self._now = now
        self._last: ClaimedCall | None = None
        """Behind which the next turn goes on. None: it begins anew."""

    async def move_on(self) -> None:
        name = self._processor
        async with self._database.operator_work() as connection:
            page = await unsent_calls(connection, name, self._now(), UNSENT_AT_ONCE, self._last)
        self._last = page[-1] if len(page) == UNSENT_AT_ONCE else None
        for call in page:
            with apart(_log, "%s could not be moved from %s", render_id(Prefix.PAYMENT, call.id), name):
                to = await self._mover.target(call, name)
                if to is not None:
                    told = "it was not asked, for it does not answer"
                    await self._mover.move(call, name, to, MoveReason.NOT_SENT, told)
