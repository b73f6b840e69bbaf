"""Settings: the only reader of the environment. Every variable begins with ZEROSUM_ and stands in `.env.example`."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from zerosum.adapters.address_guard import AddressGuard
from zerosum.adapters.mail_server import MailServer, MailServerWrong
from zerosum.adapters.object_store import StoreAddress
from zerosum.adapters.redis_address import RedisAddress
from zerosum.db.database_url import DatabaseUrl
from zerosum.domain.console_roles import Role
from zerosum.domain.mail_addresses import ANY_DOMAIN, domain_of, is_address, is_domain
from zerosum.domain.money import CURRENCY_CODE_PATTERN_TEXT
from zerosum.domain.payments.clients import CLIENT_CURRENCY
from zerosum.domain.proposals import Thresholds
from zerosum.services.credentials.installation_secrets import InstallationSecrets
from zerosum.services.credentials.key_grants import KeyLifetimes
from zerosum.services.notifications.limits import MailLimits
from zerosum.services.requests.limits import Limit
from zerosum.services.requests.networks import parse_network
from zerosum.services.requests.outside_processors import NO_PROCESSORS, OutsideProcessors

if TYPE_CHECKING:
    from zerosum.adapters.processors.configured import ConfiguredProcessor
    from zerosum.adapters.rules.rule_set import RuleBook, RuleSet

SECRET_BYTES = 32
HEX_KEY_PATTERN = re.compile(rf"[0-9A-Fa-f]{{{2 * SECRET_BYTES}}}")
METRICS_TOKEN_PATTERN = re.compile(r"[\x21-\x7e]{16,}")

NAMES_OF_OPTIONS = frozenset({"ZEROSUM_URL", "ZEROSUM_TOKEN"})
"""Read by the commands that speak to a service elsewhere, as their options `--url` and `--token`."""

# What Kubernetes tells a pod of a service that is called `zerosum`, or `zerosum-` and something.
SERVICE_LINK = re.compile(
    r"ZEROSUM(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.ASCII
)
PORT_OF_LINK = re.compile(r"ZEROSUM(_\w+)?_PORT", re.ASCII)
LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")
NO_LINKS = "`enableServiceLinks: false` in the pod keeps such variables away"


def api_processes(processors: Collection[int]) -> int:
    """As many as are worth it beside PostgreSQL, which takes as much."""
    return max(1, len(processors) // 2)


class SettingsError(Exception):
    """A setting is missing or wrong. The message is one line and names the variable."""


class IssuerSettings(BaseModel):
    """An issuer of tokens besides ourselves: with keys of its own, an address to load them from, or a secret."""

    model_config = ConfigDict(extra="forbid")

    issuer: str
    audience: str
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    hs256_secret: SecretStr | None = None
    ledger_claim: str = "ledger"
    scope_claim: str = "scope"
    scopes: tuple[str, ...] | None = None
    """What its tokens can allow at most; by default all but `admin` and `operator`."""
    ledgers: tuple[str, ...] | None = None
    """The ledgers (led_…) it may speak for; by default all."""
    token_seconds_max: Annotated[int | None, Field(ge=60)] = None
    """How long its tokens may live; by default as `foreign_token_seconds_max` says."""

    @model_validator(mode="after")
    def _one_source(self) -> IssuerSettings:
        if sum(source is not None for source in (self.jwks, self.jwks_url, self.hs256_secret)) != 1:
            raise ValueError("name exactly one of jwks, jwks_url and hs256_secret")
        return self


class ConsoleIssuerSettings(BaseModel):
    """Who signs people in to the console, by OpenID Connect, and which of its claims says what they may do."""

    model_config = ConfigDict(extra="forbid")

    issuer: str
    client_id: str
    client_secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""
    name: str = "your organisation"
    """As the page calls it that leads there."""
    role_claim: str = "groups"
    roles: Annotated[dict[str, Role], Field(min_length=1)]
    """Values of that claim; the first that somebody has counts."""
    ledger_claim: str | None = None
    """Which ledgers somebody may look at (led_…, or `*`); by default all of `ledgers`."""
    ledgers: tuple[str, ...] | None = None
    """The ledgers (led_…) it may open; by default all."""


class Settings(BaseSettings):
    """What an installation decides. Secrets never show in a representation."""

    model_config = SettingsConfigDict(env_prefix="ZEROSUM_", extra="ignore", frozen=True)

    database_url: str | None = None
    """Where the service writes, as a member of the role zerosum_app."""
    lane_database_url: str | None = None
    """The same database where ZEROSUM_DATABASE_URL names a pooler that does not keep sessions: for the lanes alone."""
    migration_database_url: str | None = None
    """Where `zerosum migrate` works, as the owner of the tables."""
    redis_url: str | None = None
    """Empty: the service runs without cache and shared limits."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1, le=64, default_factory=lambda: api_processes(os.sched_getaffinity(0)))]
    """API processes. One that is alone remembers accounts between batches, and does more than two that share them."""
    base_url: str | None = None
    """How clients reach the service; the issuer of its tokens. By default made of host and port."""
    docs: bool = True
    """Serve the manual: /docs, /redoc and /openapi.json."""
    hsts_seconds: Annotated[int, Field(ge=0, le=63_072_000)] = 31_536_000
    """So long browsers that came by HTTPS come by nothing else. 0: they are not told so."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Whose certificates callers may come with: one or more CAs in PEM."""
    tls_client_certificates: Literal["off", "optional", "required"] | None = None
    """By default `required` where there is a CA for them, else `off`."""
    insecure_http: bool = False
    """Serve plain HTTP on other than loopback addresses: only behind a proxy that ends TLS."""
    allowed_hosts: Annotated[list[str], NoDecode] = []
    trusted_proxies: Annotated[list[str], NoDecode] = []

    api_key_pepper: SecretStr | None = None
    cursor_secret: SecretStr | None = None
    master_keys: SecretStr | None = None
    """`id:key` pairs, keys of 32 bytes in base64 or hex, separated by commas; the first is current, the others open."""
    token_audience: str = "zerosum"  # noqa: S105 - a name, not a secret
    token_seconds: Annotated[int, Field(ge=30, le=3600)] = 900
    trusted_issuers: Annotated[list[IssuerSettings], NoDecode] = []
    console: bool = True
    """Serve the operators' console at /console."""
    console_issuer: Annotated[ConsoleIssuerSettings | None, NoDecode] = None
    """Who signs people in there, besides the links that the machine prints."""
    console_second_person: str = ""
    """Above which amounts, by currency, an act of the console waits for another person; empty: none does."""
    foreign_token_seconds_max: Annotated[int, Field(ge=60)] = 86_400
    """From `iat` to `exp` of a token of one of them."""
    api_key_days_default: Annotated[int | None, Field(ge=1, le=36_500)] = None
    api_key_days_max: Annotated[int | None, Field(ge=1, le=36_500)] = None
    """How long an API key lives that is made without an expiry, and how long any may; None: for ever."""

    client_currency: Annotated[str, Field(pattern=CURRENCY_CODE_PATTERN_TEXT)] = CLIENT_CURRENCY.code

    refuse_card_numbers: bool = False
    """Whether texts that look like card numbers are refused."""

    rate_limit_per_principal: str = "1000/s"
    rate_limit_per_address: str = "2000/s"
    rate_limit_per_ledger: str = "10000/s"
    """Of all keys of a ledger together."""
    costly_reads_per_ledger: str = "500/s"
    """In units: a list costs 1, a statement or a trial balance 10, an integrity report 50."""
    reports_at_once_per_ledger: Annotated[int, Field(ge=1, le=100)] = 1
    """In one process; others wait for their turn."""
    webhook_allow_private: bool = False
    """For trials: webhooks also by plain HTTP, to any port, and to this machine and private networks."""
    webhook_allowed_networks: Annotated[list[str], NoDecode] = []
    webhook_endpoints_per_ledger: Annotated[int, Field(ge=1, le=10_000)] = 50
    webhook_deliveries_kept_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    events_kept_days: Annotated[int | None, Field(ge=30, le=36_500)] = None
    """The worker drops what is older of the feed, under seals; None: all is kept."""
    smtp_url: str | None = None
    """The mail server, for notifications; without one there are none."""
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_ca: Path | None = None
    """Who signs its certificate, in PEM; by default the authorities of the system."""
    mail_sender: str | None = None
    """The address that mails come from."""
    mail_recipient_domains: Annotated[list[str], NoDecode] = []
    """Where mails may go: by default only to the sender's own domain; `*`: anywhere."""
    mails_per_ledger_and_hour: Annotated[int, Field(ge=1, le=100_000)] = 200
    mails_kept_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    notifications_per_ledger: Annotated[int, Field(ge=1, le=1_000)] = 20
    accounts_per_ledger: Annotated[int, Field(ge=1)] = 1_000_000
    subjects_per_ledger: Annotated[int, Field(ge=1)] = 1_000_000
    api_keys_per_ledger: Annotated[int, Field(ge=1)] = 1_000
    refusals_per_ledger_and_day: Annotated[int, Field(ge=1)] = 1_000_000
    refusals_kept_days: Annotated[int, Field(ge=30, le=36_500)] = 90
    auth_failures_per_address: str = "1000/min"

    connections_max: Annotated[int, Field(ge=1, le=1_000_000)] = 4000
    """Of one process. Over it whoever has asked nothing yet goes first, then who is idle the longest."""
    connections_per_address_max: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Of one process; a trusted proxy may have more."""
    new_connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """A second and process, once as many have come at once as one address may have."""
    in_flight_max: Annotated[int, Field(ge=1, le=100_000)] = 4000
    queue_commands_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    queue_seconds_max: Annotated[float, Field(gt=0, le=60)] = 0.5
    """What a ledger asks for is refused while it would wait for longer: others do not wait for that ledger."""
    lanes: Annotated[int, Field(ge=1, le=16)] = 1
    self_audit_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Between two slices of the worker's self-audit; 0: there is none."""
    rules_file: Path | None = None
    """By which rules payments are judged before they are posted, in TOML or JSON. Another content is noticed."""
    processors_file: Path | None = None
    """Which outside processors there are, in TOML or JSON."""
    heads_dir: Path | None = None
    """Where the worker leaves the heads of all chains, a file a day."""
    checkpoints_dir: Path | None = None
    """Where the worker leaves signed checkpoints, a file a ledger."""
    checkpoints_store: str | None = None
    """The same in an object store: https://host/bucket/prefix?region=…&retained_days=…"""
    checkpoints_store_key_id: str | None = None
    checkpoints_store_secret: SecretStr | None = None
    checkpoints_tiles: bool = False
    """Whether the worker publishes each log in these places as tiles, to be mirrored."""
    deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    shutdown_seconds: Annotated[float, Field(gt=0, le=600)] = 8.0
    statement_lines_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    lean_routes: bool = True
    """Answer the hottest routes without the web framework, express where they can be. Off only to compare."""

    ingest_from: Annotated[list[str], NoDecode] = []
    """Where `zerosum ingest` takes messages from, separated by spaces: as `--from`."""
    ingest_replies: str | None = None
    """Where it tells what has become of them: as `--replies`."""
    ingest_batch_messages: Annotated[int, Field(ge=1, le=1_000)] = 500
    """Of one partition, committed together."""
    ingest_in_memory_messages: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    """Of one input: with more nothing is received until some are settled."""
    ingest_message_bytes_max: Annotated[int, Field(ge=1_024, le=1_048_576)] = 65_536
    """A larger one is put aside unread."""
    ingest_lanes: Annotated[int, Field(ge=1, le=16)] = 1
    """Of one consumer process: batches at once, a partition keeps to one."""
    ingest_lease_seconds: Annotated[float, Field(ge=2, le=600)] = 10.0
    """So long after a consumer has died another takes over. Kafka's groups have sessions of their own."""
    ingest_order_window_seconds: Annotated[float, Field(ge=0, le=300)] = 0.0
    """Above 0 all inputs of a process are one order, by time: so long a message waits for earlier ones of others."""

    publish_to: Annotated[list[str], NoDecode] = []
    """Where the worker and `zerosum publish` publish events, separated by spaces: as `--to`."""
    publish_lease_seconds: Annotated[float, Field(ge=2, le=600)] = 20.0
    """So long after a publisher has died another takes over."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    """`auto`: text at a terminal, and else JSON."""
    log_requests: Literal["off", "slow", "refused", "all"] = "slow"
    """A line for each of these requests; each with those before it."""
    log_slow_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    metrics: bool = True
    metrics_dir: Path | None = None
    """Where the processes of one service count together; by default a folder made for the run."""
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """Where /metrics is instead of on the service port."""
    metrics_token: SecretStr | None = None
    otlp_endpoint: str | None = None
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Of requests that bring no trace of their own. One that is traced costs a tenth more of everything."""

    allow_unknown_settings: bool = False
    """Go on where a ZEROSUM_ variable is no setting, after saying so: for a file that serves two versions."""

    data_dir: Path = Path(".zerosum")
    backup_dir: Path | None = None
    """Where `zerosum up` archives the log of its database, and `zerosum backup` keeps copies of it."""
    postgres_bin: Path | None = None
    redis_bin: Path | None = None

    @field_validator(
        "allowed_hosts", "trusted_proxies", "webhook_allowed_networks", "mail_recipient_domains", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("ingest_from", "publish_to", mode="before")
    @classmethod
    def _split_at_spaces(cls, value: Any) -> Any:
        return value.split() if isinstance(value, str) else value

    @field_validator("trusted_issuers", mode="before")
    @classmethod
    def _parse_issuers(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("console_issuer", mode="before")
    @classmethod
    def _parse_issuer(cls, value: Any) -> Any:
        return (json.loads(value) if value else None) if isinstance(value, str) else value

    @field_validator("trusted_proxies", "webhook_allowed_networks", mode="after")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            parse_network(text)
        return value

    @field_validator(
        "rate_limit_per_principal",
        "rate_limit_per_address",
        "rate_limit_per_ledger",
        "costly_reads_per_ledger",
        "auth_failures_per_address",
    )
    @classmethod
    def _is_limit(cls, value: str) -> str:
        Limit.parse(value)
        return value

    @field_validator("console_second_person")
    @classmethod
    def _are_thresholds(cls, value: str) -> str:
        Thresholds.parse(value)
        return value

    @field_validator("database_url", "lane_database_url", "migration_database_url")
    @classmethod
    def _is_postgresql(cls, value: str | None) -> str | None:
        if value:
            DatabaseUrl.parse(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value:
            RedisAddress.parse(value)
        return value

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value and not (_is_url(value, ("http", "https")) and urlsplit(value).hostname):
            raise ValueError("must be written like https://pay.example.com")
        if value and (set("?#@ ") & set(value)):
            raise ValueError("is an address that others begin with: without user, query or fragment")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        if self.deadline_seconds >= self.shutdown_seconds:
            raise ValueError("ZEROSUM_SHUTDOWN_SECONDS must be more than ZEROSUM_DEADLINE_SECONDS")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("ZEROSUM_TLS_CERTIFICATE and ZEROSUM_TLS_KEY go together")
        if self.tls_client_ca is None and self.tls_client_certificates not in (None, "off"):
            raise ValueError("ZEROSUM_TLS_CLIENT_CERTIFICATES needs ZEROSUM_TLS_CLIENT_CA: who signs them")
        if self.api_key_days_default and self.api_key_days_max and self.api_key_days_default > self.api_key_days_max:
            raise ValueError("ZEROSUM_API_KEY_DAYS_DEFAULT must not be more than ZEROSUM_API_KEY_DAYS_MAX")
        if bool(self.smtp_url) != bool(self.mail_sender):
            raise ValueError("ZEROSUM_SMTP_URL and ZEROSUM_MAIL_SENDER go together")
        if self.smtp_password is not None and self.smtp_password.get_secret_value() and not self.smtp_user:
            raise ValueError("ZEROSUM_SMTP_PASSWORD needs ZEROSUM_SMTP_USER: whose it is")
        self.mail_server()
        if self.checkpoints_tiles and not (self.checkpoints_dir or self.checkpoints_store):
            raise ValueError("ZEROSUM_CHECKPOINTS_TILES needs ZEROSUM_CHECKPOINTS_DIR or ZEROSUM_CHECKPOINTS_STORE")
        if self.metrics_port == self.port:
            raise ValueError("ZEROSUM_METRICS_PORT must be another than ZEROSUM_PORT")
        return self

    @field_validator("mail_sender")
    @classmethod
    def _is_mail_address(cls, value: str | None) -> str | None:
        if value and not is_address(value):
            raise ValueError("must be a plain address like alerts@example.com")
        return value

    @field_validator("checkpoints_store")
    @classmethod
    def _is_object_store(cls, value: str | None) -> str | None:
        if value:
            StoreAddress.parse(value)
        return value

    @field_validator("mail_recipient_domains", mode="after")
    @classmethod
    def _are_domains(cls, value: list[str]) -> list[str]:
        if not all(part == ANY_DOMAIN or is_domain(part) for part in value):
            raise ValueError("must be domains like example.com with commas between them, or *")
        return [part.lower() for part in value]

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_collector(cls, value: str | None) -> str | None:
        if value and not (_is_url(value, ("http", "https")) and urlsplit(value).hostname):
            raise ValueError("must be written like http://localhost:4318")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _is_bearer(cls, value: SecretStr | None) -> SecretStr | None:
        # An empty one is refused too: the secret that was meant to be there has not come.
        if value is not None and not METRICS_TOKEN_PATTERN.fullmatch(value.get_secret_value()):
            raise ValueError("must be 16 characters or more of ASCII without spaces (openssl rand -base64 32)")
        return value

    @property
    def second_person(self) -> Thresholds:
        """Of the console's acts."""
        return Thresholds.parse(self.console_second_person)

    @property
    def is_tls(self) -> bool:
        return self.tls_certificate is not None

    @property
    def hsts_seconds_where_it_counts(self) -> int:
        """Browsers believe it over HTTPS only."""
        return self.hsts_seconds if self.is_tls or self.url.startswith("https:") else 0

    @property
    def shown_url(self) -> str:
        """The same for people and programs to follow: nobody can go to the address that means all addresses."""
        return re.sub(r"//(0\.0\.0\.0|\[::\])(?=:|$)", "//localhost", self.url)

    @property
    def client_certificates(self) -> Literal["off", "optional", "required"]:
        """Whether callers come with a certificate of their own."""
        return self.tls_client_certificates or ("off" if self.tls_client_ca is None else "required")

    @property
    def url(self) -> str:
        """How clients reach the service."""
        if self.base_url is not None:
            return self.base_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"

    def master_key_pairs(self) -> tuple[str, dict[str, bytes]]:
        """The id of the current master key, and all keys by id. Raises SettingsError."""
        text = _required(self.master_keys, "ZEROSUM_MASTER_KEYS")
        keys: dict[str, bytes] = {}
        for pair in text.split(","):
            name, colon, encoded = pair.strip().partition(":")
            keys[name] = _key_bytes(encoded) if colon and name else b""
            if len(keys[name]) != SECRET_BYTES:
                raise SettingsError("ZEROSUM_MASTER_KEYS: each part is an id, a colon and 32 bytes in base64 or hex")
        return next(iter(keys)), keys

    def pepper(self) -> bytes:
        return secret_bytes(_required(self.api_key_pepper, "ZEROSUM_API_KEY_PEPPER"), "ZEROSUM_API_KEY_PEPPER")

    def cursor_key(self) -> bytes:
        return secret_bytes(_required(self.cursor_secret, "ZEROSUM_CURSOR_SECRET"), "ZEROSUM_CURSOR_SECRET")

    def installation_secrets(self) -> InstallationSecrets:
        """Those that are given; a process needs not all of them. Raises SettingsError for one that is malformed."""
        return InstallationSecrets(
            pepper=self.pepper() if self.api_key_pepper else None,
            cursor_secret=self.cursor_key() if self.cursor_secret else None,
            master_keys=self.master_key_pairs()[1] if self.master_keys else {},
        )

    @property
    def webhook_guard(self) -> AddressGuard:
        """Where webhooks may go."""
        own = {host.lower() for host in (urlsplit(self.url).hostname, *self.allowed_hosts) if host}
        return AddressGuard(
            allow_private=self.webhook_allow_private,
            allowed_networks=tuple(map(parse_network, self.webhook_allowed_networks)),
            own_hosts=frozenset() if self.webhook_allow_private else frozenset(own),
        )

    def mail_server(self) -> MailServer | None:
        """None where no mails are sent. Raises ValueError."""
        if not self.smtp_url:
            return None
        password = None if self.smtp_password is None else self.smtp_password.get_secret_value()
        try:
            return MailServer.parse(self.smtp_url, user=self.smtp_user, password=password, ca=self.smtp_ca)
        except MailServerWrong as error:
            raise ValueError(f"ZEROSUM_SMTP_URL {error}") from None

    def checkpoint_store(self) -> tuple[StoreAddress, str, SecretStr] | None:
        """Where it is, who we are there, and what shows it; None where there is none. Raises SettingsError."""
        if not self.checkpoints_store:
            return None
        key_id, secret = self.checkpoints_store_key_id, self.checkpoints_store_secret
        if not key_id or secret is None or not secret.get_secret_value():
            raise SettingsError(
                "ZEROSUM_CHECKPOINTS_STORE needs ZEROSUM_CHECKPOINTS_STORE_KEY_ID and ZEROSUM_CHECKPOINTS_STORE_SECRET"
            )
        return StoreAddress.parse(self.checkpoints_store), key_id, secret

    def mail_limits(self) -> MailLimits | None:
        """None where no mails are sent."""
        if not self.smtp_url or not self.mail_sender:
            return None
        return MailLimits(
            recipient_domains=frozenset(self.mail_recipient_domains or [domain_of(self.mail_sender)]),
            per_ledger_and_hour=self.mails_per_ledger_and_hour,
        )

    @property
    def key_lifetimes(self) -> KeyLifetimes:
        return KeyLifetimes(default_days=self.api_key_days_default, days_max=self.api_key_days_max)

    def processors(self) -> dict[str, ConfiguredProcessor]:
        """By name. Raises SettingsError."""
        if self.processors_file is None:
            return {}
        from zerosum.adapters.processors.configured import (  # noqa: PLC0415 - brings httpx, for those who need it
            ProcessorsFileWrong,
            read_processors,
        )

        try:
            return read_processors(self.processors_file)
        except ProcessorsFileWrong as error:
            raise SettingsError(f"ZEROSUM_PROCESSORS_FILE: {error}") from None

    def outside(self, configured: Mapping[str, ConfiguredProcessor] | None = None) -> OutsideProcessors:
        """What payments are told of them, where they were read already: their names, and the routes.

        Raises SettingsError.
        """
        if self.processors_file is None:
            return NO_PROCESSORS
        from zerosum.adapters.processors.routes_file import read_routes  # noqa: PLC0415 - as above

        configured = self.processors() if configured is None else configured
        try:
            routes = read_routes(self.processors_file, configured)
        except ValueError as error:
            raise SettingsError(f"ZEROSUM_PROCESSORS_FILE: {error}") from None
        paused = frozenset(name for name, one in configured.items() if one.rules.paused)
        refunding = frozenset(name for name, one in configured.items() if one.is_asked_for_refunds)
        version = hashlib.sha256(self.processors_file.read_bytes()).hexdigest()[:12]
        return OutsideProcessors(
            names=frozenset(configured), routes=routes, paused=paused, refunding=refunding, version=version
        )

    def rule_book(self) -> RuleBook | None:
        """None: no file is named, and nobody judges. Raises SettingsError."""
        if self.rules_file is None:
            return None
        from zerosum.adapters.rules.rule_set import RuleBook  # noqa: PLC0415 - as above
        from zerosum.adapters.rules.rules_file import read_rules  # noqa: PLC0415

        try:
            return RuleBook(self.rules_file, read_rules)
        except ValueError as error:
            raise SettingsError(f"ZEROSUM_RULES_FILE: {error}") from None

    def read_rules(self) -> RuleSet | None:
        """As they are now. Raises SettingsError."""
        book = self.rule_book()
        return None if book is None else book.known

    def required_database_url(self) -> str:
        if not self.database_url:
            raise SettingsError("ZEROSUM_DATABASE_URL is not set: the PostgreSQL database to use")
        return self.database_url

    def lane_url(self) -> str:
        """Where lanes connect: directly, or through a pooler that keeps sessions."""
        return self.lane_database_url or self.required_database_url()


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """From the environment; `overrides` win. Raises SettingsError with one line that names the variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"ZEROSUM_{str(first['loc'][0]).upper()}: " if first["loc"] else ""
        raise SettingsError(f"{name}{first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise SettingsError(str(error)) from None


def check_environment() -> list[str]:
    """What is to be told of variables that look like settings and are none: a misspelt limit must not be missed.

    Raises SettingsError for those that nobody has allowed; what a cluster puts there by itself is only told.
    """
    unknown, links = [], []
    for name, value in os.environ.items():
        if SERVICE_LINK.fullmatch(name) or (PORT_OF_LINK.fullmatch(name) and LINK_VALUE.match(value)):
            links.append(name)
        elif not _is_setting(name) and (meant := _meant(name)) is not None:
            unknown.append(f"{name} is no setting{meant}")
    own = sorted(name for name in links if _is_setting(name))
    if own:
        raise SettingsError(f"{own[0]} holds the address of a Kubernetes service, {NO_LINKS}")
    told = (
        [f"{', '.join(sorted(links))}: ignored, of a Kubernetes service and no settings; {NO_LINKS}"] if links else []
    )
    if unknown and not load_settings().allow_unknown_settings:
        allow = "ZEROSUM_ALLOW_UNKNOWN_SETTINGS=true goes on all the same"
        raise SettingsError(f"{'; '.join(sorted(unknown))} ({allow})")
    return [*told, *sorted(unknown)]


def _is_setting(name: str) -> bool:
    prefix, _, field = name.upper().partition("_")
    return prefix == "ZEROSUM" and (field.lower() in Settings.model_fields or name in NAMES_OF_OPTIONS)


def _meant(name: str) -> str | None:
    """Which setting was probably meant, as words to add; None for a variable that has nothing to do with us."""
    names = [f"ZEROSUM_{field.upper()}" for field in Settings.model_fields] + sorted(NAMES_OF_OPTIONS)
    is_ours = name.upper().startswith("ZEROSUM_")
    if not is_ours and name[:1].upper() != "Z":
        return None
    nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.6 if is_ours else 0.9)
    if nearest:
        return f": did you mean {nearest[0]}?"
    return "" if is_ours else None


def migration_database_url() -> str:
    """For the bare `alembic` command."""
    settings = load_settings()
    url = settings.migration_database_url or settings.database_url
    if not url:
        raise SettingsError("ZEROSUM_MIGRATION_DATABASE_URL is not set: the database to migrate, as its owner")
    return url


def _key_bytes(text: str) -> bytes:
    """A master key. 64 digits of hex cannot be meant as base64, which would make them 48 bytes."""
    if HEX_KEY_PATTERN.fullmatch(text):
        return bytes.fromhex(text)
    return secret_bytes(text, "ZEROSUM_MASTER_KEYS")


def secret_bytes(text: str, variable: str) -> bytes:
    """A secret of at least 32 bytes in base64 (either alphabet). Raises SettingsError."""
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raw = b""
    if len(raw) < SECRET_BYTES:
        raise SettingsError(f"{variable} must be at least {SECRET_BYTES} bytes in base64 (openssl rand -base64 32)")
    return raw


def _required(secret: SecretStr | None, variable: str) -> str:
    if secret is None or not secret.get_secret_value():
        raise SettingsError(f"{variable} is not set (openssl rand -base64 32)")
    return secret.get_secret_value()
