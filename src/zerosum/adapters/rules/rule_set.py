"""The rules of one version of the file, and the book of rules that notices another one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from zerosum.adapters.rules.outside import OutsideRule, Telling, ask_outside
from zerosum.adapters.watched_file import WatchedFile
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.payments.book_checks import BookCheck
from zerosum.domain.payments.rules import Finding, Judged, StaticRule

LOOK_SECONDS = 1.0
"""How often it is looked whether the file is another: so long an old version may still judge."""

CLOSED_AFTER_SECONDS = 60.0
"""Rules of before: who has taken them may look up keys first, and ask then."""

REVIEWS_LAST = timedelta(days=7)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """`static` need nothing but the payment, `checks` are judged by the books, `outside` are asked."""

    version: str
    static: tuple[StaticRule, ...] = ()
    checks: tuple[BookCheck, ...] = ()
    outside: tuple[OutsideRule, ...] = ()
    reviews_last: timedelta = REVIEWS_LAST
    """What nobody has decided by then is refused."""

    @property
    def is_empty(self) -> bool:
        return not (self.static or self.checks or self.outside)

    @property
    def asks_outside(self) -> bool:
        return bool(self.outside)

    async def ask(self, ledger_id: LedgerId, payments: Sequence[Judged], telling: Telling) -> list[list[Finding]]:
        return await ask_outside(self.outside, ledger_id, payments, telling)

    async def close(self) -> None:
        for rule in self.outside:
            await rule.asked.close()


Read = Callable[[Path], RuleSet]
"""Raises ValueError, in one line, for a file that is wrong."""


class RuleBook:
    """What the file says now. A file that has become wrong, or is gone, is told of once, and what it said stays."""

    def __init__(self, path: Path, read: Read) -> None:
        """Raises ValueError: a service does not begin with rules that are wrong."""
        self._file = WatchedFile(path, lambda: read(path))
        self._now = read(path)
        self._looked_at = time.monotonic()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """There are no rules, and the file is as it was when it was looked at last."""
        return self._now.is_empty and not self._is_to_look()

    @property
    def known(self) -> RuleSet:
        """What was read last, whatever the file says by now."""
        return self._now

    async def current(self) -> RuleSet:
        """Whatever the file system does: what was read before goes on where it hangs."""
        if self._is_to_look():
            await self._look()
        return self._now

    async def close(self) -> None:
        for closing in tuple(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._now.close()

    def _is_to_look(self) -> bool:
        return time.monotonic() - self._looked_at >= LOOK_SECONDS

    async def _look(self) -> None:
        seen = await self._file.changed()
        self._looked_at = time.monotonic()
        if seen is None:
            return
        if seen.content is not None:
            self._take(seen.content)
        else:
            error = seen.error
            _log.error("the rules of version %s stay: %s", self._now.version, error or type(error).__name__)

    def _take(self, read: RuleSet) -> None:
        if read.version != self._now.version:
            _log.warning("rules of version %s judge payments, no longer %s", read.version, self._now.version)
        before, self._now = self._now, read
        closing = asyncio.create_task(_close_later(before), name="rules of before")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _close_later(rules: RuleSet) -> None:
    """Once nobody can be asking them any more."""
    try:
        await asyncio.sleep(CLOSED_AFTER_SECONDS)
    finally:
        await rules.close()
