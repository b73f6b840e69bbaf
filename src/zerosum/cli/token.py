"""`zerosum token`."""

from __future__ import annotations

from pathlib import Path

from zerosum.adapters.service_client import ServiceAway, request_token
from zerosum.cli.installation import Credentials, chosen_data_dir
from zerosum.cli.talk import USAGE, CommandFailed, put, told_plainly


@told_plainly
def run_token(data_dir: Path | None, scope: str | None) -> int:
    folder = chosen_data_dir(data_dir)
    credentials = Credentials.read(folder)
    if credentials is None:
        raise CommandFailed(f"there are no credentials in {folder}: run `zerosum up` first", USAGE)
    certificate = folder / "tls" / "certificate.pem"
    is_trusted = credentials.base_url.startswith("https") and certificate.exists()
    try:
        token = request_token(
            credentials.base_url,
            credentials.client_id,
            credentials.client_secret,
            scope=scope,
            certificate=certificate if is_trusted else None,
        )
    except ServiceAway as error:
        raise CommandFailed(str(error)) from None
    put(f"{token}\n")
    return 0
