"""Dashboards in Grafana's own JSON, as its provisioning reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dashboards.parts import COLUMNS, Dashboard, Kind, Limits, Panel, Query, Variable

SCHEMA_VERSION = 42
SOURCE = {"type": "prometheus", "uid": "zerosum-prometheus"}
"""As deploy/grafana/provisioning/datasources names it."""

RUNBOOKS_UID = "zerosum-runbooks"
GREEN, YELLOW, RED = "green", "yellow", "red"
REF_IDS = "ABCDEFGH"


def as_text(dashboard: dict[str, Any]) -> str:
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def as_json(dashboard: Dashboard, all_: Sequence[Dashboard], runbook_ids: dict[str, int]) -> dict[str, Any]:
    """`all_` are what its links lead to, `runbook_ids` the panels of the dashboard of runbooks."""
    frame = _frame(dashboard.uid, dashboard.title, dashboard.says)
    frame["links"] = [
        _link(other.title, f"/d/{other.uid}", keeps_time=True) for other in all_ if other is not dashboard
    ]
    frame["links"].append(_link("Runbooks", f"/d/{RUNBOOKS_UID}"))
    frame["templating"] = {"list": [_variable(variable) for variable in dashboard.variables]}
    titles = {other.name: other for other in all_}
    top, number = 0, 0
    for story in dashboard.stories:
        number += 1
        frame["panels"].append(_row(number, story.question, top))
        top += 1
        left, tallest = 0, 0
        for panel in story.panels:
            if left + panel.width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            number += 1
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            shown = _panel(number, panel, place)
            shown["links"] = _links(panel, titles, runbook_ids)
            frame["panels"].append(shown)
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return frame


def texts_as_json(uid: str, title: str, says: str, pages: Sequence[tuple[int, str, str]]) -> dict[str, Any]:
    """A dashboard of texts: the number, title and Markdown of each."""
    frame = _frame(uid, title, says)
    frame["links"] = []
    frame["templating"] = {"list": []}
    for place, (number, heading, text) in enumerate(pages):
        grid = {"h": 9, "w": 12, "x": 12 * (place % 2), "y": 9 * (place // 2)}
        options = {"mode": "markdown", "content": text}
        frame["panels"].append({"id": number, "type": "text", "title": heading, "gridPos": grid, "options": options})
    return frame


def _frame(uid: str, title: str, says: str) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "description": says,
        "tags": ["zerosum"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_alerts()]},
        "panels": [],
    }


def _alerts() -> dict[str, Any]:
    """Where an alert fired, all panels have a mark."""
    return {
        "name": "Alerts",
        "enable": True,
        "hide": False,
        "iconColor": RED,
        "datasource": SOURCE,
        "target": {"refId": "Anno", "expr": 'ALERTS{alertname=~"Zerosum.+", alertstate="firing"}'},
    }


def _link(title: str, url: str, *, keeps_time: bool = False) -> dict[str, Any]:
    return {
        "title": title,
        "type": "link",
        "url": url,
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "targetBlank": False,
        "includeVars": False,
        "keepTime": keeps_time,
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({variable.metric}, {variable.label})", "refId": "A"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }


def _row(number: int, question: str, top: int) -> dict[str, Any]:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": question, "collapsed": False, "gridPos": place, "panels": []}


def _links(panel: Panel, dashboards: dict[str, Dashboard], runbook_ids: dict[str, int]) -> list[dict[str, Any]]:
    links = []
    if panel.runbook:
        page = f"/d/{RUNBOOKS_UID}?viewPanel={runbook_ids[panel.runbook]}"
        links.append(_link(f"Runbook: {panel.runbook}", page))
    if panel.leads_to:
        other = dashboards[panel.leads_to]
        links.append(_link(f"More: {other.title}", f"/d/{other.uid}?${{__url_time_range}}"))
    return links


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": str(panel.unit),
        "color": {"mode": "palette-classic" if panel.kind is Kind.SERIES else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": _steps(panel.limits)},
    }
    if panel.unit.name != "TIME_AGO":
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind is Kind.SERIES:
        defaults["custom"] = _drawn(panel)
    return {
        "id": number,
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [_target(*pair, panel.kind) for pair in zip(REF_IDS, panel.queries, strict=False)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(ref_id: str, query: Query, kind: Kind) -> dict[str, Any]:
    return {
        "refId": ref_id,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "range": kind is not Kind.BARS,
        "instant": kind is Kind.BARS,
    }


def _steps(limits: Limits) -> list[dict[str, Any]]:
    """Grafana's colours hold from a value on."""
    given = [(limits.warn, YELLOW), (limits.alarm, RED)]
    named = [(value, colour) for value, colour in given if value is not None]
    if not limits.falling:
        return [{"color": GREEN, "value": None}, *({"color": colour, "value": value} for value, colour in named)]
    # What lies below a value is as bad as it says, so the worst stands first.
    named.reverse()
    colours = [colour for _, colour in named] + [GREEN]
    return [{"color": colours[0], "value": None}] + [
        {"color": colour, "value": value} for (value, _), colour in zip(named, colours[1:], strict=True)
    ]


def _drawn(panel: Panel) -> dict[str, Any]:
    has_limits = panel.limits.warn is not None or panel.limits.alarm is not None
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 2,
        "fillOpacity": 60 if panel.stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if has_limits else "off"},
    }


_OPTIONS: dict[Kind, dict[str, Any]] = {
    Kind.SERIES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Kind.STAT: {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    Kind.BARS: {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "displayMode": "gradient",
        "orientation": "horizontal",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
    },
}
