"""Builds the web app. This is the one place where everything is put together; read it from top to bottom.

uvicorn zerosum.main:app        serves what the environment describes (docs/OPERATIONS.md)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import FastAPI

from zerosum import __version__
from zerosum.adapters.balance_cache import BalanceCache, NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.adapters.jwks import JwksDownload
from zerosum.adapters.metrics_text import level_of
from zerosum.adapters.rate_store import RateStore
from zerosum.adapters.redis import RedisLink
from zerosum.adapters.under_way import UnderWay
from zerosum.api.app import make_app
from zerosum.api.card_numbers import RefusingCardNumbers
from zerosum.api.first_page import Front
from zerosum.api.problems import render
from zerosum.api.routes.metrics import MetricsPage, metrics_routes
from zerosum.api.routes.system import System
from zerosum.collector import make_tracing
from zerosum.config import IssuerSettings, Settings, load_settings
from zerosum.console.navigation import ROOT
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import DomainError
from zerosum.gateway.app import App, Gateway, GatewayOptions
from zerosum.gateway.identity.authentication import Authenticator
from zerosum.gateway.identity.issuer_keys import own_keys
from zerosum.gateway.identity.oauth import TokenEndpoint
from zerosum.gateway.identity.tokens import TokenSigner, TokenVerifier
from zerosum.gateway.identity.trusted_issuers import TrustedIssuer
from zerosum.gateway.limits.admission import Admission
from zerosum.gateway.limits.charging import Limiters
from zerosum.gateway.limits.costly_reads import CostlyReads
from zerosum.gateway.limits.rate_limit import RateLimiter
from zerosum.gateway.limits.streams import FOLLOWERS_MAX, FOLLOWERS_OF_A_LEDGER_MAX, Streams
from zerosum.gateway.request_state import request_ids
from zerosum.gateway.routing import HttpAnswer, RouteTable
from zerosum.gateway.server.connection_register import ConnectionLimits, ConnectionRegister
from zerosum.gateway.server_options import tls_options
from zerosum.gateway.side_server import SideServer
from zerosum.issuers import make_console_issuer, make_issuer
from zerosum.logs.requests import make_request_log
from zerosum.metrics.declared import gateway as of_gateway
from zerosum.metrics.metrics import Metrics, Readings, carry_over_forever
from zerosum.metrics.readers import CommitterReader, exported_spans, log_lines, pools, rate_limits
from zerosum.outside import watched_files
from zerosum.services.background.background_writing import BackgroundWriting
from zerosum.services.background.security_log import SecurityLog
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import Carrier, CommitterStats
from zerosum.services.committing.measured import MeasuredConnection
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.committing.unknown_lookup import UnknownKeyLookup
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.last_uses import LastUses
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.secret_checks import SecretChecks
from zerosum.services.credentials.signing_keys import SigningKeys
from zerosum.services.readiness import Readiness
from zerosum.services.requests.limits import Limit
from zerosum.services.requests.networks import parse_network
from zerosum.services.requests.quotas import RefusalQuota
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.status.board import Process
from zerosum.services.status.found import Load
from zerosum.use_cases import make_console, use_cases

if TYPE_CHECKING:
    from zerosum.tracing.requests import RequestTracing

CONNECT_SECONDS_MAX = 2.0


def _request_tracing() -> type[RequestTracing]:
    from zerosum.tracing.requests import RequestTracing  # noqa: PLC0415 - takes time and memory; not all want it

    return RequestTracing


class Service:
    """Everything one API process is made of."""

    def __init__(
        self,
        settings: Settings,
        *,
        is_draining: Callable[[], bool] = lambda: False,
        unknown: UnknownKeys | None = None,
        under_way: UnderWay | None = None,
        process: str = "api",
    ) -> None:
        """The processes of a service share what is `unknown` and `under_way`. Traces say which `process` this is."""
        self.settings = settings
        self._is_draining = is_draining
        database_url = settings.required_database_url()

        self.database = Database(make_engine(database_url, settings.pool_size))
        self.redis = RedisLink(settings.redis_url) if settings.redis_url else None
        self.cache = NoBalanceCache() if self.redis is None else BalanceCache(self.redis, under_way=under_way)

        self._readiness = Readiness(self._can_pay, time.monotonic)

        self._lanes: list[BatchRunner] = []
        self.tracing = make_tracing(settings, process, _request_tracing)
        self.stats = CommitterStats()
        self.streams, self.followers = Streams(), Streams(FOLLOWERS_OF_A_LEDGER_MAX, FOLLOWERS_MAX)
        self._refusal_quota = RefusalQuota(settings.refusals_per_ledger_and_day, settings.workers)
        self.committer = Committer(
            self._carrier,
            CommitterOptions(
                lanes=settings.lanes,
                is_alone=settings.workers == 1,
                queue_commands_max=settings.queue_commands_max,
                queue_seconds_max=settings.queue_seconds_max,
                deadline_seconds=settings.deadline_seconds,
            ),
            self.stats,
            unknown,
        )

        sealer = Sealer(self.database, MasterKeys(*settings.master_key_pairs()), now)
        self.rule_book = settings.rule_book()
        self.services = use_cases(
            settings,
            self.database,
            self.committer,
            self.cache,
            sealer,
            now,
            is_draining,
            self.rule_book,
            Process(is_ready=self._is_ready, load=self._load),
            self.spans,
        )

        self.metrics = Metrics("api")
        self._committer_reader = CommitterReader(self.committer, self.stats)
        self.secret_checks = SecretChecks(self.database, settings.installation_secrets(), now)
        self.signing_keys = SigningKeys(self.database, sealer)
        self._downloads: list[JwksDownload] = []
        self._last_uses, self.security_log = LastUses(self.database), SecurityLog(self.database, now, time.monotonic)
        self._request_log = make_request_log(settings.log_requests, settings.log_slow_seconds)
        lookup = UnknownKeyLookup(self.database, self.committer.unknown_keys, time.monotonic)
        self._writing = BackgroundWriting(
            [self.security_log, self._last_uses, lookup, *filter(None, [self._request_log])]
        )
        issuers = [self._own_issuer(), *(self._issuer(issuer) for issuer in settings.trusted_issuers)]
        self.authenticator = Authenticator(
            self.services.api_keys, TokenVerifier(issuers, now), self.services.ledgers, now, self._last_uses
        )
        metrics_page = self._metrics_page()
        signer = TokenSigner(self.signing_keys, issuer=settings.url, audience=settings.token_audience, now=now)
        system = System(
            token_endpoint=TokenEndpoint(self.services.api_keys, signer, now, settings.token_seconds),
            public_keys=self._public_keys,
            is_ready=self._is_ready,
            metrics=metrics_page if settings.metrics_port is None else None,
        )

        self.trusted_proxies = tuple(parse_network(text) for text in settings.trusted_proxies)
        self.connections = ConnectionRegister(
            ConnectionLimits(
                connections_max=settings.connections_max,
                per_address_max=settings.connections_per_address_max,
                per_address_and_second_max=settings.new_connections_per_address,
                trusted_proxies=self.trusted_proxies,
            )
        )
        self.tls = tls_options(
            settings.tls_certificate,
            settings.tls_key,
            client_ca=settings.tls_client_ca,
            client_certificates=settings.client_certificates,
        )

        self.admission, self.costly_reads = _admitting(settings, self.committer.is_too_much)
        front = Front(
            url=settings.shown_url,
            version=__version__,
            has_manual=settings.docs,
            has_metrics=system.metrics is not None,
        )
        self.framework, policies = make_app(self.services, system, self._lifespan, front)
        self.files = watched_files(self.database, self.rule_book, self.services.live_processors, now)
        self._console_issuer = make_console_issuer(settings, now)
        sign_in = None if self._console_issuer is None else self._console_issuer[0]
        self.console = make_console(
            settings, self.database, self.services, now, sign_in, self.costly_reads.turn, self.rule_book, is_draining
        )
        if settings.console:
            policies += self.console.mount(self.framework)
        gateway = self._gateway(RouteTable.of(policies, is_lean=settings.lean_routes))
        self.app: App = RefusingCardNumbers(gateway) if settings.refuse_card_numbers else gateway
        self._side_server: SideServer | None = None
        if metrics_page is not None and settings.metrics_port is not None:
            side = self._gateway(RouteTable.of(metrics_routes(metrics_page).policies))
            limits = self.connections.limits
            self._side_server = SideServer(side, settings.host, settings.metrics_port, limits, **self.tls)

    async def start(self) -> None:
        if self.tracing is not None:
            self.tracing.start()
        if self.redis is not None:
            await self.redis.start()
        await self.secret_checks.confirm_or_tell()
        await self.signing_keys.ensure(now())
        self._writing.start()
        self.committer.start()
        self.services.live_processors.start()
        self._watching = asyncio.create_task(self.files.watch_forever(), name="versions of files")
        if self._side_server is not None:
            await self._side_server.start()

    async def stop(self) -> None:
        """After the last answer: nothing accepted is left undone."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self.services.live_processors.stop()
        await self.committer.stop()
        if self._side_server is not None:
            await self._side_server.stop()
        if self.rule_book is not None:
            await self.rule_book.close()
        await self.authenticator.close()
        for download in self._downloads:
            await download.close()
        if self._console_issuer is not None:
            await self._console_issuer[1]()
        await self._writing.stop()
        if self.redis is not None:
            await self.redis.close()
        await self.database.close()
        if self.tracing is not None:
            await self.tracing.stop()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self.start()
        carrying = asyncio.create_task(carry_over_forever(self.metrics, self.readings), name="metrics")
        try:
            yield
        finally:
            carrying.cancel()
            await self.stop()

    async def _is_ready(self) -> bool:
        return not self._is_draining() and self.committer.is_whole and await self._readiness.is_ready()

    def _load(self) -> Load:
        page, _ = self.metrics.expose()
        return Load(
            queued_commands=level_of(page, "zerosum_queued_commands"),
            requests_in_flight=level_of(page, "zerosum_requests_in_flight"),
            redis="none" if self.redis is None else "away" if self.redis.is_away else "up",
        )

    async def _can_pay(self) -> bool:
        if not (await self.database.is_ready() and await self.secret_checks.fits()):
            return False
        if not any(lane.is_connected for lane in self._lanes):
            connection = await BatchConnection.open(self.settings.lane_url(), CONNECT_SECONDS_MAX)
            connection.terminate()
        return True

    async def _public_keys(self) -> dict[str, Any]:
        return dict(await self.signing_keys.public_jwks(now()))

    @property
    def spans(self) -> Spans:
        """Where steps are told."""
        return NO_SPANS if self.tracing is None else self.tracing

    def _carrier(self) -> Carrier:
        lane_url = self.settings.lane_url()

        def connect() -> Awaitable[BatchConnection]:
            return MeasuredConnection.measuring(self.stats.tally, lane_url, CONNECT_SECONDS_MAX)

        carrier = BatchRunner(
            connect if self.tracing is None else self.tracing.connecting(connect),
            now,
            self.cache,
            self.stats,
            self._refusal_quota,
            # With a second writer on this machine each would find the other's changes in nearly every batch.
            remembers=self.settings.workers == 1 and self.settings.lanes == 1,
        )
        self._lanes.append(carrier)
        return carrier if self.tracing is None else self.tracing.traced(carrier)

    def _gateway(self, routes: RouteTable) -> Gateway:
        settings = self.settings
        return Gateway(
            app=self.framework,  # type: ignore[arg-type]
            routes=routes,
            authentication=self.authenticator,
            limiters=self._limiters,
            admission=self.admission,
            streams=self.streams,
            followers=self.followers,
            costly_reads=self.costly_reads,
            render=self._render,
            new_request_id=request_ids().__next__,
            observe=self.metrics.observe_request,
            options=GatewayOptions(
                allowed_hosts=frozenset(host.lower().encode() for host in settings.allowed_hosts),
                trusted_proxies=self.trusted_proxies,
                hsts_seconds=settings.hsts_seconds_where_it_counts,
            ),
            begin_trace=None if self.tracing is None else self.tracing.begin_request,
            security_log=self.security_log,
            request_log=self._request_log,
            unknown_keys=self.committer.unknown_keys,
        )

    @cached_property
    def _limiters(self) -> Limiters:
        settings = self.settings
        return Limiters(
            principal=self._limiter("principal", settings.rate_limit_per_principal),
            ledger=self._limiter("ledger", settings.rate_limit_per_ledger),
            address=self._limiter("address", settings.rate_limit_per_address),
            costly=self._limiter("costly", settings.costly_reads_per_ledger),
            failures=RateLimiter(
                "failures", Limit.parse(settings.auth_failures_per_address), None, settings.workers, time.monotonic
            ),
        )

    def _render(self, refusal: DomainError, request_id: str, path: str) -> HttpAnswer:
        """What is refused before it comes to anybody: people are told by a page, programs by a problem."""
        if self.settings.console and (path == ROOT or path.startswith(f"{ROOT}/")):
            return self.console.problems.rendered(refusal, request_id)
        return render(refusal, request_id, path)

    def _metrics_page(self) -> MetricsPage | None:
        token = self.settings.metrics_token
        secret = None if token is None else token.get_secret_value()
        return MetricsPage(expose=self.metrics.expose, token=secret) if self.settings.metrics else None

    def _limiter(self, name: str, limit: str) -> RateLimiter:
        budgets = None if self.redis is None else RateStore(self.redis)
        return RateLimiter(name, Limit.parse(limit), budgets, self.settings.workers, time.monotonic)

    def _own_issuer(self) -> TrustedIssuer:
        keys = own_keys(self.signing_keys, now)
        return TrustedIssuer(issuer=self.settings.url, audience=self.settings.token_audience, keys=keys, is_own=True)

    def _issuer(self, settings: IssuerSettings) -> TrustedIssuer:
        issuer, download = make_issuer(settings, self.settings.foreign_token_seconds_max)
        if download is not None:
            self._downloads.append(download)
        return issuer

    def readings(self) -> Readings:
        """What this process has counted, and how it stands now."""
        traced = {} if self.tracing is None else exported_spans(self.tracing.exporter)
        return {
            **self._committer_reader.read(),
            **pools("api", [self.database]),
            **rate_limits(self._limiters.all()),
            **log_lines(),
            **traced,
            of_gateway.CACHE_HITS: self.cache.hits,
            of_gateway.CACHE_MISSES: self.cache.misses,
            of_gateway.REDIS_AWAY: float(self.redis is None or self.redis.is_away),
            of_gateway.REQUESTS_SHED: self.admission.shed,
            of_gateway.IN_FLIGHT: self.admission.in_flight,
            of_gateway.REQUESTS_WAITING: len(self.connections.turns),
            of_gateway.CONNECTIONS: len(self.connections),
            of_gateway.CONNECTIONS_REFUSED: self.connections.refused,
            of_gateway.CONNECTIONS_ENDED: self.connections.ended,
            of_gateway.VERSION: {(__version__,): 1.0},
        }


def _admitting(settings: Settings, is_too_much: Callable[[UUID], bool]) -> tuple[Admission, CostlyReads]:
    """How many requests are in work, and who of those waits for a turn."""
    admission = Admission(settings.in_flight_max, is_too_much)
    return admission, CostlyReads(settings.reports_at_once_per_ledger, lambda: admission.in_flight)


def __getattr__(name: str) -> Any:
    """`app` is made when it is asked for, not when this file is imported."""
    if name == "app":
        return Service(load_settings()).app
    raise AttributeError(name)
