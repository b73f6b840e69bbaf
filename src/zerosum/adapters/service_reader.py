"""Reads from a running service, one call after the other, over a connection that stays."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from zerosum.adapters.metrics_text import TEXT_BYTES_MAX, MetricsPage, read_metrics
from zerosum.adapters.service_client import SECONDS_MAX, ServiceAway, service_address


class Refused(ServiceAway):
    """The service answers, and refuses: asking again does not help."""


class ServiceReader:
    """Use it as a context. Each call raises ServiceAway in one clear line."""

    def __init__(self, url: str, token: str, tls: ssl.SSLContext | None = None) -> None:
        """Raises ValueError for an address that is none and a token that cannot be one, in one clear line."""
        if not (token.isascii() and token.isprintable()):
            raise ValueError("the token holds characters that no token has")
        self._url = url
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=service_address(url), timeout=SECONDS_MAX, trust_env=False, verify=True if tls is None else tls
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._http.close()

    def status(self) -> dict[str, Any]:
        return self._read("/v1/status", {}, "checks")

    def audit_feed(self, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        return self._read("/v1/audit-log/feed", parameters, "next_after")

    def metrics(self, url: str | None, token: str | None) -> MetricsPage | None:
        """None where there is no such page for us. It may be served at another address, behind a token of its own."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            answer = self._http.get(f"{self._url}/metrics" if url is None else url, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        if not answer.is_success or len(answer.content) > TEXT_BYTES_MAX:
            return None
        return read_metrics(answer.text.splitlines())

    def _read(self, path: str, parameters: Mapping[str, str | int], member: str) -> dict[str, Any]:
        """`member` is what each such answer of ours has."""
        try:
            answer = self._http.get(path, params=dict(parameters), headers=self._authorization)
            content: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceAway(f"the service at {self._url} does not answer ({type(error).__name__})") from None
        if not isinstance(content, dict) or (answer.is_success and member not in content):
            raise ServiceAway(f"what answers at {self._url} is no Zerosum")
        if answer.is_success:
            return content
        told = f"the service answers {answer.status_code}: {content.get('detail') or answer.reason_phrase}"
        if answer.status_code in (429, 500, 502, 503, 504):
            raise ServiceAway(told)
        raise Refused(told)
