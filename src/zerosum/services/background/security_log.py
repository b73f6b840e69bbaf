"""Refusals in the security log: told of without waiting, sampled, and written in the background.

Who is refused could otherwise fill the database by asking again and again. So a process writes a refusal of one kind
(type, caller, address, route) once a minute, of one stranger's address or one ledger some a minute, and no more than so
many rows a minute and an hour. What is left out is counted, and the count is written when there is room again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.audit_log import AuditRecord, insert_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.audit import log_record
from zerosum.services.requests.caller import Caller

ROWS_A_MINUTE: Final = 20
ROWS_A_MINUTE_OF_ONE: Final = 5
ROWS_AN_HOUR: Final = 200
"""Of one process, for strangers and for known callers each: some megabytes a month at most, whoever attacks."""

WAITING_MAX: Final = 4 * ROWS_A_MINUTE
"""Rows that wait to be written. While the database is away, those beyond are left out, and counted."""

WRITTEN_EVERY_SECONDS = 1.0

UNAUTHENTICATED: Final = 401

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """A request that was refused for what its caller is or may do. `target` is the route: nothing the caller wrote.

    Without `refusal` only the status is known. `caller` is None for a stranger.
    """

    status: int
    refusal: DomainError | None
    caller: Caller | None
    address: str
    request_id: str
    target: str

    @property
    def type(self) -> AuditType:
        is_denied = self.status != UNAUTHENTICATED and self.code != "origin_not_allowed"
        return AuditType.SCOPE_DENIED if is_denied else AuditType.CREDENTIAL_REFUSED

    @property
    def code(self) -> str:
        if self.refusal is not None:
            return self.refusal.code
        return "unauthenticated" if self.status == UNAUTHENTICATED else "forbidden"

    @property
    def reason(self) -> str | None:
        if isinstance(self.refusal, Unauthenticated) and self.refusal.because:
            return self.refusal.because
        return None if self.refusal is None else self.refusal.detail

    def record(self, now: datetime) -> AuditRecord:
        facts = {"code": self.code, "target": self.target}
        if self.refusal is not None and "scope" in self.refusal.facts:
            facts["scope"] = str(self.refusal.facts["scope"])
        return AuditRecord(
            ledger_id=SERVICE_LEDGER if self.caller is None else self.caller.ledger_id,
            id=new_uuid(),
            recorded_at=now,
            type=self.type,
            actor=None if self.caller is None else self.caller.actor,
            address=self.address,
            request_id=self.request_id,
            resource=None,
            reason=self.reason,
            facts=facts,
        )


@dataclass(slots=True)
class _Window:
    """What is granted to strangers or to known callers: neither can crowd out what is told of the others."""

    minute: int = -1
    hour: int = -1
    rows_in_minute: int = 0
    rows_in_hour: int = 0
    seen: set[tuple[object, ...]] = field(default_factory=set)
    of_one: Counter[object] = field(default_factory=Counter)
    suppressed: int = 0

    def admits(self, one: object, what: tuple[object, ...], seconds: float) -> bool:
        """Whether a row is to be written of `what`, that this `one` has caused."""
        self._turn(seconds)
        if what in self.seen or self.is_full or self.of_one[one] >= ROWS_A_MINUTE_OF_ONE:
            self.suppressed += 1
            return False
        self.seen.add(what)
        self.of_one[one] += 1
        self._count_row()
        return True

    def take_suppressed(self, seconds: float) -> int:
        """How many were left out, once the minute in which they were is over and a row for it is free."""
        minute = self.minute
        self._turn(seconds)
        if not self.suppressed or self.minute == minute or self.is_full:
            return 0
        count, self.suppressed = self.suppressed, 0
        self._count_row()
        return count

    @property
    def is_full(self) -> bool:
        return self.rows_in_minute >= ROWS_A_MINUTE or self.rows_in_hour >= ROWS_AN_HOUR

    def _count_row(self) -> None:
        self.rows_in_minute += 1
        self.rows_in_hour += 1

    def _turn(self, seconds: float) -> None:
        minute, hour = int(seconds // 60), int(seconds // 3600)
        if minute != self.minute:
            self.minute, self.rows_in_minute = minute, 0
            self.seen.clear()
            self.of_one.clear()
        if hour != self.hour:
            self.hour, self.rows_in_hour = hour, 0


class SecurityLog:
    """One a process. `clock` is monotonic, in seconds."""

    def __init__(self, database: Database, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._strangers = _Window()
        self._known = _Window()
        self._waiting: deque[AuditRecord] = deque()
        self._writing = asyncio.Lock()

    def refused(self, request: RefusedRequest) -> None:
        """Never waits, and costs little where the same was told a moment ago."""
        caller = request.caller
        window, one = (self._strangers, request.address) if caller is None else (self._known, str(caller.ledger_id))
        what = (request.status, request.code, caller, request.address, request.target)
        if window.admits(one, what, self._clock()):
            self._add(request.record(self._now()), window)

    async def write_forever(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITTEN_EVERY_SECONDS)
            try:
                await self.write()
            except Exception as error:
                _log.warning("the security log cannot be written now (%s)", type(error).__name__)

    async def write(self) -> None:
        """What waits, one at a time. Raises Unavailable; then it waits on."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        for window, who in ((self._strangers, "strangers"), (self._known, "known callers")):
            count = window.take_suppressed(self._clock())
            if count:
                self._add(self._summary(count, who), window)
        batch = list(self._waiting)
        if not batch:
            return
        async with self._database.work(*{record.ledger_id for record in batch}) as connection:
            await insert_audit_records(connection, batch)
        for _ in batch:
            self._waiting.popleft()

    def _summary(self, count: int, who: str) -> AuditRecord:
        return AuditRecord(
            ledger_id=SERVICE_LEDGER,
            id=new_uuid(),
            recorded_at=self._now(),
            type=AuditType.REFUSALS_SUPPRESSED,
            actor=None,
            address=None,
            request_id=None,
            resource=None,
            reason=f"Refusals of {who} that were told already, or were more than is written in a minute or an hour.",
            occurrences=count,
        )

    def _add(self, record: AuditRecord, window: _Window) -> None:
        log_record(record, logging.WARNING)
        if len(self._waiting) >= WAITING_MAX:
            window.suppressed += record.occurrences
        else:
            self._waiting.append(record)
