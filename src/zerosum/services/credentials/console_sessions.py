"""Sessions of the console: who has signed in, as what, and until when.

    a link or an issuer -> open -> find, again and again -> step up before writing -> end

A token is 16 bytes of an id and 32 of a secret: the id says which row to read, the digest of the whole whether it is
the one. Roles are words here; what each may do is the console's business.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from zerosum.db.credentials.console_sessions import (
    LinkRecord,
    delete_older,
    find_session,
    insert_link,
    insert_session,
    lock_link,
    mark_link_used,
    update_session,
)
from zerosum.db.credentials.console_sessions import SessionRecord as SessionRecord  # shown by the console
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.audit import AuditType
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import SignInRefused
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.audit import AuditRecord, audit_record, audited
from zerosum.services.credentials import base64url
from zerosum.services.requests.caller import THE_SERVICE, Caller

LINK_LASTS = timedelta(minutes=15)
IDLE_MAX = timedelta(minutes=30)
"""A session that nobody has used for so long has ended."""

SESSION_MAX = timedelta(hours=12)
"""So long a session lasts, however much it is used."""

STEPPED_UP_FOR = timedelta(minutes=10)
"""So long after somebody has shown anew who they are they may write."""

USES_APART = timedelta(minutes=1)
"""A use is written down at most so often: a page costs one read, and rarely a write."""

_SECRET_BYTES = 32
_TOKEN_BYTES = 16 + _SECRET_BYTES


class ConsoleSessions:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def make_link(
        self, subject: str, role: Role, ledgers: tuple[UUID, ...] | None, caller: Caller = THE_SERVICE
    ) -> str:
        """The token of a link that signs in once, as `subject`, within LINK_LASTS."""
        id_, token = _new_token()
        now = self._now()
        link = LinkRecord(
            id=id_,
            digest=_digest(token),
            subject=subject,
            role=role.value,
            ledgers=ledgers,
            made_at=now,
            expires_at=now + LINK_LASTS,
        )
        made = audit_record(
            AuditType.CONSOLE_LINK_MADE,
            replace(caller, ledger_id=SERVICE_LEDGER),
            now,
            resource=subject,
            facts={"role": role.value},
        )
        async with self._database.work(SERVICE_LEDGER) as connection:
            await delete_older(connection, now - 2 * SESSION_MAX)
            await insert_link(connection, link)
            await audited(connection, made)
        return token

    async def open_by_link(self, token: str, caller: Caller) -> str:
        """The token of a new session. Raises SignInRefused for a link that is unknown, used or too old."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            link = await self._used(connection, token)
            return await self._opened(connection, link.subject, Role(link.role), link.ledgers, "link", caller)

    async def step_up_by_link(self, session: SessionRecord, token: str, caller: Caller) -> None:
        """A new link for the same person shows anew who it is. Raises SignInRefused."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            link = await self._used(connection, token)
            if link.subject != session.subject:
                raise SignInRefused("This link is somebody else's.")
            await self._stepped_up(connection, session, caller)

    async def open_by_issuer(
        self,
        subject: str,
        role: Role,
        ledgers: tuple[UUID, ...] | None,
        caller: Caller,
        *,
        may_write: bool,
        claimed: str | None = None,
    ) -> str:
        """Without `may_write` they are to show anew who they are before the first write. `claimed` gave the role."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            await delete_older(connection, self._now() - 2 * SESSION_MAX)
            return await self._opened(
                connection, subject, role, ledgers, "issuer", caller, may_write=may_write, claimed=claimed
            )

    async def find(self, token: str, *, is_used: bool = True) -> SessionRecord | None:
        """None: it is no session, or has ended. What a page asks for by itself is no use of it."""
        id_ = _id_of(token)
        if id_ is None:
            return None
        now = self._now()
        async with self._database.work(SERVICE_LEDGER) as connection:
            session = await find_session(connection, id_)
            if session is None or not hmac.compare_digest(session.digest, _digest(token)) or not is_good(session, now):
                return None
            if is_used and now - session.used_at >= USES_APART:
                await update_session(connection, id_, used_at=now)
        return session

    async def end(self, session: SessionRecord, caller: Caller) -> None:
        now = self._now()
        async with self._database.work(SERVICE_LEDGER) as connection:
            await update_session(connection, session.id, ended_at=now)
            await audited(connection, _told(AuditType.CONSOLE_SIGNED_OUT, session.subject, caller, now))

    async def _used(self, connection: Connection, token: str) -> LinkRecord:
        id_ = _id_of(token)
        link = None if id_ is None else await lock_link(connection, id_)
        now = self._now()
        if link is None or not hmac.compare_digest(link.digest, _digest(token)):
            raise SignInRefused("This is no link of this service.")
        if link.used_at is not None or now >= link.expires_at:
            raise SignInRefused("This link was used before, or is too old.")
        await mark_link_used(connection, link.id, now)
        return link

    async def _opened(
        self,
        connection: Connection,
        subject: str,
        role: Role,
        ledgers: tuple[UUID, ...] | None,
        way: str,
        caller: Caller,
        *,
        may_write: bool = True,
        claimed: str | None = None,
    ) -> str:
        id_, token = _new_token()
        now = self._now()
        session = SessionRecord(
            id=id_,
            digest=_digest(token),
            subject=subject,
            role=role.value,
            ledgers=ledgers,
            way=way,
            made_at=now,
            used_at=now,
            stepped_up_at=now if may_write else now - STEPPED_UP_FOR,
            claimed=claimed,
        )
        await insert_session(connection, session)
        facts = {"role": role.value, "way": way}
        await audited(connection, _told(AuditType.CONSOLE_SIGNED_IN, subject, caller, now, facts))
        return token

    async def _stepped_up(self, connection: Connection, session: SessionRecord, caller: Caller) -> None:
        now = self._now()
        await update_session(connection, session.id, stepped_up_at=now, used_at=now)
        await audited(connection, _told(AuditType.CONSOLE_STEPPED_UP, session.subject, caller, now))


def is_good(session: SessionRecord, now: datetime) -> bool:
    is_kept = now - session.used_at < IDLE_MAX and now - session.made_at < SESSION_MAX
    return session.ended_at is None and is_kept


def may_write(session: SessionRecord, now: datetime) -> bool:
    """Whether they have shown lately who they are."""
    return now - session.stepped_up_at < STEPPED_UP_FOR


DONE_SHOWN_FOR = timedelta(minutes=1)
"""A page that is kept, or opened once more, does not say it again for long."""

DONE_DIGITS = 32
SECONDS_DIGITS_MAX = 12


def csrf_token(token: str) -> str:
    """What every form of this session carries: nobody else can make it, and it tells nothing of the session."""
    return sha256(b"zerosum.console.csrf.v1" + token.encode("ascii")).hexdigest()


def done_mark(token: str, path: str, at: datetime) -> str:
    """What an act leaves in the address of the page that it leads to, so that this page may say that it was done.

    Nobody else can make one, it is for that page alone, and says it for DONE_SHOWN_FOR.
    """
    seconds = int(at.timestamp())
    return f"{seconds}.{_done_mac(token, path, seconds)}"


def is_done_mark(mark: str, token: str, path: str, now: datetime) -> bool:
    seconds, _, mac = mark.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= SECONDS_DIGITS_MAX and mac.isascii()):
        return False
    age = now.timestamp() - int(seconds)
    is_fresh = -1.0 <= age <= DONE_SHOWN_FOR.total_seconds()
    return is_fresh and hmac.compare_digest(mac, _done_mac(token, path, int(seconds)))


def _done_mac(token: str, path: str, seconds: int) -> str:
    said = f"zerosum.console.done.v1 {seconds} {path}".encode()
    return hmac.new(token.encode("ascii"), said, sha256).hexdigest()[:DONE_DIGITS]


def _told(
    type_: AuditType, subject: str, caller: Caller, now: datetime, facts: dict[str, str] | None = None
) -> AuditRecord:
    told = replace(caller, ledger_id=SERVICE_LEDGER, actor=subject)
    return audit_record(type_, told, now, resource=None, facts=facts)


def _new_token() -> tuple[UUID, str]:
    id_ = new_uuid()
    return id_, base64url.encode(id_.bytes + secrets.token_bytes(_SECRET_BYTES))


def _id_of(token: str) -> UUID | None:
    try:
        raw = base64url.decode(token)
    except ValueError:
        return None
    return UUID(bytes=raw[:16]) if len(raw) == _TOKEN_BYTES else None


def _digest(token: str) -> bytes:
    return sha256(token.encode("ascii")).digest()
