"""`docs/METRICS.md`, rendered from the metrics as they are declared.

`make pages`, or python -m tests.architecture.metrics_page, writes it.
"""

from __future__ import annotations

from tests.architecture.sources import TOP
from zerosum.metrics.declaration import Kind, Metric, Summed
from zerosum.metrics.declared import GROUPS, metrics_of

PAGE = TOP / "docs" / "METRICS.md"
INTRODUCTION = TOP / "tests" / "architecture" / "metrics_page.md"


def rendered() -> str:
    tables = [f"## {title}\n\n{_table(list(metrics_of(group)))}" for title, group in GROUPS.items()]
    return "\n".join([INTRODUCTION.read_text(encoding="utf-8"), *tables])


def _table(metrics: list[Metric]) -> str:
    return "| metric | kind | |\n| --- | --- | --- |\n" + "".join(_row(metric) for metric in metrics)


def _row(metric: Metric) -> str:
    labels = f"{{{','.join(metric.labels)}}}" if metric.labels else ""
    says = [metric.says]
    if metric.buckets:
        says.append(f"Buckets: {', '.join(f'{one:g}' for one in metric.buckets)}.")
    if metric.where is not None:
        says.append(f"*Only where {metric.where}.*")
    return f"| `{metric.name}{labels}` | {_kind(metric)} | {' '.join(says)} |\n"


def _kind(metric: Metric) -> str:
    if metric.kind is not Kind.GAUGE:
        return metric.kind.value
    return {Summed.LIVING: "gauge, summed", Summed.NEWEST: "gauge, newest", Summed.LARGEST: "gauge, largest"}[
        metric.summed
    ]


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
