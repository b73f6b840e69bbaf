"""Where mails are handed in, from a URL: smtp://host:587 (STARTTLS, always) or smtps://host:465 (TLS at once)."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

LIKE_THIS = "smtp://mail.example.com:587 or smtps://mail.example.com:465"
PORTS = {"smtp": 587, "smtps": 465}
WITHOUT_TLS = "tls=off"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST = re.compile(r"[A-Za-z0-9.:_-]+", re.ASCII)


class MailServerWrong(ValueError):
    """One line that never shows a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Made by `parse`. `is_tls`: from the start; else by STARTTLS, unless it `is_plain`."""

    host: str
    port: int
    is_tls: bool
    is_plain: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    @classmethod
    def parse(
        cls, url: str, *, user: str | None = None, password: str | None = None, ca: Path | None = None
    ) -> MailServer:
        """`tls=off` behind a `?` sends in the clear, and no password but to this machine. Raises MailServerWrong."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise MailServerWrong(f"must be written like {LIKE_THIS}") from None
        host = parts.hostname
        if (
            parts.scheme not in PORTS
            or not host
            or not _HOST.fullmatch(host)
            or parts.path not in ("", "/")
            or port == 0
        ):
            raise MailServerWrong(f"must be written like {LIKE_THIS}")
        if "@" in parts.netloc:
            raise MailServerWrong("holds a user: that goes into ZEROSUM_SMTP_USER and ZEROSUM_SMTP_PASSWORD")
        is_plain = parts.query == WITHOUT_TLS
        if parts.fragment or (parts.query and not is_plain) or (is_plain and parts.scheme == "smtps"):
            raise MailServerWrong(f"its only parameter is {WITHOUT_TLS}, of smtp://")
        if is_plain and password and host not in LOCAL_HOSTS:
            raise MailServerWrong(f"with {WITHOUT_TLS} no password is sent but to this machine")
        return cls(
            host=host,
            port=port or PORTS[parts.scheme],
            is_tls=parts.scheme == "smtps",
            is_plain=is_plain,
            user=user or None,
            password=password or None,
            ca=ca,
        )

    def tls(self) -> ssl.SSLContext | None:
        """Raises MailServerWrong where the file of the CA is none."""
        if self.is_plain:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise MailServerWrong(f"ZEROSUM_SMTP_CA cannot be used ({error.strerror or error})") from None
