"""The sandbox's callbacks: signed, late, repeated and in disorder, until somebody has taken them."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from typing import Any

import httpx

from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, sign
from zerosum.cli.sandbox.behaviour import dice, half_of
from zerosum.cli.sandbox.books import SandboxPayment

DELAY_SECONDS_MAX = 1.5
TRIES_MAX = 8
SENDING_SECONDS_MAX = 3.0
WAITING_MAX = 100_000


class Callbacks:
    """One thread sends what is due. `repeats` is the share of events that are sent a second time."""

    def __init__(self, url: str | None, secret: bytes, seed: int, repeats: float) -> None:
        self._url = url
        self._secret = secret
        self._seed = seed
        self._repeats = repeats
        self._due: list[tuple[float, int, dict[str, Any], int]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self.sent = 0
        if url is not None:
            threading.Thread(target=self._send_forever, name="callbacks", daemon=True).start()

    def tell(self, payment: SandboxPayment) -> None:
        """What has become of it. Of what was taken on before that, too: each event after a time of its own."""
        if self._url is None:
            return
        throws = dice(self._seed, payment.key, "callbacks")
        for number, content in enumerate(({"status": "pending"}, payment.shown())):
            event = {"event_id": f"ev_{payment.id}_{number}", "key": payment.key, **content}
            for _ in range(2 if throws.random() < self._repeats else 1):
                self._put(throws.random() * DELAY_SECONDS_MAX, event, 0)

    def tell_dispute(self, payment: SandboxPayment) -> None:
        """Of half of it, after all else that is told of it, and twice."""
        if self._url is None or payment.approved is None:
            return
        dispute = {"case_id": f"case_{payment.id}", "reason": "fraudulent", "amount": half_of(payment.approved)}
        event = {"event_id": f"ev_{payment.id}_dispute", "key": payment.key, "dispute": dispute}
        for seconds in (DELAY_SECONDS_MAX, DELAY_SECONDS_MAX + 0.1):
            self._put(seconds, event, 0)

    def _put(self, seconds: float, event: dict[str, Any], tries: int) -> None:
        with self._changed:
            if len(self._due) < WAITING_MAX:
                heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), event, tries))
                self._changed.notify()

    def _send_forever(self) -> None:
        client = httpx.Client(timeout=SENDING_SECONDS_MAX, trust_env=False, verify=False)  # noqa: S501 - of a trial
        while True:
            event, tries = self._next()
            body = json.dumps(event).encode()
            headers = {"content-type": "application/json", SIGNATURE_HEADER: sign(self._secret, body, now())}
            try:
                is_taken = client.post(str(self._url), content=body, headers=headers).status_code == 200
            except httpx.HTTPError:
                is_taken = False
            self.sent += is_taken
            if not is_taken and tries < TRIES_MAX:
                self._put(0.2 * 2**tries, event, tries + 1)

    def _next(self) -> tuple[dict[str, Any], int]:
        with self._changed:
            while True:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, event, tries = heapq.heappop(self._due)
                    return event, tries
                self._changed.wait(wait)
