"""A word that no route has asked for, put wherever a caller can write: it stands in no log, no trace and no metric."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, make_client, service_settings
from tests.api.every_route import SOMETHING, Documented, documented
from tests.conftest import Servers, TestDatabase
from tests.logs.filling import body_of
from tests.processors.processing import SECRET, processors_file
from tests.tracing.collector import collecting
from tests.webhooks.conftest import endpoint_of
from zerosum.domain.identifiers import LedgerId
from zerosum.logs.setting_up import NOISY, log_formatter
from zerosum.main import Service

CANARY = "c4nary"
HEADERS = (
    "User-Agent", "Cookie", "Referer", "X-Forwarded-For", "X-Forwarded-Host", "Accept-Language", "Baggage",
    "X-Api-Key", "Idempotency-Key", "Traceparent", "Tracestate", "Origin", "Proxy-Authorization",
)  # fmt: skip
"""Not `X-Request-Id`: by that a caller wants to be found again."""

SMTP_PASSWORD, METRICS_TOKEN = "c4nary-of-the-mail-server", "c4nary-of-prometheus"
OPEN_ENDED = ("/v1/events/stream", "/v1/events/tail")


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """All that is logged meanwhile, as it is written."""
    stream = io.StringIO()
    writer = logging.StreamHandler(stream)
    writer.setFormatter(log_formatter("json"))
    root, ours = logging.getLogger(), logging.getLogger("zerosum")
    before = root.level, ours.level, {name: logging.getLogger(name).level for name in NOISY}
    root.addHandler(writer)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield stream
    finally:
        root.removeHandler(writer)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        for name, level in before[2].items():
            logging.getLogger(name).setLevel(level)


async def ask_everywhere(client: Client, route: Documented, document: dict[str, Any]) -> list[int]:
    """With the word in path, query, headers and body; with a path that fits; and as a stranger."""
    body = body_of(route.operation, document, CANARY)
    headers = dict.fromkeys(HEADERS, CANARY)
    fitting = re.sub(r"\{(\w+)\}", lambda found: SOMETHING[found[1]], route.path)
    asked: list[tuple[str, dict[str, Any]]] = [
        (re.sub(r"\{\w+\}", CANARY, route.path), {"params": dict.fromkeys(sorted(route.query), CANARY)}),
        (fitting, {}),
        (fitting, {"auth": (CANARY, CANARY), "params": {CANARY: CANARY}}),
        (fitting, {"headers": {**headers, "Authorization": f"Bearer {CANARY}"}}),
    ]
    statuses = []
    for path, options in asked:
        given = {"headers": headers, **options}
        if body is not None:
            given["json"] = body
        elif "requestBody" in route.operation:
            kind = next(iter(route.operation["requestBody"]["content"]))
            given |= {"content": CANARY.encode(), "headers": {**given["headers"], "Content-Type": kind}}
        answer = await client.http.request(route.method, path, **given)
        statuses.append(answer.status_code)
    return statuses


async def test_what_callers_write_and_what_is_secret_is_told_nowhere(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    settings = {
        "smtp_user": "mail",
        "smtp_url": "smtps://mail.example.com",
        "smtp_password": SMTP_PASSWORD,
        "metrics_token": METRICS_TOKEN,
        "processors_file": processors_file(tmp_path, "http://127.0.0.1:1"),
        "log_requests": "all",
    }
    with collecting() as collector, logged() as log:
        service = Service(service_settings(test_database, servers, otlp_endpoint=collector.url, **settings))
        await service.start()
        client = await make_client(service, ledger_id)
        await client.open_account("a")
        body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", "metadata": {CANARY: CANARY}}
        texts = {"description": CANARY, "reference": CANARY}
        paid = await client.post("/v1/payments", {**body, **texts}, key=CANARY)
        assert paid.status_code == 201
        hook = await endpoint_of(client, "https://example.com/c4nary?c4nary=1", headers={"x-own": CANARY})
        document = (await client.http.get("/openapi.json")).json()
        statuses: list[int] = []
        for route in await documented(client.http):
            if not route.path.endswith(OPEN_ENDED):
                statuses += await ask_everywhere(client, route, document)
        metrics = (await client.http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})).text
        secrets = [client.api_key, hook["secret"], SECRET, *_passwords(test_database, servers)]
        await client.http.aclose()
        await service.stop()
    assert {200, 401, 404, 422} <= set(statuses)
    assert not [status for status in statuses if status >= 500 and status != 503]
    told = {
        "log": log.getvalue(),
        "traces": b"".join(collector.messages).decode("latin-1"),
        "metrics": metrics,
    }
    for where, text in told.items():
        assert len(text) > 10_000, where
        for secret in (CANARY, *secrets):
            assert secret not in text, _near(where, text, secret)
    assert f'"payment":"{paid.json()["id"]}"' in told["log"]


def _passwords(database: TestDatabase, servers: Servers) -> list[str]:
    return [
        url.partition("://")[2].rpartition("@")[0].rpartition(":")[2]
        for url in (database.service_dsn, database.superuser_dsn, servers.redis_url)
    ]


def _near(where: str, text: str, secret: str) -> str:
    place = text.index(secret)
    return f"{where}: …{text[max(0, place - 300) : place + 100]}…"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_error_of_others_is_told_by_its_kind_and_its_place(log_format: str) -> None:
    rows: dict[str, str] = {}

    def fail() -> None:
        try:
            _ = rows[CANARY]
        except KeyError as error:
            raise ValueError(f"a row with {CANARY}") from error

    stream = io.StringIO()
    writer = logging.StreamHandler(stream)
    writer.setFormatter(log_formatter(log_format))
    logger = logging.Logger("zerosum.test")
    logger.addHandler(writer)
    try:
        fail()
    except ValueError:
        logger.exception("it went wrong", extra={"body": CANARY, "code": "no_such_thing"})
    logger.warning("asked %s", f"postgresql://x:{CANARY}@host/db and zsk_{CANARY} and https://{CANARY}@host")
    said = stream.getvalue()
    assert CANARY not in said
    assert "ValueError" in said
    assert "KeyError" in said
    assert "test_canaries.py" in said
    assert "no_such_thing" in said


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_is_no_text_and_no_usual_number_is_told_all_the_same(log_format: str) -> None:
    stream = io.StringIO()
    writer = logging.StreamHandler(stream)
    writer.setFormatter(log_formatter(log_format))
    logger = logging.Logger("zerosum.test")
    logger.addHandler(writer)
    logger.warning("looked at it", extra={"resource": "a\udcffb", "occurrences": 10**30, "why": {"an": object()}})
    said = stream.getvalue()
    assert "looked at it" in said
    assert str(10**30) in said
