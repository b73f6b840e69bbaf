"""The running service that a command speaks to: one that is named, or that of `zerosum up`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from zerosum.cli.installation import Credentials, chosen_data_dir
from zerosum.cli.talk import USAGE, CommandFailed


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and how to get in."""

    url: str
    token: str
    tls: ssl.SSLContext | None = None


def running_service(data_dir: Path | None, url: str | None, token: str | None) -> Service:
    """The one that is named, or that of `zerosum up` with its own key. Raises CommandFailed, EmbeddedError."""
    if url is not None:
        if not token:
            raise CommandFailed("--url needs a --token (an access token or an API key)", USAGE)
        is_tls = url.lower().startswith("https")
        return Service(url.rstrip("/"), token, ssl.create_default_context() if is_tls else None)
    folder = chosen_data_dir(data_dir)
    credentials = Credentials.read(folder)
    if credentials is None:
        raise CommandFailed(f"there are no credentials in {folder}: run `zerosum up` first, or give --url", USAGE)
    tls = None
    if credentials.base_url.startswith("https"):
        certificate = folder / "tls" / "certificate.pem"
        tls = ssl.create_default_context(cafile=str(certificate) if certificate.exists() else None)
    return Service(credentials.base_url, token or credentials.api_key, tls)
