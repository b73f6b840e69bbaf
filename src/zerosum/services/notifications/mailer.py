"""Sends the mails of notifications: makes those that events ask for, claims some, hands them in, writes what was said.

Nothing is sent with a transaction open, and each answer is written as soon as it is there: who dies in between has
sent one mail that is sent again, with the same Message-ID, when its claim has lapsed. A mail that the server puts off
is tried again later; one that it refuses is not. While the server is away nothing is claimed, no attempt is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from zerosum.adapters.mail_client import MailAnswer, MailServerAway, MailSession
from zerosum.adapters.webhook_client import jitter_percent
from zerosum.db.engine import Database
from zerosum.db.queries.notification_mails import MailRecord, claim_mails, give_back_mails, record_answer
from zerosum.db.queries.notifications import NotificationRecord, find_notifications, ledgers_with_notifications
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.mail_addresses import is_allowed
from zerosum.domain.notifications import (
    JITTER_PERCENT,
    MailKind,
    MailStatus,
    mail_delay,
    mail_status,
    server_pause,
)
from zerosum.domain.traces import TraceOrigin
from zerosum.services.event_feed import ToldEvent, readable_events_at
from zerosum.services.notifications.composing import composed
from zerosum.services.notifications.limits import MailLimits
from zerosum.services.notifications.making import MailMaking
from zerosum.services.spans import NO_SPANS, Attributes, Spans, StepKind, in_step

MAILS_AT_ONCE = 10
"""Claimed together, and sent over one connection."""

TURN_SECONDS_MAX = 60.0
HAND_IN_TIME = timedelta(seconds=90)
"""What has not been begun by then is given back."""

CLAIM_TIME = timedelta(minutes=3)
"""More than that, and one mail more."""

Render = Callable[[ToldEvent], dict[str, Any]]
"""What an event looks like in the feed."""

_log = logging.getLogger(__name__)


class Client(Protocol):
    @property
    def sender(self) -> str: ...

    def session(self) -> MailSession: ...


@dataclass(slots=True)
class MailStats:
    """Since the process began."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Letter:
    mail: MailRecord
    message: bytes
    claimed_at: datetime
    origin: TraceOrigin | None


class Mailer:
    def __init__(
        self,
        database: Database,
        client: Client,
        limits: MailLimits,
        render: Render,
        now: Callable[[], datetime],
        *,
        only: Sequence[UUID] | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """`only` are the ledgers that it looks after; None: all."""
        self._database = database
        self._client = client
        self._limits = limits
        self._render = render
        self._now = now
        self._only = only
        self._spans = spans
        self._making = MailMaking(database, limits, now)
        self._server_failures = 0
        self._away_until: datetime | None = None
        self.stats = MailStats()

    async def run_once(self) -> None:
        async with self._database.operator_work() as connection:
            ledgers = await ledgers_with_notifications(connection)
        if self._only is not None:
            ledgers = [one for one in ledgers if one in self._only]
        if not ledgers:
            return
        await self._making.make(ledgers)
        clock = asyncio.get_running_loop().time
        end = clock() + TURN_SECONDS_MAX
        while clock() < end and (self._away_until is None or self._away_until <= self._now()):
            letters = await self._claimed(ledgers)
            if letters is None:
                return
            await self._hand_in(letters)

    async def _claimed(self, ledgers: Sequence[UUID]) -> deque[_Letter] | None:
        """None where nothing is due."""
        now = self._now()
        async with self._database.work(*ledgers) as connection:
            mails = await claim_mails(connection, ledgers, now, now + CLAIM_TIME, MAILS_AT_ONCE)
        if not mails:
            return None
        keys = sorted({(mail.ledger_id, mail.notification_id) for mail in mails})
        async with self._database.work(*ledgers) as connection:
            notifications = await find_notifications(connection, keys)
            of_events = [(mail.ledger_id, mail.event) for mail in mails if mail.kind is MailKind.EVENT]
            events = await readable_events_at(connection, of_events)
        letters = deque[_Letter]()
        for mail in mails:
            told = events.get(mail.event.id)
            message = self._message(mail, notifications.get(mail.notification_id), told)
            if isinstance(message, bytes):
                letters.append(_Letter(mail, message, now, None if told is None else told.origin))
            else:
                await self._record(mail, MailStatus.FAILED, MailAnswer(None, message))
        return letters

    def _message(
        self, mail: MailRecord, notification: NotificationRecord | None, told: ToldEvent | None
    ) -> bytes | str:
        """Or why there is none, which keeps nothing else from being sent."""
        if notification is None:
            return "its notification is deleted"
        if not is_allowed(mail.recipient, self._limits.recipient_domains):
            return "no mail is sent to this domain any more"
        if mail.kind is MailKind.EVENT and told is None:
            return "its event cannot be read"
        try:
            return composed(mail, notification, None if told is None else self._render(told), self._client.sender)
        except Exception:
            _log.exception("%s cannot be composed", render_id(Prefix.MAIL, mail.id))
            return "it cannot be composed"

    async def _hand_in(self, letters: deque[_Letter]) -> None:
        """A connection that breaks is opened anew for the rest."""
        try:
            while letters:
                async with self._client.session() as session:
                    while letters and session.is_open:
                        if self._now() - letters[0].claimed_at > HAND_IN_TIME:
                            await self._give_back(letters, self._now())
                            return
                        await self._judge(letters[0].mail, await self._sent(session, letters[0]))
                        letters.popleft()
        except MailServerAway as away:
            self._wait_for_server(str(away))
            await self._give_back(letters, self._away_until or self._now())
        else:
            self._server_failures, self._away_until = 0, None

    async def _sent(self, session: MailSession, letter: _Letter) -> MailAnswer:
        """A part of the trace of what it tells. To whom is told to nobody else."""
        mail = letter.mail
        said: Attributes = {
            "zerosum.id": render_id(Prefix.MAIL, mail.id),
            "zerosum.notification": render_id(Prefix.NOTIFICATION, mail.notification_id),
        }
        step = self._spans.begin("mail", StepKind.ASKS, letter.origin, said)
        with in_step(step) as ended:
            answer = await session.send(mail.recipient, letter.message)
            if mail_status(answer.code, mail.attempts) is not MailStatus.SENT:
                ended.error = "no_answer" if answer.code is None else str(answer.code)
        return answer

    async def _judge(self, mail: MailRecord, answer: MailAnswer) -> None:
        status = mail_status(answer.code, mail.attempts)
        if status is MailStatus.SENT:
            self.stats.sent += 1
        elif status is MailStatus.FAILED:
            self.stats.failed += 1
        await self._record(mail, status, answer)

    async def _record(self, mail: MailRecord, status: MailStatus, answer: MailAnswer) -> None:
        now = self._now()
        next_at = None
        if status is MailStatus.PENDING:
            next_at = now + mail_delay(mail.attempts, jitter_percent(JITTER_PERCENT))
        async with self._database.work(mail.ledger_id) as connection:
            await record_answer(connection, mail, status, next_at, now, answer.code, answer.text)

    def _wait_for_server(self, why: str) -> None:
        self._server_failures += 1
        now = self._now()
        self._away_until = now + server_pause(self._server_failures)
        _log.warning("no mails can be sent now; tried again at %s: %s", self._away_until.isoformat(), why)

    async def _give_back(self, letters: deque[_Letter], next_at: datetime) -> None:
        unsent = [letter.mail for letter in letters]
        letters.clear()
        if unsent:
            async with self._database.work(*{mail.ledger_id for mail in unsent}) as connection:
                await give_back_mails(connection, unsent, next_at)
