"""What a dashboard is made of. It is read from top to bottom: each story is a question, its panels are the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

COLUMNS = 24
"""Grafana's grid: the widths of the panels of a line come to as many."""


class Kind(StrEnum):
    """Grafana's names of what a panel looks like."""

    SERIES = "timeseries"
    STAT = "stat"
    """The newest number, large."""
    BARS = "bargauge"
    """The newest number of each of several."""


class Unit(StrEnum):
    """Grafana's names of what is counted."""

    PER_SECOND = "ops"
    REQUESTS_PER_SECOND = "reqps"
    SECONDS = "s"
    SHARE = "percentunit"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    COUNT = "short"
    TIME_AGO = "dateTimeFromNow"
    YES_NO = "bool_yes_no"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its lines are called: `{{route}}` stands for a label."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From `warn` on a value is yellow, from `alarm` on red; with `falling` it is so below them."""

    warn: float | None = None
    alarm: float | None = None
    falling: bool = False


NO_LIMITS = Limits()
ZERO_IS_RIGHT = Limits(alarm=0.000001)
"""Anything above zero is red."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`says` is what one reads when one does not understand it. `runbook` names an alert, whose page it leads to.

    `leads_to` is the dashboard that tells more. `rare` says why a healthy service may have no line of it to show.
    """

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: Unit
    kind: Kind = Kind.SERIES
    width: int = 8
    height: int = 7
    limits: Limits = NO_LIMITS
    stacked: bool = False
    most: float | None = None
    """The top of the scale, where there is one by nature."""
    runbook: str = ""
    leads_to: str = ""
    rare: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """A question, and what answers it."""

    question: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What can be chosen above the panels: the values of a label of a metric."""

    name: str
    label: str
    metric: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    name: str
    """Of its file, and in its address: `zerosum-NAME`."""
    title: str
    says: str
    stories: tuple[Story, ...]
    variables: tuple[Variable, ...] = field(default=())

    @property
    def uid(self) -> str:
        return f"zerosum-{self.name}"

    def panels(self) -> Iterator[Panel]:
        for story in self.stories:
            yield from story.panels


def stat(
    title: str,
    says: str,
    expr: str,
    unit: Unit,
    *,
    legend: str = "",
    limits: Limits = NO_LIMITS,
    runbook: str = "",
    leads_to: str = "",
    rare: str = "",
) -> Panel:
    """A number of the line that a dashboard opens with."""
    return Panel(
        title=title,
        says=says,
        queries=(Query(expr, legend),),
        unit=unit,
        kind=Kind.STAT,
        width=4,
        height=4,
        limits=limits,
        runbook=runbook,
        leads_to=leads_to,
        rare=rare,
    )
