"""A dashboard as a picture (SVG): the same panels in the same places, drawn from what Prometheus has answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from dashboards.figures import in_unit
from dashboards.parts import COLUMNS, Dashboard, Kind, Limits, Panel, Story

COLUMN, LINE, GAP = 50, 30, 8
"""Of Grafana's grid, in pixels."""

LINES_MAX = 8
"""Of a panel: what comes after the highest is counted."""

NAME_LENGTH = 26

COLOURS = ("#3274d9", "#e0752d", "#299c46", "#b877d9", "#d44a3a", "#1f9aa8", "#a68b00", "#7a7f87")
GREEN, YELLOW, RED = "#2f8f46", "#d99a00", "#c4342b"
INK, FAINT, GRID, GROUND, PAPER = "#1f2328", "#6a737d", "#e3e6ea", "#f4f5f7", "#ffffff"


@dataclass(frozen=True, slots=True)
class Place:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Named:
    """A line, by what its legend calls it."""

    name: str
    points: Sequence[tuple[float, float]]


def picture(dashboard: Dashboard, answers: Mapping[str, Sequence[Named]], says: str) -> str:
    """`answers` are by the title of the panel; `says` stands beside that of the dashboard."""
    parts: list[str] = []
    top = 44.0
    for story in dashboard.stories:
        parts.append(_text(GAP + 2, top + 19, story.question, size=14, weight=600))
        top = _story(parts, story, answers, top + 28)
    width = COLUMNS * COLUMN + GAP
    head = _text(GAP + 2, 28, f"Zerosum · {dashboard.title}", size=19, weight=700)
    head += _text(width - GAP, 28, says, size=11, fill=FAINT, anchor="end")
    frame = f'<rect width="{width}" height="{top:.0f}" fill="{GROUND}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top:.0f}" viewBox="0 0 {width} {top:.0f}" '
        f'font-family="Inter,Helvetica,Arial,sans-serif">{frame}{head}{"".join(parts)}</svg>\n'
    )


def _story(parts: list[str], story: Story, answers: Mapping[str, Sequence[Named]], top: float) -> float:
    """Where the next one begins."""
    column, tallest = 0, 0
    for panel in story.panels:
        if column + panel.width > COLUMNS:
            column, top, tallest = 0, top + tallest * LINE, 0
        width, height = panel.width * COLUMN - GAP, panel.height * LINE - GAP
        parts.append(_panel(panel, answers.get(panel.title, ()), Place(column * COLUMN + GAP, top, width, height)))
        column, tallest = column + panel.width, max(tallest, panel.height)
    return top + tallest * LINE + 6


def _panel(panel: Panel, lines: Sequence[Named], place: Place) -> str:
    draw = {Kind.SERIES: _series, Kind.STAT: _stat, Kind.BARS: _bars}[panel.kind]
    known = [line for line in lines if any(math.isfinite(value) for _, value in line.points)]
    inside = draw(panel, known, place) if known else _nothing(place)
    box = _box(place, PAPER, stroke=GRID)
    title = "" if panel.kind is Kind.STAT and known else _title(panel.title, place, INK)
    return f"<g><title>{escape(panel.says)}</title>{box}{inside}{title}</g>"


def _nothing(place: Place) -> str:
    return _text(place.x + place.width / 2, place.y + place.height / 2 + 8, "no data", fill=FAINT, anchor="middle")


def _stat(panel: Panel, lines: Sequence[Named], place: Place) -> str:
    values = [_newest(line) for line in lines]
    colour = _colour(panel.limits, max(values) if not panel.limits.falling else min(values))
    parts = [_box(place, colour), _title(panel.title, place, PAPER)]
    for number, (line, value) in enumerate(zip(lines[:3], values, strict=False)):
        x = place.x + place.width * (number + 0.5) / min(3, len(lines))
        size = 26 if len(lines) == 1 else 17
        shown = in_unit(value, panel.unit)
        parts.append(
            _text(x, place.y + place.height / 2 + 20, shown, size=size, weight=700, fill=PAPER, anchor="middle")
        )
        if line.name and len(lines) > 1:
            parts.append(_text(x, place.y + place.height - 8, line.name, size=10, fill=PAPER, anchor="middle"))
    return "".join(parts)


def _bars(panel: Panel, lines: Sequence[Named], place: Place) -> str:
    shown = sorted(lines, key=_newest, reverse=True)[:LINES_MAX]
    most = panel.most or max([_newest(line) for line in shown] + [1e-12])
    parts, top = [], place.y + 32
    indent = 16 + 5.8 * max([len(_cut(line.name, NAME_LENGTH)) for line in shown] + [0])
    room = min(24.0, (place.height - 40) / max(1, len(shown)))
    for line in shown:
        value = _newest(line)
        width = max(2.0, (place.width - indent - 50) * min(1.0, value / most))
        bar = Place(place.x + indent, top + 2, width, room - 6)
        parts.append(
            _text(
                place.x + indent - 6,
                top + room / 2 + 3,
                _cut(line.name, NAME_LENGTH),
                size=10,
                fill=FAINT,
                anchor="end",
            )
        )
        parts.append(_box(bar, _colour(panel.limits, value), radius=2))
        inside = bar.width > 90
        x = bar.x + bar.width + (-6 if inside else 5)
        fill, anchor = (PAPER, "end") if inside else (INK, "start")
        parts.append(_text(x, top + room / 2 + 3, in_unit(value, panel.unit), size=10, fill=fill, anchor=anchor))
        top += room
    return "".join(parts)


def _series(panel: Panel, lines: Sequence[Named], place: Place) -> str:
    shown = sorted(lines, key=_highest, reverse=True)[:LINES_MAX]
    legend_lines = _legend(shown, len(lines), place)
    field = Place(place.x + 56, place.y + 34, place.width - 68, place.height - 52 - 14 * len(legend_lines))
    drawn = _stack(shown) if panel.stacked else [(line, None) for line in shown]
    top = _ceiling(max([_highest(line) for line, _ in drawn] + [0.0]), panel.most)
    times = [at for line in shown for at, _ in line.points]
    first, last = min(times), max(*times, min(times) + 1)
    scale = _Scale(field, first, last, top)
    parts = [_axes(panel, field, top)]
    for number, (line, below) in enumerate(drawn):
        parts.append(_line(line, below, scale, COLOURS[number % len(COLOURS)], is_filled=panel.stacked))
    parts += _limit_lines(panel.limits, scale, top)
    for number, text in enumerate(legend_lines):
        at = place.y + place.height - 14 * (len(legend_lines) - number) + 4
        parts.append(f'<g transform="translate({place.x + 10},{at})">{text}</g>')
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    field: Place
    first: float
    last: float
    top: float

    def at(self, time: float, value: float) -> tuple[float, float]:
        x = self.field.x + self.field.width * (time - self.first) / (self.last - self.first)
        y = self.field.y + self.field.height * (1 - min(max(value, 0.0), self.top) / self.top)
        return x, y


def _stack(lines: Sequence[Named]) -> list[tuple[Named, Mapping[float, float] | None]]:
    """Each upon those before it; with what it stands on. Where a line has no point it is nothing."""
    reached = dict.fromkeys(sorted({at for line in lines for at, _ in line.points}), 0.0)
    made: list[tuple[Named, Mapping[float, float] | None]] = []
    for line in lines:
        below = dict(reached)
        for at, value in line.points:
            reached[at] += value if math.isfinite(value) else 0.0
        made.append((Named(line.name, list(reached.items())), below))
    return made


def _line(line: Named, below: Mapping[float, float] | None, scale: _Scale, colour: str, *, is_filled: bool) -> str:
    points = [(at, value) for at, value in line.points if math.isfinite(value)]
    if not points:
        return ""
    path = "L".join(f"{x:.0f},{y:.1f}" for x, y in (scale.at(at, value) for at, value in points))
    runs = "".join(
        "M" + "L".join(f"{x:.0f},{y:.1f}" for x, y in (scale.at(at, value) for at, value in run))
        for run in _runs(points)
    )
    stroke = f'<path d="{runs}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'
    if len(points) == 1:
        x, y = scale.at(*points[0])
        stroke = f'<circle cx="{x:.0f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
    if not is_filled:
        return stroke
    floor = [scale.at(at, (below or {}).get(at, 0.0)) for at, _ in reversed(points)]
    back = "L".join(f"{x:.0f},{y:.1f}" for x, y in floor)
    return f'<path d="M{path}L{back}Z" fill="{colour}" fill-opacity="0.35"/>{stroke}'


def _runs(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """What lies apart is not joined."""
    step = min([later - at for (at, _), (later, _) in pairwise(points)] + [math.inf])
    runs = [[points[0]]]
    for (before, _), point in pairwise(points):
        if point[0] - before > 1.5 * step:
            runs.append([])
        runs[-1].append(point)
    return runs


def _axes(panel: Panel, field: Place, top: float) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = field.y + field.height * (1 - share)
        parts.append(f'<path d="M{field.x:.0f},{y:.1f}h{field.width:.0f}" stroke="{GRID}"/>')
        parts.append(_text(field.x - 6, y + 4, in_unit(top * share, panel.unit), size=10, fill=FAINT, anchor="end"))
    return "".join(parts)


def _limit_lines(limits: Limits, scale: _Scale, top: float) -> Iterable[str]:
    for value, colour in ((limits.warn, YELLOW), (limits.alarm, RED)):
        if value is not None and 0 < value <= top:
            _, y = scale.at(scale.first, value)
            dashed = f'stroke="{colour}" stroke-dasharray="5 4" stroke-width="1.2"'
            yield f'<path d="M{scale.field.x:.0f},{y:.1f}h{scale.field.width:.0f}" {dashed}/>'


def _legend(shown: Sequence[Named], all_: int, place: Place) -> list[str]:
    """In lines as wide as the panel."""
    names = [(line.name, COLOURS[number % len(COLOURS)]) for number, line in enumerate(shown) if line.name]
    if all_ > len(shown):
        names.append((f"and {all_ - len(shown)} more", PAPER))
    lines: list[str] = []
    text, x = "", 0.0
    for name, colour in names:
        cut = _cut(name, 44)
        width = 18 + 5.6 * len(cut) + 10
        if text and x + width > place.width - 20:
            lines.append(text)
            text, x = "", 0.0
        text += f'<rect x="{x:.0f}" y="-8" width="10" height="4" fill="{colour}"/>'
        text += _text(x + 14, -2, cut, size=10, fill=FAINT)
        x += width
    return [*lines, text] if text else lines


def _ceiling(value: float, most: float | None) -> float:
    """A round number above it."""
    if most is not None:
        return most
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20) if power * step >= value * 1.02)


def _colour(limits: Limits, value: float) -> str:
    for limit, colour in ((limits.alarm, RED), (limits.warn, YELLOW)):
        if limit is not None and (value < limit if limits.falling else value >= limit):
            return colour
    return GREEN


def _newest(line: Named) -> float:
    return next(value for _, value in reversed(line.points) if math.isfinite(value))


def _highest(line: Named) -> float:
    return max([value for _, value in line.points if math.isfinite(value)] + [0.0])


def _title(title: str, place: Place, fill: str) -> str:
    return _text(place.x + 10, place.y + 19, title, size=12, weight=600, fill=fill)


def _box(place: Place, fill: str, *, stroke: str = "none", radius: int = 4) -> str:
    return (
        f'<rect x="{place.x:.0f}" y="{place.y:.0f}" width="{place.width:.0f}" height="{place.height:.0f}" '
        f'rx="{radius}" fill="{fill}" stroke="{stroke}"/>'
    )


def _text(
    x: float, y: float, text: str, *, size: int = 11, weight: int = 400, fill: str = INK, anchor: str = "start"
) -> str:
    style = f'font-size="{size}" fill="{fill}"'
    style += f' font-weight="{weight}"' if weight != 400 else ""
    style += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
