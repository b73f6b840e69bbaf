"""Every panel and every rule, asked of a real Prometheus; and an alert on its way to somebody."""

from __future__ import annotations

import math
from typing import Any

import pytest
from dashboards.asking import newest
from dashboards.catalogue import DASHBOARDS
from dashboards.parts import Dashboard

from tests.dashboards.conftest import Watched, until
from tests.dashboards.test_alerts import ALERTS

RATE_SECONDS = 10

pytestmark = [pytest.mark.xdist_group("watched"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_every_panel_has_something_to_show(watched: Watched, dashboard: Dashboard) -> None:
    waiting = {panel.title: panel for panel in dashboard.panels() if not panel.rare}

    def none_is_left() -> bool:
        for title, panel in list(waiting.items()):
            lines = newest(watched.prometheus, panel, RATE_SECONDS)
            if any(math.isfinite(value) for line in lines for _, value in line.points):
                del waiting[title]
        return not waiting

    assert until(none_is_left), f"no data: {sorted(waiting)}"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_what_a_panel_rarely_shows_can_be_asked_for(watched: Watched, dashboard: Dashboard) -> None:
    for panel in dashboard.panels():
        if panel.rare:
            newest(watched.prometheus, panel, RATE_SECONDS)


def test_every_rule_is_evaluated_without_an_error(watched: Watched) -> None:
    def rules() -> list[dict[str, str]]:
        return [rule for group in watched.prometheus.ask("rules")["groups"] for rule in group["rules"]]

    assert until(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert {rule["name"] for rule in rules() if rule["type"] == "alerting"} == ALERTS.keys()
    assert not [rule for rule in rules() if rule["health"] != "ok"]
    recorded = {rule["name"] for rule in rules() if rule["type"] == "recording"}
    assert until(lambda: all(watched.prometheus.now(name) for name in recorded))


def test_an_alert_comes_to_whom_it_is_for(watched: Watched) -> None:
    """The load has sent messages that can never be carried out."""

    def named() -> list[dict[str, Any]]:
        return [alert for alert in watched.told if alert["labels"]["alertname"] == "ZerosumDeadLetters"]

    assert until(named)
    told = named()[0]
    assert told["status"] == "firing"
    assert told["labels"]["severity"] == "ticket"
    assert told["annotations"]["runbook"] == "docs/RUNBOOKS.md#zerosumdeadletters"
    assert "messages can never be carried out" in told["annotations"]["description"]
