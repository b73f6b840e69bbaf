"""What may stand behind the `?` of a PostgreSQL URL: libpq's parameters, and which of them this client can keep."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")

CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": TLS_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": SESSION_ATTRIBUTES,
    "gsslib": ("gssapi", "sspi"),
    "keepalives": ("0", "1"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    # Each of these can only be asked for what this client does anyway.
    "client_encoding": ("auto", "utf8", "UTF8", "utf-8", "UTF-8", "unicode", "UNICODE"),
    "gssencmode": ("disable", "prefer"),
    "channel_binding": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "gssdelegation": ("0",),
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
}
"""The values that a parameter can have here. Where libpq knows more, what they ask for cannot be done."""

NUMBERS = ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
NUMBER_MAX = 2**31 - 1

FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")

WORDS = (
    "host", "port", "dbname", "user", "password", "service",
    "sslpassword", "krbsrvname", "application_name", "fallback_application_name", "options",
)  # fmt: skip

KNOWN = frozenset((*CHOICES, *NUMBERS, *FILES, *WORDS))

IMPOSSIBLE = frozenset({
    "hostaddr", "replication", "requirepeer", "require_auth", "requiressl", "sslcrldir", "sslkeylogfile", "servicefile",
    "scram_client_key", "scram_server_key", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
})  # fmt: skip
"""Known to libpq, and nothing that this client could do or leave undone without a word."""

OTHER_NAMES = {"database": "dbname", "ssl": "sslmode"}
TLS_MODES_OF_OTHERS = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable"}
"""`ssl=true` of JDBC, which libpq takes too."""


class DatabaseUrlError(ValueError):
    """One line that names what is wrong and never shows a value that could hold a password."""


def checked_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Under libpq's names. Raises DatabaseUrlError for what is unknown, malformed or cannot be done."""
    found: dict[str, str] = {}
    for name, value in given.items():
        found[OTHER_NAMES.get(name, name)] = TLS_MODES_OF_OTHERS.get(value, value) if name == "ssl" else value
    for name, value in found.items():
        _check(name, value)
    return found


def _check(name: str, value: str) -> None:
    if name in IMPOSSIBLE:
        raise DatabaseUrlError(f"the parameter {name} cannot be used here")
    if name not in KNOWN:
        close = difflib.get_close_matches(name, sorted(KNOWN), n=1, cutoff=0.85)
        hint = f": is {close[0]} meant?" if close else ": settings of the server go into options=-c%20name%3Dvalue"
        raise DatabaseUrlError(f"the parameter {name[:64]!r} is unknown{hint}")
    if name in CHOICES and value not in CHOICES[name]:
        raise DatabaseUrlError(f"the parameter {name} can only be {' or '.join(CHOICES[name])} here")
    if name in NUMBERS and not (value.isascii() and value.isdigit() and int(value) <= NUMBER_MAX):
        raise DatabaseUrlError(f"the parameter {name} must be a whole number")
    if "\0" in value:
        raise DatabaseUrlError(f"the parameter {name} holds a NUL")
    if name == "options" and "search_path" in value and not _is_public(value):
        raise DatabaseUrlError("the parameter options sets a search_path: Zerosum lives in the schema public")


def _is_public(options: str) -> bool:
    """Whether the search path they set is `public`, and nothing before it."""
    words = options.replace("--", "-c").replace("-c ", "-c").split()
    paths = [word.partition("=")[2] for word in words if word.startswith("-csearch_path=")]
    return bool(paths) and all(path.strip("'\"").partition(",")[0].strip("'\"\\ ") == "public" for path in paths)
