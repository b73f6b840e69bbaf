"""What is looked at before anything listens: names of settings, secrets that are none, libraries that lose payments,
who could listen in, where metrics are counted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from zerosum.cli.talk import USAGE, CommandFailed, say
from zerosum.config import Settings, check_environment
from zerosum.embedded import EmbeddedError, own_folder

METRICS_FILE = re.compile(
    r"(process-\d+-[0-9a-f]{12}|ended)\.json(\.part)?|ended\.lock|(counter|histogram|summary|gauge_[a-z]+)_\d+\.db",
    re.ASCII,
)
"""The last of them are of earlier versions."""


DISTINCT_BYTES_MIN = 8
"""Of 32 random bytes some 30 differ, of a text of random hex digits nearly all sixteen."""

WORDS_OF_EXAMPLES = (b"changeme", b"change-me", b"change_me", b"example", b"password", b"secret", b"zerosum")

LIBRARIES_MIN = {
    "sqlalchemy": ((2, 1), "before, cancelled requests could have COMMITs acknowledged that never happened"),
    "python-jose": ((3, 5), "before, it takes public keys for secrets and unpacks tokens without end"),
    "redis": ((5,), "before, a cancelled request could be given the answer of another"),
}
"""Installed past the locks, an older one would start and be wrong seldom."""


def check_made_up_secrets(settings: Settings) -> None:
    """What somebody has typed protects nothing. Raises CommandFailed, SettingsError."""
    given = settings.installation_secrets()
    secrets = [("ZEROSUM_API_KEY_PEPPER", given.pepper), ("ZEROSUM_CURSOR_SECRET", given.cursor_secret)]
    secrets += [("ZEROSUM_MASTER_KEYS", key) for key in given.master_keys.values()]
    for variable, secret in secrets:
        if secret is not None and _is_made_up(secret):
            raise CommandFailed(f"{variable} is made up: take a random one (openssl rand -base64 32)", USAGE)


def _is_made_up(secret: bytes) -> bool:
    return len(set(secret)) < DISTINCT_BYTES_MIN or any(word in secret.lower() for word in WORDS_OF_EXAMPLES)


def check_libraries(version_of: Callable[[str], str] = version) -> None:
    """Raises CommandFailed for one that is too old to be trusted with money."""
    for name, (least, why) in LIBRARIES_MIN.items():
        found = version_of(name)
        if tuple(int(part) for part in re.findall(r"\d+", found)[: len(least)]) < least:
            wanted = ".".join(map(str, least))
            raise CommandFailed(f"{name} {found} is too old, {wanted} is needed: {why}", USAGE)


def name_misspelt_settings() -> None:
    """Raises SettingsError."""
    for line in check_environment():
        say(f"zerosum: {line}")


def check_transport(settings: Settings) -> None:
    """Nothing secret crosses a network in the clear, unless the settings say that it may. Raises CommandFailed."""
    if not settings.is_tls and not settings.insecure_http and not is_loopback(settings.host):
        raise CommandFailed(
            "serving beyond this machine needs ZEROSUM_TLS_CERTIFICATE and ZEROSUM_TLS_KEY, "
            "or ZEROSUM_INSECURE_HTTP=true behind a proxy that ends TLS",
            USAGE,
        )
    if settings.tls_client_ca is not None and not settings.is_tls:
        raise CommandFailed(
            "ZEROSUM_TLS_CLIENT_CA goes with ZEROSUM_TLS_CERTIFICATE: without TLS nobody has one", USAGE
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def private_metrics_dir(folder: Path) -> Path:
    """ZEROSUM_METRICS_DIR, made for ourselves alone. Raises CommandFailed where it is or holds anybody else's.

    What lies there from an earlier run is removed, so it must be nothing else.
    """
    folder = folder.absolute()
    try:
        own_folder(folder, is_expected=lambda name: METRICS_FILE.fullmatch(name) is not None)
    except EmbeddedError as error:
        raise CommandFailed(f"ZEROSUM_METRICS_DIR: {error}", USAGE) from None
    return folder
