"""Processors as a file describes them: read once, checked whole, and told of in words where something is wrong.

[processors.acme]
kind = "http"
base_url = "https://api.acme.example"
secret_file = "/run/secrets/acme"
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from zerosum.adapters.processors.contract import Processor, RefundingProcessor
from zerosum.adapters.processors.http_processor import HttpProcessor, HttpSettings
from zerosum.adapters.processors.iso20022.payouts import make_payouts
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, PROCESSOR_PATTERN_TEXT
from zerosum.domain.payments.processor_health import BreakerRules
from zerosum.domain.payments.routing import AUTOMATIC

ENTRY_POINTS = "zerosum.processors"
PROCESSORS_MAX = 50
SECRET_BYTES_MIN = 16
TECHNICAL_REASONS_MAX = 200

TAKEN_NAMES = (INTERNAL_PROCESSOR, AUTOMATIC)

Make = Callable[[str, Mapping[str, Any]], Processor]
"""What a plug-in registers: from the name and its own options to a processor. Raises ValueError for wrong options."""


class ProcessorsFileWrong(ValueError):
    """The message is one clear line."""


class CallRules(BaseModel):
    """How a processor is asked: of any kind.

    `repeats_safely`: it carries out one key once. Where it does not, what it does not know is never sent again, and a
    person looks at it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_seconds: Annotated[float, Field(ge=0.05, le=120)] = 10.0
    at_once: Annotated[int, Field(ge=1, le=200)] = 16
    attempts_max: Annotated[int, Field(ge=1, le=1000)] = 12
    backoff_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    backoff_seconds_max: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    repeats_safely: bool = True
    paused: bool = False
    """No route chooses it; what it was asked for goes on."""
    breaker_failures: Annotated[int, Field(ge=0, le=1000)] = 5
    """So many attempts without a reply in a row, and it is left alone for a while. 0: never."""
    breaker_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """How long, at first; doubled with each further one, six times at most."""
    success_percent_min: Annotated[int, Field(ge=0, le=100)] = 0
    """What it must approve of late for routes to choose it before others. Of declines only technical ones count."""
    fails_over: bool = True
    """What a route has given to it goes to the next one of that route, once it is known not to have carried it out."""
    technical_reasons: Annotated[list[str], Field(max_length=TECHNICAL_REASONS_MAX)] = []
    """Its own codes of declines that say nothing of the payment, and only that it cannot now."""
    refunds: Literal["asked", "recorded"] | None = None
    """Whether it is asked for refunds, or they are only recorded in the books. None: asked, where it can give back."""

    @property
    def breaker(self) -> BreakerRules:
        return BreakerRules(
            failures=self.breaker_failures,
            pause=timedelta(seconds=self.breaker_seconds),
            success_percent_min=self.success_percent_min,
        )


_HEADER_NAME = re.compile("[!-9;-~]+", re.ASCII)
_HEADER_VALUE = re.compile("[!-~]([ -~]*[!-~])?", re.ASCII)


class HttpOptions(BaseModel):
    """Of the kinds `http` and `sandbox`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    secret: SecretStr | None = None
    secret_file: Path | None = None
    previous_secret: SecretStr | None = None
    """That is still taken while another replaces it."""
    pay_path: Annotated[str, Field(pattern="^/")] = "/payments"
    look_up_path: Annotated[str, Field(pattern=r"^/.*\{key\}")] = "/payments/{key}"
    refund_path: Annotated[str, Field(pattern="^/")] = "/refunds"
    refund_look_up_path: Annotated[str, Field(pattern=r"^/.*\{key\}")] = "/refunds/{key}"
    key_header: Annotated[str, Field(pattern="^[a-zA-Z0-9-]{1,64}$")] = "idempotency-key"
    headers: dict[str, str] = {}
    members: dict[Literal["key", "status", "amount", "approved", "id", "reason", "event_id"], str] = {}
    statuses: dict[Literal["approved", "declined", "pending", "absent"], list[str]] = {}

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be written like https://api.example.com")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("must be https, but for this machine itself")
        return value.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _are_sendable(cls, value: dict[str, str]) -> dict[str, str]:
        for name, content in value.items():
            if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(content)):
                raise ValueError("names and values are visible ASCII characters, without blanks around them")
        return value

    def secrets(self) -> list[bytes]:
        """The first signs what is sent. Raises ValueError."""
        if self.secret_file is not None:
            first = self.secret_file.read_text(encoding="utf-8").strip()
        elif self.secret is not None:
            first = self.secret.get_secret_value()
        else:
            raise ValueError("secret or secret_file is missing")
        texts = [first] if self.previous_secret is None else [first, self.previous_secret.get_secret_value()]
        if any(len(text.encode()) < SECRET_BYTES_MIN for text in texts):
            raise ValueError(f"a secret has at least {SECRET_BYTES_MIN} bytes")
        return [text.encode() for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredProcessor:
    name: str
    kind: str
    processor: Processor
    rules: CallRules

    @property
    def is_asked_for_refunds(self) -> bool:
        return self.rules.refunds != "recorded" and isinstance(self.processor, RefundingProcessor)


def read_processors(path: Path) -> dict[str, ConfiguredProcessor]:
    """By name. Raises ProcessorsFileWrong."""
    named = read_file(path).get("processors")
    if not isinstance(named, dict) or len(named) > PROCESSORS_MAX:
        raise ProcessorsFileWrong(f"{path} has no table `processors`, of at most {PROCESSORS_MAX}")
    kinds = _kinds()
    return {name: _configured(f"{path}: processors.{name}", name, options, kinds) for name, options in named.items()}


def read_file(path: Path) -> dict[str, Any]:
    """All that is in it. Raises ProcessorsFileWrong."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ProcessorsFileWrong(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ProcessorsFileWrong(f"{path}: {error}") from None
    if not isinstance(content, dict) or (unknown := content.keys() - {"processors", "routes"}):
        found = "" if not isinstance(content, dict) else f", and not {sorted(unknown)[0]}"
        raise ProcessorsFileWrong(f"{path} has the tables `processors` and `routes`{found}")
    return content


def _configured(place: str, name: str, options: Any, kinds: Mapping[str, Make]) -> ConfiguredProcessor:
    if not isinstance(options, dict) or not re.fullmatch(PROCESSOR_PATTERN_TEXT, name) or name in TAKEN_NAMES:
        raise ProcessorsFileWrong(
            f"{place}: a processor is a table, named in small letters, and not `internal` or `auto`"
        )
    kind = options.get("kind")
    make = kinds.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise ProcessorsFileWrong(f"{place}.kind is one of {', '.join(sorted(kinds))}")
    of_every_kind = {member: options[member] for member in options if member in CallRules.model_fields}
    own = {member: value for member, value in options.items() if member not in (*CallRules.model_fields, "kind")}
    try:
        rules = CallRules(**of_every_kind)
        own_options = {**own, "timeout_seconds": rules.timeout_seconds} if kind in _BUILT_IN else own
        processor = make(name, own_options)
        if rules.refunds == "asked" and not isinstance(processor, RefundingProcessor):
            raise ValueError(f"refunds cannot be asked for: the kind {kind} gives nothing back")
        return ConfiguredProcessor(name=name, kind=str(kind), processor=processor, rules=rules)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProcessorsFileWrong(f"{place}.{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except Exception as error:
        raise ProcessorsFileWrong(f"{place}: {error or type(error).__name__}") from None


def make_http(name: str, options: Mapping[str, Any]) -> HttpProcessor:  # noqa: ARG001 - the same for all
    """Of the kind `http`, and of `sandbox`, which is one that speaks as ours does."""
    given = dict(options)
    seconds = float(given.pop("timeout_seconds"))
    read = HttpOptions(**given)
    members = {str(name): value for name, value in read.members.items()}
    statuses = {str(name): value for name, value in read.statuses.items()}
    return HttpProcessor(
        HttpSettings(
            base_url=read.base_url,
            secrets=read.secrets(),
            timeout_seconds=seconds,
            pay_path=read.pay_path,
            look_up_path=read.look_up_path,
            refund_path=read.refund_path,
            refund_look_up_path=read.refund_look_up_path,
            key_header=read.key_header,
            headers=read.headers,
            members=members,
            statuses=statuses,
        )
    )


_BUILT_IN: Mapping[str, Make] = {"http": make_http, "sandbox": make_http, "iso20022": make_payouts}


def _kinds() -> dict[str, Make]:
    """The built-in ones, and those of packages that are installed beside."""
    found: dict[str, Make] = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found[entry.name] = _loaded_late(entry)
    return {**found, **_BUILT_IN}


def _loaded_late(entry: importlib.metadata.EntryPoint) -> Make:
    """Only the plug-in that is used is imported."""

    def make(name: str, options: Mapping[str, Any]) -> Processor:
        factory: Make = entry.load()
        return factory(name, options)

    return make
