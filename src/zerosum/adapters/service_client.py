"""The service as its own command line meets it: over HTTP, like every other client."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

SECONDS_MAX = 5.0


class ServiceAway(Exception):
    """The service does not answer, or not as it should. The message is one clear line."""


def request_token(
    base_url: str, client_id: str, client_secret: str, *, scope: str | None, certificate: Path | None
) -> str:
    """An access token by client credentials. `certificate` is trusted in place of the system's. Raises ServiceAway."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    if scope is not None:
        form["scope"] = scope
    trust = ssl.create_default_context(cafile=certificate) if certificate is not None else True
    try:
        answer = httpx.post(f"{base_url}/v1/oauth/token", data=form, timeout=SECONDS_MAX, trust_env=False, verify=trust)
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServiceAway(f"the service at {base_url} does not answer: {error}") from None
    if answer.status_code != 200:
        raise ServiceAway(f"no token: {content.get('error_description') or content.get('error')}")
    token: str = content["access_token"]
    return token


def service_address(text: str) -> httpx.URL:
    """Raises ValueError for what is none, in one clear line."""
    try:
        url = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not an http or https URL")
    return url
