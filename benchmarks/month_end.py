"""The close of a month in which many accounts have moved, while somebody pays."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx
import uvloop

from benchmarks.http_cases import HttpGround, LoadWasRefused
from benchmarks.service import Service
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import count_bulk

CONNECTIONS = 4
ITEMS = 200
CLOSING_SECONDS_MAX = 1_800.0
ASKING_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class Month:
    """What is being closed; None as long as it is not."""

    seconds: float | None = None
    accounts: int = 0
    failure: str | None = None


def dated_back(ground: HttpGround, codes: Sequence[str], today: datetime) -> int:
    """A payment from each second account to the one after it, in the month before this one. So many accounts moved."""
    when = _last_month(today).isoformat()
    pairs = list(zip(codes[::2], codes[1::2], strict=False))
    prefix = secrets.token_hex(5)
    items = [
        {
            "type": "transfer",
            "amount": "1.00",
            "currency": ground.target.currency,
            "from": payer,
            "to": payee,
            "effective_at": when,
            "idempotency_key": f"{prefix}-{number}",
        }
        for number, (payer, payee) in enumerate(pairs)
    ]
    bodies = [json.dumps({"items": items[at : at + ITEMS]}) for at in range(0, len(items), ITEMS)]
    head = ground.target.head("POST", "/v1/payments/bulk") + "Content-Type: application/json\r\n"
    requests = (f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in bodies)
    connections = min(CONNECTIONS, len(bodies))
    plan = replace(ground.plan, connections=connections, seconds=None, requests=len(bodies), warm_up_seconds=0.0)
    report = uvloop.run(run_load(plan, requests, acknowledged=count_bulk))
    if report.acknowledged != len(items):
        raise LoadWasRefused(f"dated back: {dict(report.statuses)} {dict(report.failures)}")
    return 2 * len(items)


@contextmanager
def closed(service: Service, today: datetime) -> Iterator[Month]:
    """The month before this one is closed meanwhile, as a caller does it: it is asked for until it is."""
    month = Month()
    thread = threading.Thread(target=_close, args=(service, _last_month(today), month), daemon=True)
    thread.start()
    yield month
    thread.join(CLOSING_SECONDS_MAX)
    if month.failure is not None:
        raise LoadWasRefused(f"closing the month: {month.failure}")


def _close(service: Service, when: datetime, month: Month) -> None:
    credentials = service.credentials
    headers = {"Authorization": f"Bearer {credentials.api_key}", "Idempotency-Key": secrets.token_hex(10)}
    begun = time.monotonic()
    try:
        with httpx.Client(base_url=credentials.base_url, headers=headers, trust_env=False, timeout=60) as client:
            while True:
                answer = client.post(f"/v1/periods/{when:%Y-%m}/close", json={})
                if answer.status_code not in (503, 504, 409) or time.monotonic() - begun > CLOSING_SECONDS_MAX:
                    break
                time.sleep(ASKING_AGAIN_SECONDS)
        if answer.status_code in (200, 201):
            month.accounts = answer.json()["accounts"]
        else:
            month.failure = answer.text
    except httpx.HTTPError as error:
        month.failure = repr(error)
    finally:
        month.seconds = time.monotonic() - begun


def _last_month(today: datetime) -> datetime:
    return today.replace(day=1, hour=12, minute=0, second=0, microsecond=0) - timedelta(days=10)
