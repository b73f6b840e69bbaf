"""Addresses of brokers: a URL each, with what is ours in its query."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from zerosum.cli.talk import USAGE, CommandFailed

if TYPE_CHECKING:
    # What is not used is not loaded.
    from zerosum.adapters.streams.kafka import KafkaAddress

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
OF_KAFKA = ("mechanism", "ca", "session_ms")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without what is ours in its query."""

    url: SplitResult
    shown: str
    """Without a password."""
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> Address:
        """Raises CommandFailed."""
        try:
            url = urlsplit(text)
            if "," not in url.netloc and url.port == 0:
                raise ValueError("port")
        except ValueError:
            raise CommandFailed("the address of a broker is a URL like kafka://host:9092/topic", USAGE) from None
        if ("@" in f"{url.path}{url.query}" and "@" not in url.netloc) or url.fragment:
            # Part of a password lies behind what looks like the host, and would be shown.
            raise CommandFailed(
                "in the address of a broker / ? # and @ of a password or a name are %2F %3F %23 and %40", USAGE
            )
        shown = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        options: dict[str, str] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            if name not in known:
                raise CommandFailed(f"{shown}: the parameter {name[:64]!r} is unknown: {', '.join(known)}", USAGE)
            options[name] = value
        return cls(url._replace(query=""), shown, options)

    @property
    def host(self) -> str:
        return self.url.hostname or "localhost"

    @property
    def server(self) -> str:
        """The URL without its path."""
        return self.url._replace(path="").geturl()

    @property
    def path(self) -> str:
        return unquote(self.url.path.lstrip("/"))

    def required(self, name: str) -> str:
        """Raises CommandFailed."""
        value = self.options.get(name)
        if not value:
            raise CommandFailed(f"{self.shown}: say ?{name}=…", USAGE)
        return value

    def name(self, default: str) -> str:
        """What positions and derived keys call it. Raises CommandFailed."""
        name = self.options.get("name", default)
        if NAME.fullmatch(name) is None:
            raise CommandFailed(f"{self.shown}: a name has up to 64 letters, digits and _.-", USAGE)
        return name


def kafka_address(address: Address) -> KafkaAddress:
    from zerosum.adapters.streams.kafka import SESSION_MILLISECONDS, KafkaAddress  # noqa: PLC0415

    session = address.options.get("session_ms", str(SESSION_MILLISECONDS))
    if not session.isascii() or not session.isdigit():
        raise CommandFailed(f"{address.shown}: session_ms is a number", USAGE)
    login, _, servers = address.url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return KafkaAddress(
        servers=servers,
        user=unquote(user) or None,
        password=unquote(password) or None,
        mechanism=address.options.get("mechanism", "SCRAM-SHA-512"),
        is_tls=address.url.scheme == "kafkas",
        ca=address.options.get("ca"),
        session_milliseconds=int(session),
    )


def need(package: str, extra: str, address: Address) -> None:
    """Raises CommandFailed where an extra is not installed."""
    if importlib.util.find_spec(package) is None:
        raise CommandFailed(f"{address.shown}: pip install 'zerosum[{extra}]'", USAGE)
