"""`zerosum status` and `zerosum top` beside a service that really runs."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.conftest import Client, make_client
from tests.api.serving import served
from tests.cli.command import Said, zerosum
from zerosum.adapters.metrics_text import MetricsPage, read_metrics
from zerosum.cli.status import told
from zerosum.cli.top_frame import Look, Rates, sections
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service


async def run(port: int, client: Client, *arguments: str) -> Said:
    environment = {"ZEROSUM_URL": f"http://127.0.0.1:{port}", "ZEROSUM_TOKEN": client.api_key}
    return await asyncio.to_thread(zerosum, *arguments, environment=environment)


async def test_status_is_told_on_a_screen_and_to_machines_with_its_exit_code(service: Service, admin: Client) -> None:
    async with served(service) as port:
        said, machine = await asyncio.gather(run(port, admin, "status"), run(port, admin, "status", "--json"))
        status = json.loads(machine.out)
        assert (said.code, machine.code) == (1, 1), "no worker runs here: the self-audit has not begun"
        assert status["state"] == "degraded"
        assert "  ok    trial balance      zero, over 0 accounts" in said.out
        assert "  LOOK  self audit         has not begun" in said.out
        frame = await run(port, admin, "top", "--once", "--interval", "0.5")
        assert frame.code == 0, frame.err
        assert "trial balance              zero, over" in frame.out
        assert "queued commands            " in frame.out


async def test_who_may_not_and_a_service_that_is_away_are_bad(service: Service, admin: Client) -> None:
    poor = await make_client(service, (await service.services.ledgers.create("poor")).id, [Scope.PAYMENTS_READ])  # type: ignore[arg-type]
    async with served(service) as port:
        refused = await run(port, poor, "status")
        assert (refused.code, "403" in refused.err) == (2, True)
    await poor.http.aclose()
    away = await run(port, admin, "status", "--json")
    assert (away.code, json.loads(away.out)["state"]) == (2, "bad")
    assert (await run(port, admin, "top", "--once")).code == 2


def page(text: str) -> MetricsPage:
    return read_metrics(text.splitlines())


def test_rates_and_quantiles_are_of_what_has_come_since() -> None:
    before = page(
        'zerosum_http_request_seconds_bucket{route="a",le="0.01"} 100\nzerosum_payments_total{outcome="posted"} 5'
    )
    now = page(
        'zerosum_http_request_seconds_bucket{route="a",le="0.01"} 150\n'
        'zerosum_http_request_seconds_bucket{route="b",le="0.01"} 40\n'
        'zerosum_http_request_seconds_bucket{route="b",le="0.1"} 40\n'
        'zerosum_http_request_seconds_bucket{route="a",le="0.1"} 60\n'
        'zerosum_http_request_seconds_bucket{route="a",le="+Inf"} 100\n'
        'zerosum_payments_total{outcome="posted"} 25\nzerosum_payments_total{outcome="refused"} 3'
    )
    rates = Rates(before, now, 2.0)
    assert rates.of("zerosum_payments_total", outcome="posted") == 10.0
    assert rates.of("zerosum_nothing") is None
    assert rates.quantile(0.5, "zerosum_http_request_seconds") == pytest.approx(0.01 * 50 / 90)
    assert rates.quantile(0.99, "zerosum_http_request_seconds") == pytest.approx(0.091)
    slow = 'zerosum_x_bucket{le="0.01"} 0\nzerosum_x_bucket{le="0.1"} 8\nzerosum_x_bucket{le="+Inf"} 8'
    assert Rates(page(""), page(slow), 1.0).quantile(0.5, "zerosum_x") == pytest.approx(0.055)


def test_what_is_not_told_is_not_shown_as_zero_and_what_is_told_steers_no_terminal() -> None:
    shown = {section.title: dict(section.rows) for section in sections(None, Look(at=0.0, metrics=None, status=None))}
    assert set(shown["traffic"].values()) == {"-"}
    assert shown["proof"]["trial balance"] == "-"
    hostile = 'zerosum_hot_account_lock_wait_seconds{account="\x1b[2Jx\\"y"} 1.5'
    assert read_metrics([hostile]).by("account", "zerosum_hot_account_lock_wait_seconds") == {'\x1b[2Jx"y': 1.5}
    rows = sections(None, Look(at=0.0, metrics=page(hostile), status=None))[3].rows
    assert rows == [('\\x1b[2Jx"y', "1.50 s")]
    check = {"name": "x", "state": "good", "detail": "\x1b]0;x\x07"}
    status = {"version": "1", "state": "good", "checks": [check], "ledgers": 1, "as_of": "now"}
    assert "\x1b" not in told(status, "http://x")
