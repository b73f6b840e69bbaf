"""The dashboards as files: what is committed is what the code says, and every link in it leads somewhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from dashboards.__main__ import FOLDER, OBJECTIVES_FILE
from dashboards.asking import as_asked
from dashboards.catalogue import DASHBOARDS, files
from dashboards.objectives import rules_text
from dashboards.parts import COLUMNS, Dashboard
from dashboards.runbooks import TOP, pages

from zerosum.metrics.declared import BY_NAME

BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in files().items()}
PICTURES = TOP / "docs" / "dashboards"
_METRIC = re.compile(r"\bzerosum_[a-z0-9_]+")
NOT_SHOWN = {
    "zerosum_batches_total": "the histogram of their sizes counts them too",
    "zerosum_ingest_messages_total": "its parts are shown: done, refused, dead letters",
    "zerosum_ingest_replayed_total": "a part of what is done",
    "zerosum_ingest_skipped_total": "a part of what is settled",
    "zerosum_ingest_dead_letters": "zerosum_dead_letters is of all ledgers",
    "zerosum_ingest_set_aside_messages": "the same",
    "zerosum_publish_fenced_total": "an ordinary change of hands",
    "zerosum_mails_sent_total": "needs a mail server",
    "zerosum_mails_failed_total": "needs a mail server",
    "zerosum_postgres_replication_lag_bytes": "shown in seconds",
    "zerosum_postgres_live_tuples": "only an alert asks for it",
    "zerosum_proof_log_lag_seconds": "some seconds while a worker lives, whose life is shown",
    "zerosum_reading_seconds": "its age is shown",
    "zerosum_readings_failed_total": "its age is shown",
}
"""Metrics without a panel, and why."""


def test_what_is_committed_is_what_the_code_says() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert found == files(), "Run `make dashboards`."
    assert OBJECTIVES_FILE.read_text(encoding="utf-8") == rules_text(), "Run `make dashboards`."


def test_panels_do_not_overlap_and_have_names_of_their_own() -> None:
    for name, board in BOARDS.items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & taken, (name, panel["title"])
            assert at["x"] + at["w"] <= COLUMNS, (name, panel["title"])
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for dashboard in DASHBOARDS:
        titles = [panel.title for panel in dashboard.panels()]
        assert len(set(titles)) == len(titles), dashboard.name


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_line_of_panels_is_as_wide_as_the_page(dashboard: Dashboard) -> None:
    for story in dashboard.stories:
        assert sum(panel.width for panel in story.panels) % COLUMNS == 0, story.question
        assert story.question.endswith("?")
        assert all(panel.says.endswith(".") and panel.queries for panel in story.panels)


def test_every_link_leads_to_a_dashboard_and_a_panel_of_it() -> None:
    by_uid = {board["uid"]: board for board in BOARDS.values()}
    for board in BOARDS.values():
        links = [link for panel in board["panels"] for link in panel.get("links", ())] + board["links"]
        for link in links:
            uid, _, asked = link["url"].removeprefix("/d/").partition("?")
            number = asked.removeprefix("viewPanel=")
            assert uid in by_uid, link
            if number.isdigit():
                shown = next(panel for panel in by_uid[uid]["panels"] if panel["id"] == int(number))
                assert link["title"] == f"Runbook: {shown['title']}"
                assert shown["options"]["content"] == pages()[shown["title"]]


def test_every_variable_is_used_and_every_one_used_is_there() -> None:
    for board in BOARDS.values():
        text = json.dumps([panel.get("targets") for panel in board["panels"]])
        used = set(re.findall(r"\$(?!__)(\w+)", text))
        assert used == {variable["name"] for variable in board["templating"]["list"]}, board["title"]


def test_panels_show_every_metric_and_no_other() -> None:
    queries = [query.expr for board in DASHBOARDS for panel in board.panels() for query in panel.queries]
    known = {f"{name}{end}": name for name in BY_NAME for end in ("", "_bucket", "_count", "_sum")}
    asked = {name for expr in queries for name in _METRIC.findall(as_asked(expr, 60))}
    assert not asked - known.keys()
    assert BY_NAME.keys() - {known[name] for name in asked} == NOT_SHOWN.keys()


def test_there_is_a_picture_of_each() -> None:
    for dashboard in DASHBOARDS:
        picture = (PICTURES / f"{dashboard.name}.svg").read_text(encoding="utf-8")
        assert len(picture) < 150_000
        missing = [panel.title for panel in dashboard.panels() if f">{_escaped(panel.title)}<" not in picture]
        assert not missing, f"{missing}: run `make dashboard-pictures`."


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#x27;")
