"""`zerosum status` and `zerosum top` beside a service that really runs."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.api.conftest import Client, make_client
from tests.api.serving import served
from tests.cli.command import Said, zerosum
from zerosum.adapters.metrics_text import MetricsPage, read_metrics
from zerosum.cli.status import told
from zerosum.cli.top import ends
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
        # No worker runs here, but others may have audited the books of this database.
        [audit] = [check for check in status["checks"] if check["name"] == "self_audit"]
        is_begun = "has not begun" not in audit["detail"]
        assert (said.code, machine.code) == ((0, 0) if is_begun else (1, 1))
        assert status["state"] == ("good" if is_begun else "degraded")
        assert "  ok    trial balance      zero, over 0 accounts" in said.out
        assert f"  {'ok   ' if is_begun else 'LOOK '} self audit         " in said.out
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
    told_of = {part.title: part.rows for part in sections(None, Look(at=0.0, metrics=page(hostile), status=None))}
    rows = told_of["hot accounts (waited in the last minute)"]
    assert rows == [('\\x1b[2Jx"y', "1.50 s")]
    check = {"name": "x", "state": "good", "detail": "\x1b]0;x\x07"}
    status = {"version": "1", "state": "good", "checks": [check], "ledgers": 1, "as_of": "now"}
    assert "\x1b" not in told(status, "http://x")


@pytest.mark.parametrize(
    ("keys", "is_over"),
    [(b"xq", True), (b"Q", True), (b"\x1b", True), (b"\x03", True), (b"\x1b[A", False), (b"x", False), (b"", False)],
)
def test_keys_that_end_it(keys: bytes, is_over: bool) -> None:
    assert ends(keys) == is_over


async def test_it_ends_when_nobody_reads_it_any_more(service: Service, admin: Client, tmp_path: Path) -> None:
    """And what an export has written last then comes again at the next run."""
    state = tmp_path / "place"
    zerosum_ = f"{sys.executable} -m zerosum"
    commands = f"{zerosum_} top --interval 0.5 | head -n 1; {zerosum_} audit export --follow --state {state} | true"
    account = await admin.open_account()
    answer = await admin.post(f"/v1/accounts/{account['id']}/freeze", {"reason": "to be told"})
    assert answer.status_code == 200, answer.text
    async with served(service) as port:
        environment = {**os.environ, "ZEROSUM_URL": f"http://127.0.0.1:{port}", "ZEROSUM_TOKEN": admin.api_key}
        done = await asyncio.to_thread(
            subprocess.run, ["sh", "-c", commands], env=environment, capture_output=True, text=True, timeout=30
        )
        again = await run(port, admin, "audit", "export", "--state", str(state))
    assert done.stdout.startswith("Zerosum ")
    assert "Traceback" not in done.stderr
    assert "to be told" in again.out


class Stranger(http.server.BaseHTTPRequestHandler):
    """Whoever answers by mistake, with JSON."""

    def do_GET(self) -> None:  # the library's name
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}" if self.path == "/v1/status" else b"[]")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_what_is_no_zerosum_is_told_so() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"ZEROSUM_URL": f"http://127.0.0.1:{server.server_port}", "ZEROSUM_TOKEN": "x"}
        found = [
            zerosum(*words, environment=environment) for words in (("status",), ("top", "--once"), ("audit", "export"))
        ]
        server.shutdown()
    assert [(one.code, "is no Zerosum" in one.err) for one in found] == [(2, True), (2, True), (1, True)]
