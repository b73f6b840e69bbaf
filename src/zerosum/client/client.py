"""The two clients. Each is a context that closes its connections."""

from __future__ import annotations

import ssl
import time
from types import TracebackType
from typing import Any, Generic, Self

import httpx

from zerosum.client.attempts import Retries
from zerosum.client.calls import Awaiting, Blocking, Runner, Way
from zerosum.client.resources.accounts import Accounts
from zerosum.client.resources.disputes import Disputes
from zerosum.client.resources.entries import Entries
from zerosum.client.resources.events import Events
from zerosum.client.resources.exchanges import Exchanges
from zerosum.client.resources.holds import Holds
from zerosum.client.resources.payments import Payments
from zerosum.client.resources.reports import Reports
from zerosum.client.resources.reviews import Reviews
from zerosum.client.resources.schedules import ScheduledPayments
from zerosum.client.resources.templates import Templates
from zerosum.client.runners import AwaitingRunner, BlockingRunner, options_of_http
from zerosum.client.tokens import Bearer, ClientCredentials

CONNECT_SECONDS_MAX = 5.0
ATTEMPT_SECONDS_MAX = 30.0
"""Of one attempt, without a byte of its answer. What is not known by then is asked again under the same key."""


class _Ledger(Generic[Way]):
    """The ledger of a credential."""

    def __init__(self, url: str, runner: Runner) -> None:
        self.url = url
        self.accounts: Accounts[Way] = Accounts(runner)
        self.payments: Payments[Way] = Payments(runner)
        self.disputes: Disputes[Way] = Disputes(runner)
        self.holds: Holds[Way] = Holds(runner)
        self.exchanges: Exchanges[Way] = Exchanges(runner)
        self.scheduled_payments: ScheduledPayments[Way] = ScheduledPayments(runner)
        self.reviews: Reviews[Way] = Reviews(runner)
        self.templates: Templates[Way] = Templates(runner)
        self.entries: Entries[Way] = Entries(runner)
        self.events: Events[Way] = Events(runner)
        self.reports: Reports[Way] = Reports(runner)


class Client(_Ledger[Blocking]):
    """Blocking. May be used by several threads at once."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        credentials: ClientCredentials | None = None,
        retries: Retries | None = None,
        attempt_seconds_max: float = ATTEMPT_SECONDS_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`api_key` may also be an access token; `credentials` get tokens and renew them.

        Raises ValueError for an address or a credential that is none.
        """
        bearer = _bearer(api_key, credentials)
        self._http = httpx.Client(**_options(url, attempt_seconds_max, tls))
        super().__init__(url, BlockingRunner(self._http, bearer, retries or Retries()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()


class AsyncClient(_Ledger[Awaiting]):
    """For asyncio."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        credentials: ClientCredentials | None = None,
        retries: Retries | None = None,
        attempt_seconds_max: float = ATTEMPT_SECONDS_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """As of `Client`."""
        bearer = _bearer(api_key, credentials)
        self._http = httpx.AsyncClient(**_options(url, attempt_seconds_max, tls))
        super().__init__(url, AwaitingRunner(self._http, bearer, retries or Retries()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()


def _bearer(api_key: str | None, credentials: ClientCredentials | None) -> Bearer:
    if (api_key is None) == (credentials is None):
        raise ValueError("give an API key or client credentials, one of them")
    credential = api_key if api_key is not None else credentials
    assert credential is not None
    return Bearer(credential, time.monotonic)


def _options(url: str, attempt_seconds_max: float, tls: ssl.SSLContext | None) -> dict[str, Any]:
    timeout = httpx.Timeout(attempt_seconds_max, connect=min(attempt_seconds_max, CONNECT_SECONDS_MAX))
    options = options_of_http(url, timeout=timeout)
    # Over http there is nothing to verify, and to load the certificates of the world takes long.
    options["verify"] = tls if tls is not None else options["base_url"].scheme == "https"
    return options
