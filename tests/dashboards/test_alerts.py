"""Each alert fires when it should and not when it should not, and leads to a page that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards.catalogue import DASHBOARDS
from dashboards.objectives import OBJECTIVES, alert_name
from dashboards.prometheus import HOW_TO_GET_IT, SHIPPED
from dashboards.runbooks import PAGE, pages

from tests.dashboards.alert_cases import BORN, LONG, SHORT, Series
from zerosum.metrics.declared import BY_NAME

RULES = sorted((SHIPPED / "rules").glob("*.yml"))
GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"]
    for path in RULES
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
}
GROUPS_OF_ALERTS = {name for name, rules in GROUPS.items() if any("alert" in rule for rule in rules)}
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for rules in GROUPS.values() for rule in rules if "alert" in rule
}
_METRIC = re.compile(r"\bzerosum_[a-z0-9_]+")


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip(HOW_TO_GET_IT)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules() -> None:
    assert "FAILED" not in promtool("check", "rules", *map(str, RULES))


def _unit_tests(cases: Mapping[str, tuple[Series, Series]], interval: str, at: str) -> dict[str, Any]:
    """All at once, since no two look at the same series: once all fire, once none does."""
    tests = []
    for side, is_firing in enumerate((True, False)):
        series = [one for pair in cases.values() for one in pair[side].items()]
        assert len(dict(series)) == len(series)
        asked = [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(is_firing)}],
            }
            for alert in cases
        ]
        given = [{"series": name, "values": values.strip()} for name, values in series]
        name = "these fire" if is_firing else "these do not fire"
        tests.append({"name": name, "interval": interval, "input_series": given, "promql_expr_test": asked})
    # What is recorded first, then who is alarmed by it: promtool takes groups in any order, where none is said.
    order = sorted(GROUPS, key=lambda name: name in GROUPS_OF_ALERTS)
    files = [str(path) for path in RULES]
    return {"rule_files": files, "evaluation_interval": interval, "group_eval_order": order, "tests": tests}


@pytest.mark.parametrize(
    ("cases", "interval", "at"),
    [(SHORT, "1m", "75m"), (LONG, "1h", "8d"), (BORN, "1m", "75m")],
    ids=["short", "long", "born"],
)
def test_each_alert_fires_and_does_not_fire(
    cases: Mapping[str, tuple[Series, Series]], interval: str, at: str, tmp_path: Path
) -> None:
    file = tmp_path / "alerts_test.yml"
    file.write_text(yaml.safe_dump(_unit_tests(cases, interval, at)), encoding="utf-8")
    promtool("test", "rules", str(file))


def test_each_alert_has_such_a_test() -> None:
    assert SHORT.keys() | LONG.keys() == ALERTS.keys()
    assert not SHORT.keys() & LONG.keys()


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert pages().keys() == ALERTS.keys()
    for name, text in pages().items():
        assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == ["Means", "Look at", "Do."], name
        assert f"({ALERTS[name]['labels']['severity']})" in text, name


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_runbook_and_a_dashboard(name: str) -> None:
    told = ALERTS[name]["annotations"]
    file, _, anchor = told["runbook"].partition("#")
    assert (PAGE.relative_to(SHIPPED.parents[1]).as_posix(), anchor) == (file, name.lower())
    assert told["dashboard"] in {f"/d/{dashboard.uid}" for dashboard in DASHBOARDS}
    assert ALERTS[name]["labels"]["severity"] in ("page", "ticket")


def test_runbooks_name_each_other_rightly() -> None:
    named = set(re.findall(r"\bZerosum[A-Z]\w+", PAGE.read_text(encoding="utf-8")))
    assert named == ALERTS.keys()


def test_rules_ask_for_metrics_that_there_are() -> None:
    known = BY_NAME.keys() | {f"{name}{end}" for name in BY_NAME for end in ("_bucket", "_count", "_sum")}
    asked = {name for path in RULES for name in _METRIC.findall(path.read_text(encoding="utf-8"))}
    assert not asked - known


def test_each_objective_wakes_somebody_and_opens_a_ticket() -> None:
    assert {alert_name(one, severity) for one in OBJECTIVES for severity in ("page", "ticket")} < ALERTS.keys()
