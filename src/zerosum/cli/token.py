"""`zerosum token`."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from zerosum.cli.installation import Credentials, chosen_data_dir
from zerosum.cli.talk import USAGE, CommandFailed, told_plainly

SECONDS_MAX = 5.0


@told_plainly
def run_token(data_dir: Path | None, scope: str | None) -> int:
    folder = chosen_data_dir(data_dir)
    credentials = Credentials.read(folder)
    if credentials is None:
        raise CommandFailed(f"there are no credentials in {folder}: run `zerosum up` first", USAGE)
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    if scope is not None:
        form["scope"] = scope
    certificate = folder / "tls" / "certificate.pem"
    try:
        answer = httpx.post(
            f"{credentials.base_url}/v1/oauth/token",
            data=form,
            timeout=SECONDS_MAX,
            trust_env=False,
            verify=str(certificate) if credentials.base_url.startswith("https") and certificate.exists() else True,
        )
    except httpx.HTTPError as error:
        raise CommandFailed(f"the service at {credentials.base_url} does not answer: {error}") from None
    content = answer.json()
    if answer.status_code != 200:
        raise CommandFailed(f"no token: {content.get('error_description') or content.get('error')}")
    sys.stdout.write(f"{content['access_token']}\n")
    return 0
