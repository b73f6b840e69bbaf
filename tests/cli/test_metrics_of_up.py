"""What a whole installation tells: every metric that is declared, but for those that say what must be there first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from tests.campaigns.installation import Installation, installed
from zerosum.metrics.declared import ALL, BY_NAME

TOLD_SECONDS_MAX = 60.0

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """After a payment, the same again, and one that is refused; with what the worker has read."""
    with installed(is_warm=True) as installation:
        _pay(installation)
        _ingest(installation)
        ends_at = time.monotonic() + TOLD_SECONDS_MAX
        while True:
            text = httpx.get(f"{installation.base_url}/metrics", trust_env=False).text
            if not _missing(text):
                break
            assert time.monotonic() < ends_at, _missing(text)
            time.sleep(0.2)
        asked = {"Accept": "application/openmetrics-text;version=1.0.0"}
        opened = httpx.get(f"{installation.base_url}/metrics", headers=asked, trust_env=False)
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert list(read_open_metrics(opened.text))  # type: ignore[no-untyped-call]
        yield text


def _pay(installation: Installation) -> None:
    transfer = {"type": "transfer", "from": "customers:alice", "to": "customers:bob", "currency": "USD"}
    deposit = {"type": "deposit", "to": "customers:alice", "currency": "USD", "amount": "20"}
    wanted = (
        ("in", deposit, 201),
        ("one", {**transfer, "amount": "12.34"}, 201),
        ("one", {**transfer, "amount": "12.34"}, 201),
        ("two", {**transfer, "amount": "99999999"}, 422),
    )
    for key, order, status in wanted:
        paid = httpx.post(
            f"{installation.base_url}/v1/payments",
            json=order,
            headers={**installation.headers, "Idempotency-Key": f"metrics-{key}"},
            trust_env=False,
        )
        assert paid.status_code == status, paid.text


def _ingest(installation: Installation) -> None:
    """One message, which is over long before anybody looks."""
    message = b'{"command": "payment", "type": "deposit", "amount": "5", "currency": "EUR", "to": "customers:alice"}'
    subprocess.run(
        [sys.executable, "-m", "zerosum", "ingest", "--from", "-", "--name", "one", "--data-dir", installation.folder],
        input=message,
        env={**os.environ, "ZEROSUM_METRICS_DIR": str(installation.folder / "metrics")},
        check=True,
        capture_output=True,
    )


def _families(text: str) -> dict[str, Family]:
    return {f"{family.name}{'_total' * (family.type == 'counter')}": family for family in _parsed(text)}


def _parsed(text: str) -> list[Family]:
    return list(text_string_to_metric_families(text))


def _missing(text: str) -> list[str]:
    found = _families(text)
    return [metric.name for metric in ALL if metric.where is None and metric.name not in found]


def test_every_metric_is_told_by_a_service_and_its_worker_as_it_is_declared(page: str) -> None:
    found = _families(page)
    assert not found.keys() - BY_NAME.keys()
    for name, family in found.items():
        metric = BY_NAME[name]
        assert (family.documentation, family.type) == (metric.says, metric.kind.value)
        assert {*metric.labels} == {label for sample in family.samples for label in sample.labels} - {"le"}


def test_what_is_told_is_true(page: str) -> None:
    found = _families(page)

    def value(name: str, **labels: str) -> float:
        return sum(sample.value for sample in found[name].samples if labels.items() <= sample.labels.items())

    assert {sample.value for sample in found["zerosum_trial_balance_difference"].samples} == {0}
    transfers = {"type": "transfer", "processor": "internal"}
    assert value("zerosum_payments_total", outcome="posted", **transfers) >= 1
    assert value("zerosum_payments_total", outcome="replayed", **transfers) == 1
    assert value("zerosum_payment_refusals_total", type="transfer", code="insufficient_funds") == 1
    assert value("zerosum_http_refusals_total", code="insufficient_funds") == 1
    assert value("zerosum_payment_amount_total", currency="USD") == pytest.approx(32.34)
    assert value("zerosum_ingest_messages_total") == value("zerosum_ingest_dead_total") + 1 == 1
    assert value("zerosum_processes", process="worker") == 1
    assert value("zerosum_processes", process="api") >= 1
    assert value("zerosum_postgres_connections_max") > value("zerosum_postgres_connections") > 0
    assert value("zerosum_postgres_table_size_bytes", table="postings") > 0
    sizes = {one.labels["le"]: one.value for one in found["zerosum_batch_commands"].samples if "le" in one.labels}
    assert sizes["+Inf"] == value("zerosum_batches_total")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus")
def test_prometheus_finds_nothing_to_object_to(page: str) -> None:
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
