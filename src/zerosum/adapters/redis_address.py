"""Where Redis is, from its URL: redis://, rediss:// (TLS) or unix://, under the parameter names that redis-py uses."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

LIKE_THIS = "redis://:password@host:6379/0 (or rediss://, unix://)"
PORT = 6379
PORT_MAX = 65535
DATABASE_MAX = 2**31 - 1

WORDS = ("db", "username", "password")
TLS_WORDS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_ciphers",
             "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version")  # fmt: skip

_REQUIREMENTS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TLS_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3,
                 "771": ssl.TLSVersion.TLSv1_2, "772": ssl.TLSVersion.TLSv1_3}  # fmt: skip
"""By name, and by the number of Python's `ssl`, which redis-py takes."""

_CHOICES: Mapping[str, Mapping[str, object]] = {
    "ssl_cert_reqs": _REQUIREMENTS,
    "ssl_check_hostname": _TRUTHS,
    "ssl_min_version": _TLS_VERSIONS,
}
_PARTS = re.compile(r"(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?", re.DOTALL)


class RedisUrlError(ValueError):
    """One line that names what is wrong and never shows a value that could hold a password."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Made by `parse`."""

    host: str
    port: int
    path: str | None
    is_tls: bool
    greeting: tuple[tuple[str | int, ...], ...] = field(repr=False)
    """What to say to it first."""
    parameters: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises RedisUrlError."""
        scheme, _, rest = url.partition("://")
        parts = _PARTS.fullmatch(rest)
        if scheme not in ("redis", "rediss", "unix") or parts is None:
            raise RedisUrlError(f"must be written like {LIKE_THIS}")
        parameters = _parameters(parts["query"] or "", is_tls=scheme == "rediss")
        login, _, place = parts["authority"].rpartition("@")
        user, _, password = login.partition(":")
        host, port = _place(place)
        path = unquote(parts["path"] or "")
        database = parameters.get("db", "" if scheme == "unix" else path[1:])
        if scheme == "unix" and not path:
            raise RedisUrlError("must be written like unix:///run/redis.sock")
        return cls(
            host=host,
            port=port,
            path=path if scheme == "unix" else None,
            is_tls=scheme == "rediss",
            greeting=_greeting(
                unquote(user) or parameters.get("username", ""),
                unquote(password) or parameters.get("password", ""),
                database,
            ),
            parameters=parameters,
        )

    def tls(self) -> ssl.SSLContext | None:
        """None without TLS. Raises RedisUrlError where a file cannot be read or is not what it should be."""
        if not self.is_tls:
            return None
        given = self.parameters
        context = ssl.create_default_context()
        requirement = _REQUIREMENTS[given.get("ssl_cert_reqs", "required")]
        is_checked = _TRUTHS[given.get("ssl_check_hostname", "true")] and requirement is not ssl.CERT_NONE
        context.check_hostname = is_checked
        context.verify_mode = requirement
        if "ssl_min_version" in given:
            context.minimum_version = _TLS_VERSIONS[given["ssl_min_version"]]
        try:
            if "ssl_ca_certs" in given or "ssl_ca_path" in given:
                context.load_verify_locations(given.get("ssl_ca_certs"), given.get("ssl_ca_path"))
            if "ssl_certfile" in given:
                password = given.get("ssl_password", "")
                context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"), lambda: password)
            if "ssl_ciphers" in given:
                context.set_ciphers(given["ssl_ciphers"])
        except OSError as error:
            raise RedisUrlError(f"its certificates or ciphers cannot be used ({error.strerror or error})") from None
        return context


def _parameters(query: str, *, is_tls: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = (unquote(part) for part in pair.partition("="))
        if name not in (*WORDS, *TLS_WORDS):
            raise RedisUrlError(f"the parameter {name[:64]!r} is unknown: it can be {', '.join((*WORDS, *TLS_WORDS))}")
        if not equals or not value:
            raise RedisUrlError(f"the parameter {name} has no value")
        if name in TLS_WORDS and not is_tls:
            raise RedisUrlError(f"the parameter {name} needs rediss://")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise RedisUrlError(f"the parameter {name} can only be {' or '.join(_CHOICES[name])}")
        found[name] = value
    if "ssl_keyfile" in found and "ssl_certfile" not in found:
        raise RedisUrlError("the parameter ssl_keyfile needs ssl_certfile")
    return found


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d*$", text) and not text.endswith("]") else (text, "", "")
    if (port and not (port.isascii() and 0 < int(port) <= PORT_MAX)) or (":" in host and not host.startswith("[")):
        raise RedisUrlError(f"must be written like {LIKE_THIS}, in a password / and ? percent-encoded")
    return unquote(host.strip("[]")) or "localhost", int(port or PORT)


def _greeting(user: str, password: str, database: str) -> tuple[tuple[str | int, ...], ...]:
    if database and not (database.isascii() and database.isdigit() and int(database) <= DATABASE_MAX):
        raise RedisUrlError(f"must be written like {LIKE_THIS}: its database is a number")
    greeting: list[tuple[str | int, ...]] = []
    if password:
        greeting.append(("AUTH", user, password) if user else ("AUTH", password))
    if database and int(database):
        greeting.append(("SELECT", int(database)))
    return (*greeting, ("PING",))
