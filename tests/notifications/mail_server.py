"""A real mail server on a real socket. It answers as it is told to, and keeps what it took."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

OK = "250 OK"


@dataclass(frozen=True)
class Taken:
    """What came, whatever was answered."""

    sender: str
    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def text(self) -> str:
        return str(self.message.get_content())


async def ok(_: Taken) -> str:
    return OK


@dataclass
class MailServer:
    """`answers` is asked at the end of each mail; `to_recipient` and `to_sender` before."""

    answers: Callable[[Taken], Awaitable[str]] = ok
    to_recipient: str = OK
    to_sender: str = OK
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=off"

    @property
    def ids(self) -> list[str]:
        return [str(one.message["Message-ID"]) for one in self.taken]

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.to_sender == OK:
            envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.to_recipient == OK:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        taken = Taken(str(envelope.mail_from), envelope.rcpt_tos[0], cast(bytes, envelope.original_content))
        self.taken.append(taken)
        return await self.answers(taken)


@contextlib.asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None, *, is_tls_at_once: bool = False
) -> AsyncIterator[MailServer]:
    """With `tls`, by STARTTLS unless at once; with `login`, for whoever knows user and password only."""
    server = MailServer()
    protocols: list[SMTP] = []

    def authenticated(_: Any, __: Any, ___: Any, mechanism: str, given: Any) -> AuthResult:
        is_known = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == login
        return AuthResult(success=is_known, handled=False)

    def protocol() -> SMTP:
        server.connections += 1
        with warnings.catch_warnings(action="ignore"):  # With TLS at once it takes the connection for an open one.
            made = SMTP(
                server,
                hostname="mail.test",
                tls_context=None if is_tls_at_once else tls,
                require_starttls=tls is not None and not is_tls_at_once,
                authenticator=authenticated if login else None,
                auth_required=login is not None,
                auth_require_tls=not is_tls_at_once,
            )
        protocols.append(made)
        return made

    context = tls if is_tls_at_once else None
    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for one in protocols:
            if one.transport is not None:
                one.transport.close()
        await asyncio.sleep(0)
