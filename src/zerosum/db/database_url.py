"""A PostgreSQL URL taken apart, once and for every command: as libpq reads it, parameters and several hosts included.

Everything that opens a connection goes by the same parts, so that what works for one command works for all.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from zerosum.db.url_parameters import FILES, checked_parameters
from zerosum.db.url_parameters import DatabaseUrlError as DatabaseUrlError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
LIKE_THIS = "postgresql://user:password@host:5432/database"
PORT = 5432
PORT_MAX = 65535
CONNECT_SECONDS_MAX = 60.0
"""Longer than this nobody waits, whatever the URL says."""

SYSTEM_ROOTS = "system"
"""`sslrootcert=system`: the certificate authorities that the machine trusts."""

_TLS = ("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl",
        "ssl_min_protocol_version", "ssl_max_protocol_version", "service")  # fmt: skip
_PARTS = re.compile(r"(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.DOTALL)
_ARGUMENTS = ("passfile", "target_session_attrs", "krbsrvname", "gsslib")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Made by `parse`. What is None is chosen as libpq does: from PG… variables, the password file, the account."""

    hosts: tuple[tuple[str, int | None], ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    parameters: dict[str, str] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Raises DatabaseUrlError."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES:
            raise DatabaseUrlError(f"must be written like {LIKE_THIS}")
        parts = _PARTS.fullmatch(rest)
        assert parts is not None, "every text has these parts, if only empty ones"
        login, _, places = parts["authority"].rpartition("@")
        user, _, password = login.partition(":")
        given = {"user": _text(user), "password": _text(password), "dbname": _text((parts["path"] or "")[1:])}
        parameters = checked_parameters({**given, **_query((parts["query"] or "")[1:])})
        host, port = parameters.pop("host", ""), parameters.pop("port", "")
        if parameters.get("sslrootcert") == SYSTEM_ROOTS and parameters.get("sslmode", "verify-full") != "verify-full":
            raise DatabaseUrlError(f"sslrootcert={SYSTEM_ROOTS} needs sslmode=verify-full")
        return cls(
            hosts=_with_parameters(_places(places), host, port),
            user=parameters.pop("user") or None,
            password=parameters.pop("password") or None,
            database=parameters.pop("dbname") or None,
            parameters=parameters,
        )

    @property
    def application_name(self) -> str | None:
        return self.parameters.get("application_name") or self.parameters.get("fallback_application_name")

    def connect_seconds(self, usual: float) -> float:
        """The URL's `connect_timeout`, which libpq takes for endless when it is 0: here it is then the usual time."""
        return min(float(self.parameters.get("connect_timeout") or 0), CONNECT_SECONDS_MAX) or usual

    def arguments(self) -> dict[str, Any]:
        """For the driver. TLS travels in a DSN of its own: the driver reads the files when it connects."""
        given = {name: self.parameters[name] for name in _TLS if self.parameters.get(name)}
        tls = _system_roots(given) if given.get("sslrootcert") == SYSTEM_ROOTS else None
        hosts = [host for host, _ in self.hosts]
        ports = [port or PORT for _, port in self.hosts]
        has_ports = any(port is not None for _, port in self.hosts)
        return {
            "dsn": f"postgresql://?{urlencode(given, quote_via=quote)}" if given and tls is None else "postgresql://",
            "ssl": tls,
            "host": hosts or None,
            "port": ports if hosts and has_ports else None,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            **{name: self.parameters[name] for name in _ARGUMENTS if self.parameters.get(name)},
        }

    def check_files(self) -> None:
        """Whether the files it names can be read: the driver would not say which. Raises DatabaseUrlError."""
        for name in FILES:
            path = self.parameters.get(name)
            if not path or (name == "sslrootcert" and path == SYSTEM_ROOTS):
                continue
            try:
                with Path(path).open("rb"):
                    pass
            except OSError as error:
                raise DatabaseUrlError(f"{name}: {path} cannot be read ({error.strerror})") from None


def _query(text: str) -> dict[str, str]:
    """As libpq: pairs between `&`, percent-encoded, of two of a name the last one; `+` is a plus."""
    found: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise DatabaseUrlError("a parameter has no value: write name=value, and & between them")
        found[_text(name)] = _text(value)
    return found


def _text(encoded: str) -> str:
    try:
        text = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise DatabaseUrlError("its percent-encoded characters are no UTF-8") from None
    if "\0" in text:
        raise DatabaseUrlError("it holds a NUL")
    return text


def _places(text: str) -> list[tuple[str, str]]:
    """Host and port, each as it is written, of one or several."""
    found = []
    for place in filter(None, text.split(",")):
        if place.startswith("["):
            host, bracket, port = place[1:].partition("]")
            if not bracket or port[:1] not in ("", ":"):
                raise DatabaseUrlError("an IPv6 address is written [::1]:5432")
            found.append((host, port[1:]))
        else:
            host, _, port = place.partition(":")
            found.append((_text(host), port))
    return found


def _with_parameters(places: list[tuple[str, str]], host: str, port: str) -> tuple[tuple[str, int | None], ...]:
    """`host=` and `port=` of the query win over what stands before it."""
    if host:
        places = [(name, "") for name in host.split(",")]
    ports = port.split(",") if port else []
    if len(ports) > 1 and len(ports) != len(places):
        raise DatabaseUrlError("the parameter port must name one port, or one for each host")
    if ports:
        places = [(name, ports[place % len(ports)]) for place, (name, _) in enumerate(places or [("localhost", "")])]
    return tuple((name or "localhost", _port(number)) for name, number in places)


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= PORT_MAX):
        raise DatabaseUrlError(
            f"must be written like {LIKE_THIS}, its port from 1 to {PORT_MAX}, in a password / and ? percent-encoded"
        )
    return int(text)


def _system_roots(given: dict[str, str]) -> ssl.SSLContext:
    """The name is checked too: a certificate of just anybody's would prove nothing."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if "sslcert" in given:
        context.load_cert_chain(given["sslcert"], given.get("sslkey"), given.get("sslpassword", ""))
    return context
