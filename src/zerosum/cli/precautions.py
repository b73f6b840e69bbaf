"""What is looked at before anything listens: names of settings, who could listen in, where metrics are counted."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from zerosum.cli.talk import USAGE, CommandFailed, say
from zerosum.config import Settings, check_environment
from zerosum.embedded import EmbeddedError, own_folder

METRICS_FILE = re.compile(
    r"(process-\d+-[0-9a-f]{12}|ended)\.json(\.part)?|(counter|histogram|summary|gauge_[a-z]+)_\d+\.db", re.ASCII
)
"""The last of them are of earlier versions."""


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
