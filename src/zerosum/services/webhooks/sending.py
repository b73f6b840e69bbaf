"""One attempt to deliver an event to an endpoint: what is sent, and how that has ended. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from zerosum.adapters.retry_after import wait_asked_for
from zerosum.adapters.webhook_client import Answered, SendFailed, jitter_percent
from zerosum.db.queries.webhook_dispatch import AttemptResult, ClaimedDelivery
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.traces import TraceOrigin, traced_headers
from zerosum.domain.webhooks import JITTER_PERCENT, DeliveryStatus, retry_delay
from zerosum.services.spans import Spans, StepKind
from zerosum.services.webhooks.secrets import OpenedEndpoint
from zerosum.services.webhooks.signing import signed_headers

USER_AGENT = "Zerosum-Webhooks/1"


class Client(Protocol):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered: ...


@dataclass(slots=True, kw_only=True)
class Parcel:
    """A delivery with all that sending it needs."""

    delivery: ClaimedDelivery
    endpoint: OpenedEndpoint
    body: bytes
    claimed_at: datetime
    origin: TraceOrigin | None
    """Of which trace the event is a part."""


@dataclass(slots=True)
class DispatchStats:
    """Since the process began."""

    delivered: int = 0
    failed: int = 0


class Sender:
    def __init__(self, client: Client, now: Callable[[], datetime], spans: Spans) -> None:
        self._client = client
        self._now = now
        self._spans = spans
        self.stats = DispatchStats()

    async def attempt(self, parcel: Parcel) -> AttemptResult:
        """How it has ended."""
        if parcel.origin is None:  # A part of no trace: nobody is told of it.
            return await self._posted(parcel, None)
        delivery, said = parcel.delivery, {"zerosum.event_type": parcel.delivery.type.value}
        said["zerosum.event_id"] = render_id(Prefix.EVENT, delivery.event_id)
        said["zerosum.webhook_endpoint"] = render_id(Prefix.WEBHOOK_ENDPOINT, delivery.endpoint_id)
        step = self._spans.begin("webhook delivery", StepKind.ASKS, parcel.origin, said)
        try:
            result = await self._posted(parcel, step.origin)
        except BaseException:
            step.end("not_sent")
            raise
        code = result.status_code
        step.end(result.error, {} if code is None else {"http.response.status_code": code})
        return result

    def failed(
        self, delivery: ClaimedDelivery, status_code: int | None, error: str, asked: timedelta | None = None
    ) -> AttemptResult:
        """`asked` is how long the receiver wants to be left alone."""
        self.stats.failed += 1
        now = self._now()
        delay = retry_delay(delivery.attempts, jitter_percent(JITTER_PERCENT), asked)
        return AttemptResult(
            delivery=delivery,
            status=DeliveryStatus.FAILED if delay is None else DeliveryStatus.PENDING,
            attempted_at=now,
            next_at=None if delay is None else now + delay,
            status_code=status_code,
            error=error,
        )

    async def _posted(self, parcel: Parcel, origin: TraceOrigin | None) -> AttemptResult:
        delivery, endpoint = parcel.delivery, parcel.endpoint
        event_id = render_id(Prefix.EVENT, delivery.event_id)
        timestamp = int(self._now().timestamp())
        headers = {
            "user-agent": USER_AGENT,
            **endpoint.headers,
            "content-type": "application/json",
            **signed_headers(event_id, timestamp, parcel.body, endpoint.keys),
            **traced_headers(None if origin is None else origin.traceparent),
        }
        try:
            answered = await self._client.post(endpoint.url, headers, parcel.body)
        except SendFailed as failure:
            return self.failed(delivery, None, failure.code)
        return self._judged(delivery, answered)

    def _judged(self, delivery: ClaimedDelivery, answered: Answered) -> AttemptResult:
        if 200 <= answered.status < 300:
            self.stats.delivered += 1
            return AttemptResult(
                delivery=delivery,
                status=DeliveryStatus.DELIVERED,
                attempted_at=self._now(),
                next_at=None,
                status_code=answered.status,
                error=None,
            )
        asked = wait_asked_for(answered.retry_after, self._now())
        return self.failed(delivery, answered.status, f"status_{answered.status // 100}xx", asked)
