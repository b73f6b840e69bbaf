"""A risk score by HTTP: the payment is sent as JSON, and a number from 0 to 1000 comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import signature_headers
from zerosum.adapters.rules.contract import RulePayment, RuleVerdict, Verdict
from zerosum.domain.traces import origin_now, traced_headers

ANSWER_BYTES_MAX = 64 * 1024
SCORE_MAX = 1000


class ScoreUnclear(Exception):
    """The answer is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """A score of at least `refuse_from` refuses, one of at least `review_from` holds the payment for review."""

    url: str
    at_once: int
    secrets: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    refuse_from: Decimal | None = None
    review_from: Decimal | None = None


class ScoreHook:
    def __init__(self, settings: ScoreSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport
        self._made: httpx.AsyncClient | None = None

    async def ask(self, payment: RulePayment, seconds: float) -> RuleVerdict:
        body = json.dumps(asdict(payment)).encode()
        settings = self._settings
        origin = origin_now()
        headers = {
            "content-type": "application/json",
            **signature_headers(settings.secrets, body, now()),
            **traced_headers(None if origin is None else origin.traceparent),
        }
        # The time-outs of the client are of each read and write; this one is of all.
        async with (
            asyncio.timeout(seconds),
            self._client().stream("POST", settings.url, content=body, headers=headers) as got,
        ):
            read = bytearray()
            async for part in got.aiter_raw():
                read += part
                if len(read) > ANSWER_BYTES_MAX:
                    raise ScoreUnclear(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        return self._verdict(got.status_code, bytes(read))

    async def close(self) -> None:
        if self._made is not None:
            await self._made.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._made is None:  # Where it is used, and not where the file is read: that may be another loop.
            limits = httpx.Limits(max_connections=self._settings.at_once)
            self._made = httpx.AsyncClient(
                transport=self._transport,
                follow_redirects=False,
                trust_env=False,
                limits=limits,
                headers={"accept": "application/json", "accept-encoding": "identity", **self._settings.headers},
            )
        return self._made

    def _verdict(self, status: int, body: bytes) -> RuleVerdict:
        if status != 200:
            raise ScoreUnclear(f"the answer is {status}")
        try:
            content: Any = json.loads(body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise ScoreUnclear("the answer is no JSON") from error
        score = _score(content.get("score") if isinstance(content, dict) else None)
        reason = content.get("reason")
        said = reason if isinstance(reason, str) and reason else None
        if self._settings.refuse_from is not None and score >= self._settings.refuse_from:
            return RuleVerdict(Verdict.REFUSE, said)
        if self._settings.review_from is not None and score >= self._settings.review_from:
            return RuleVerdict(Verdict.REVIEW, said)
        return RuleVerdict(Verdict.ALLOW)


def _score(value: Any) -> Decimal:
    """Raises ScoreUnclear."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ScoreUnclear("the answer has no number `score`")
    try:
        score = Decimal(value)
    except InvalidOperation as error:  # pragma: no cover - JSON has no such numbers
        raise ScoreUnclear("the score is no number") from error
    if not 0 <= score <= SCORE_MAX:
        raise ScoreUnclear(f"the score is not between 0 and {SCORE_MAX}")
    return score
