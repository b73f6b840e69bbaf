"""Hands mails to the mail server of the installation: one connection for several, within bounds of time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

import aiosmtplib

from zerosum.adapters.mail_server import MailServer

STEP_SECONDS_MAX = 15.0
"""For an answer of the server; also to connect."""

OPEN_SECONDS_MAX = 30.0
MAIL_SECONDS_MAX = 45.0
"""For all steps of one mail together."""

TEXT_CHARACTERS_MAX = 500

TOO_LARGE = 552
"""Said where the sender is named, for the size is told with it; and still it is said of that mail alone."""


class MailServerAway(Exception):
    """Nothing can be handed in now, whatever it is: no connection, no TLS, no login, or our sender is not taken."""


@dataclass(frozen=True, slots=True)
class MailAnswer:
    """What was said to one mail. `code` None: nothing, so nobody knows whether it was taken."""

    code: int | None
    text: str


class MailSession:
    """One connection. After an answer without a code it is of no use any more."""

    def __init__(self, server: MailServer, sender: str) -> None:
        self._sender = sender
        self._tls = server.tls()
        self._smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.is_tls,
            start_tls=not (server.is_tls or server.is_plain),
            tls_context=self._tls,
            timeout=STEP_SECONDS_MAX,
        )

    async def __aenter__(self) -> MailSession:
        """Raises MailServerAway."""
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await self._smtp.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            self._smtp.close()
            raise MailServerAway(_told(error)) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            if self._smtp.is_connected and error is None:
                async with asyncio.timeout(STEP_SECONDS_MAX):
                    await self._smtp.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            pass  # It has what it was given.
        finally:
            self._smtp.close()

    @property
    def is_open(self) -> bool:
        return self._smtp.is_connected

    async def send(self, recipient: str, message: bytes) -> MailAnswer:
        """To one recipient. Raises MailServerAway, after which the mail was certainly not taken."""
        try:
            async with asyncio.timeout(MAIL_SECONDS_MAX):
                _, text = await self._smtp.sendmail(self._sender, [recipient], message)
        except aiosmtplib.SMTPSenderRefused as refusal:
            if refusal.code == TOO_LARGE:
                return _answer(refusal.code, refusal.message)
            raise MailServerAway(f"the sender is refused: {_told(refusal)}") from None
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            first = refusal.recipients[0]
            return _answer(first.code, first.message)
        except aiosmtplib.SMTPResponseException as refusal:
            return _answer(refusal.code, refusal.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._smtp.close()
            return MailAnswer(None, _told(error))
        return MailAnswer(250, _short(text))


class MailClient:
    """`sender` is the address all mails come from, and the one that what cannot be delivered goes back to."""

    def __init__(self, server: MailServer, sender: str) -> None:
        server.tls()
        self._server = server
        self.sender = sender

    def session(self) -> MailSession:
        return MailSession(self._server, self.sender)


def _answer(code: int, text: str) -> MailAnswer:
    """A number that SMTP does not have says nothing."""
    return MailAnswer(code if 200 <= code <= 599 else None, _short(text))


def _told(error: BaseException) -> str:
    return _short(f"{type(error).__name__}: {error}")


def _short(text: str) -> str:
    return " ".join(text.split())[:TEXT_CHARACTERS_MAX]
