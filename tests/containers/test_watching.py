"""What compose brings beside the service: it finds what its files name, inside the network that nobody else is in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.containers.stack import Stack

pytestmark = pytest.mark.containers

SECONDS_MAX = 180.0
"""It is looked every 15 seconds, alerts wait for a minute, and a machine may be busy."""

ASK = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


def ask(stack: Stack, url: str) -> Any:
    """By the worker, which is in the network and stays when the API goes: none of them is published."""
    said = stack.engine.run("exec", stack.container("worker"), "python3", "-I", "-c", ASK, url)
    return json.loads(said.stdout)


def prometheus(stack: Stack, path: str) -> Any:
    return ask(stack, f"http://prometheus:9090/api/v1/{path}")["data"]


def until(is_so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS_MAX
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(1.0)
    return found


def test_prometheus_reads_everybody_it_is_told_of(stack: Stack) -> None:
    expected = {"zerosum", "prometheus", "alertmanager"} | ({"collector"} if stack.has_a_collector else set())

    def healthy() -> bool:
        targets = prometheus(stack, "targets?state=active")["activeTargets"]
        return {one["labels"]["job"] for one in targets if one["health"] == "up"} >= expected

    until(healthy)
    known = prometheus(stack, "alertmanagers")["activeAlertmanagers"]
    assert [one["url"] for one in known] == ["http://alertmanager:9093/api/v2/alerts"]


def test_all_its_rules_are_evaluated(stack: Stack) -> None:
    def rules() -> list[dict[str, str]]:
        return [rule for group in prometheus(stack, "rules")["groups"] for rule in group["rules"]]

    until(lambda: rules() and all(rule["health"] != "unknown" for rule in rules()))
    assert not [rule for rule in rules() if rule["health"] != "ok"]
    assert "ZerosumAway" in {rule["name"] for rule in rules()}


def test_a_trace_is_counted_by_the_collector_and_read_from_it(stack: Stack) -> None:
    if not stack.has_a_collector:
        pytest.skip("containers: the collector could not be built: that takes go")
    for name in ("alice", "bob"):
        body = {"code": f"traced:{name}", "type": "liability", "currency": "USD"}
        assert stack.call("POST", "/v1/accounts", body, key=f"traced-{name}").status_code == 201
    query = 'sum by (span_name) (traces_span_metrics_calls_total{service_name="zerosum"})'

    def counted() -> set[str]:
        found = prometheus(stack, f"query?query={query.replace(' ', '%20')}")["result"]
        return {one["metric"]["span_name"] for one in found}

    until(lambda: {"POST /v1/accounts", "committer batch"} <= counted())


def test_an_alert_comes_to_alertmanager_and_goes_when_its_cause_has_gone(stack: Stack) -> None:
    """Alone with the files as they are mounted: they say that a service that is away is told after a minute."""

    def told() -> list[dict[str, Any]]:
        alerts = ask(stack, "http://alertmanager:9093/api/v2/alerts")
        return [one for one in alerts if one["labels"]["alertname"] == "ZerosumAway"]

    stack.compose("stop", "api")
    try:
        (alert,) = until(told)
    finally:
        stack.compose("start", "api")
        stack.wait_until_ready()
    assert alert["labels"]["severity"] == "page"
    assert [one["name"] for one in alert["receivers"]] == ["pages"]
    assert alert["annotations"]["runbook"] == "docs/RUNBOOKS.md#zerosumaway"
    until(lambda: not told())
