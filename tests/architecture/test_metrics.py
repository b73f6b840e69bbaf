"""Metrics: each says something, in its unit, and the page tells of all."""

from __future__ import annotations

import pytest

from tests.architecture import metrics_page
from zerosum.metrics.declaration import Metric
from zerosum.metrics.declared import ALL


def test_the_page_tells_of_every_metric_as_it_is_declared() -> None:
    shown = metrics_page.PAGE.read_text(encoding="utf-8")
    assert shown == metrics_page.rendered(), "docs/METRICS.md is out of date: run `make pages`."


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_says_something_in_its_unit(metric: Metric) -> None:
    words = metric.says.rstrip(".").lower().split()
    plain = metric.name.removeprefix("zerosum_").removesuffix("_total").replace("_", " ")
    assert len(words) >= 4
    assert metric.says.rstrip(".").lower() != plain
    for wrong in ("_ms", "milli", "_kb", "percent", "_minutes", "_count", "_sum"):
        assert wrong not in metric.name.replace("_commands", "")
