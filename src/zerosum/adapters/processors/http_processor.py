"""A processor that is spoken to in JSON over HTTP. Paths, names of members and words of statuses are by its settings.

Only a status that is known is an answer. Everything else (another status, a 4xx or 5xx, no JSON, no reply) is unknown,
and is looked up: so nothing is sent again before the processor was asked, and then only with the same key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from zerosum.adapters.clock import now
from zerosum.adapters.processors.contract import (
    BadCallback,
    NotSent,
    ProcessorAnswer,
    ProcessorCallback,
    ProcessorDispute,
    ProcessorOrder,
    ProcessorOutcome,
    ProcessorRefundOrder,
)
from zerosum.adapters.processors.signing import check_signature, signature_headers
from zerosum.domain.traces import traced_headers

ANSWER_BYTES_MAX = 64 * 1024
TEXT_MAX = 500
"""Of what a processor says for its own id and its reasons."""


OF_REQUEST = frozenset({400, 409, 413, 422})
"""Answers of one that is well, to something that it does not take."""


class ProcessorUnclear(Exception):
    """The reply says nothing that is known: what became of the payment has to be looked up."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.is_of_request = status in OF_REQUEST
        """It speaks against the request, and not against the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """`members` maps our names to those of the processor's JSON; `statuses`, our outcomes to its words."""

    base_url: str
    secrets: Sequence[bytes]
    timeout_seconds: float
    pay_path: str = "/payments"
    look_up_path: str = "/payments/{key}"
    refund_path: str = "/refunds"
    refund_look_up_path: str = "/refunds/{key}"
    key_header: str = "idempotency-key"
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, Sequence[str]] = field(default_factory=dict)


class HttpProcessor:
    def __init__(self, settings: HttpSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._settings = settings
        self._outcomes = {
            word: outcome
            for outcome in ProcessorOutcome
            for word in settings.statuses.get(outcome.value, (outcome.value,))
        }
        self._base_url = httpx.URL(settings.base_url)
        self._transport = transport

    @cached_property
    def _client(self) -> httpx.Client:
        """Made when it is first used: what TLS needs takes long to load, and who only routes asks nobody."""
        settings = self._settings
        return httpx.Client(
            base_url=self._base_url,
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            timeout=settings.timeout_seconds,
            # A connection that was kept may have ended unseen, and what is lost on it would have to be looked up.
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"accept": "application/json", "accept-encoding": "identity", **settings.headers},
        )

    def pay(self, order: ProcessorOrder) -> ProcessorAnswer:
        content: dict[str, Any] = {
            self._called("key"): order.key,
            "payment_id": order.payment_id,
            "type": order.type,
            self._called("amount"): order.amount,
            "currency": order.currency,
            "reference": order.reference,
            "description": order.description,
            "metadata": dict(order.metadata),
        }
        return self._carry_out(self._settings.pay_path, order, content)

    def refund(self, order: ProcessorRefundOrder) -> ProcessorAnswer:
        content: dict[str, Any] = {
            self._called("key"): order.key,
            "refund_id": order.refund_id,
            "payment_id": order.payment_id,
            "payment_key": order.payment_key,
            "processor_payment_id": order.processor_payment_id,
            "type": order.type,
            self._called("amount"): order.amount,
            "currency": order.currency,
            "reason": order.reason,
            "metadata": dict(order.metadata),
        }
        path = self._settings.refund_path.replace("{payment}", quote(order.processor_payment_id or "", safe=""))
        return self._carry_out(path, order, content)

    def look_up(self, key: str) -> ProcessorAnswer:
        return self._look_up(self._settings.look_up_path, key)

    def look_up_refund(self, key: str) -> ProcessorAnswer:
        return self._look_up(self._settings.refund_look_up_path, key)

    def _carry_out(
        self, path: str, order: ProcessorOrder | ProcessorRefundOrder, content: Mapping[str, Any]
    ) -> ProcessorAnswer:
        body = json.dumps({name: value for name, value in content.items() if value}).encode()
        headers = {self._settings.key_header: order.key, **traced_headers(order.traceparent)}
        status, answer = self._ask("POST", path, body, headers)
        return self._answer(status, answer)

    def _look_up(self, template: str, key: str) -> ProcessorAnswer:
        path = template.replace("{key}", quote(key, safe=""))
        status, answer = self._ask("GET", path, b"", {})
        if status == 404:
            return ProcessorAnswer(outcome=ProcessorOutcome.ABSENT)
        return self._answer(status, answer)

    def parse_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProcessorCallback:
        check_signature(self._settings.secrets, headers, body, now)
        try:
            content = json.loads(body)
            event_id, key = content[self._called("event_id")], content[self._called("key")]
            if not isinstance(event_id, str) or not isinstance(key, str):
                raise TypeError
            if not event_id or not event_id.isprintable():
                raise ProcessorUnclear("an event has an id")
            event_id = event_id[:TEXT_MAX]
            if (dispute := content.get("dispute")) is not None:
                nothing = ProcessorAnswer(outcome=ProcessorOutcome.PENDING)
                return ProcessorCallback(event_id=event_id, key=key, answer=nothing, dispute=_dispute(dispute))
            return ProcessorCallback(event_id=event_id, key=key, answer=self._answer(200, content))
        except (ValueError, KeyError, TypeError, RecursionError, ProcessorUnclear) as error:
            raise BadCallback("it is signed, and says nothing that is known") from error

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Raises NotSent, ProcessorUnclear, and whatever httpx raises once something may have been sent."""
        try:
            return self._replied(method, path, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(type(error).__name__) from error

    def _replied(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        kind = {"content-type": "application/json"} if body else {}
        sent = {**headers, **signature_headers(self._settings.secrets, body, now()), **kind}
        in_time = {"trace": _sends_until(time.monotonic() + self._settings.timeout_seconds)}
        with self._client.stream(method, path, content=body, headers=sent, extensions=in_time) as response:
            read = bytearray()
            for part in response.iter_raw():
                read += part
                if len(read) > ANSWER_BYTES_MAX:
                    raise ProcessorUnclear(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        if response.status_code == 404:
            return 404, None
        try:
            return response.status_code, json.loads(read)
        except (ValueError, RecursionError) as error:
            raise ProcessorUnclear(f"the answer {response.status_code} is no JSON", response.status_code) from error

    def _answer(self, status: int, content: Any) -> ProcessorAnswer:
        word = content.get(self._called("status")) if isinstance(content, dict) else None
        outcome = self._outcomes.get(word) if isinstance(word, str) else None
        if status >= 500 or outcome is None:
            raise ProcessorUnclear(f"the answer {status} has no status that is known", status)
        amount = content.get(self._called("approved"))
        if amount is not None and not isinstance(amount, str):
            raise ProcessorUnclear("the approved amount is no text")
        return ProcessorAnswer(
            outcome=outcome,
            amount=amount,
            processor_payment_id=_text(content.get(self._called("id"))),
            reason=_text(content.get(self._called("reason"))),
        )

    def _called(self, name: str) -> str:
        return self._settings.members.get(name, name)


def _sends_until(end: float) -> Callable[[str, Any], None]:
    """A name that is looked up for long delays a request without bounds. Whoever waits for it has given up by then."""

    def look(event: str, _: Any) -> None:
        if event.endswith(".send_request_headers.started") and time.monotonic() > end:
            raise httpx.ConnectTimeout("nothing was sent in time")

    return look


def _dispute(content: Any) -> ProcessorDispute:
    """Raises KeyError, TypeError, ProcessorUnclear."""
    case_id, reason = _text(content["case_id"]), _text(content["reason"])
    amount = content.get("amount")
    if not case_id or not reason or not (amount is None or isinstance(amount, str)):
        raise ProcessorUnclear("a dispute tells its case and its reason")
    return ProcessorDispute(case_id=case_id, reason=reason, amount=amount)


def _text(value: Any) -> str | None:
    return value[:TEXT_MAX] if isinstance(value, str) and value.isprintable() else None
