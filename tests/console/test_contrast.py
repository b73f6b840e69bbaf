"""Every colour of the stylesheet, and of the chart's canvas, reads at WCAG AA on its ground, by day and by night.

A text has a ratio of at least 4.5 to its ground, what is drawn and says something one of 3 (WCAG 2.2, 1.4.3, 1.4.11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import pytest

STATIC = files("zerosum.console") / "static"
CSS = re.sub(r"/\*.*?\*/", "", (STATIC / "console.css").read_text(encoding="utf-8"), flags=re.DOTALL)
PLOT = (STATIC / "plot.js").read_text(encoding="utf-8")
SCREEN = (
    CSS.replace(CSS[CSS.index("@media print") :], "") + CSS[CSS.index("/* Views") if "/* Views" in CSS else len(CSS) :]
)

SURFACES = ("--ground", "--paper", "--soft")
"""On which anything may stand: the page, a card, a stripe of a table."""

TEXT, DRAWN = 4.5, 3.0
DRAWS = ("fill", "stroke", "outline")
ONLY_BESIDE = {".steps-area": "lies under the line that says it"}
MEANT_BORDERS = re.compile(r"^(input|\.note|\.proof)")
"""Borders that say something; those of cards and tables only part them."""

MEANT_GROUNDS = re.compile(r"::before$")
"""Dots that are nothing but their ground."""

_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
_COLOUR = re.compile(r"var\((--[a-z-]+)\)|(#[0-9a-f]{3,6})\b")


class Pair(NamedTuple):
    what: str
    colour: str
    ground: str
    ratio: float


def palettes() -> dict[str, dict[str, str]]:
    """Each name's colour, for light and for dark."""
    roots = [
        dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6})", body)) for body in re.findall(r":root \{(.*?)\}", CSS, re.S)
    ]
    light, dark = roots
    assert light.keys() == dark.keys(), "each colour is said for light and for dark"
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    """Relative, as WCAG defines it."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rules() -> Iterator[tuple[str, dict[str, str]]]:
    for selectors, body in _RULE.findall(SCREEN):
        if ":root" in selectors:
            continue
        said = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        yield " ".join(selectors.split()), {name.strip(): value.strip() for name, value in said.items()}


def named(value: str) -> str | None:
    found = _COLOUR.search(value)
    return None if found is None else found[1] or found[2]


def pairs() -> Iterator[Pair]:
    """What stands on what, and how far apart they must be. A rule that says no ground may stand on any."""
    for selector, said in rules():
        own = named(said.get("background", ""))
        grounds = SURFACES if own is None else (own,)
        if (colour := named(said.get("color", ""))) is not None:
            yield from (Pair(selector, colour, ground, TEXT) for ground in grounds)
        for name in DRAWS:
            if selector not in ONLY_BESIDE and (drawn := named(said.get(name, ""))) is not None:
                yield from (Pair(f"{selector} {name}", drawn, ground, DRAWN) for ground in grounds)
        for name in ("border", "border-left", "border-color", "border-left-color"):
            drawn = named(said.get(name, "")) if MEANT_BORDERS.match(selector) else None
            if drawn is not None and drawn != "--line":
                yield from (Pair(f"{selector} {name}", drawn, ground, DRAWN) for ground in SURFACES)
        if own is not None and MEANT_GROUNDS.search(selector):
            yield from (Pair(selector, own, ground, DRAWN) for ground in SURFACES)
    yield from (Pair("what nobody has said otherwise", "--ink", ground, TEXT) for ground in SURFACES)
    for soft in ("--good-soft", "--warn-soft", "--bad-soft"):
        yield Pair("a badge", soft.removesuffix("-soft"), soft, TEXT)
    # The canvas lies on a card: its axes are written in `stroke`, its line is drawn.
    axis, line = (
        re.search(r'axis = \{ stroke: colour\("([^"]+)"', PLOT),
        re.search(r'stroke: colour\("([^"]+)"\), width: 2', PLOT),
    )
    assert axis is not None
    assert line is not None
    yield Pair("the chart's axes", axis[1], "--paper", TEXT)
    yield Pair("the chart's line", line[1], "--paper", DRAWN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_reads_on_what_it_stands_on(scheme: str) -> None:
    palette = palettes()[scheme]
    found = list(pairs())
    assert len(found) > 60, "the stylesheet was read"
    poor = {
        f"{pair.what}: {pair.colour} on {pair.ground}": round(measured, 2)
        for pair in found
        if (measured := ratio(palette.get(pair.colour, pair.colour), palette.get(pair.ground, pair.ground)))
        < pair.ratio
    }
    assert poor == {}


def test_the_measure_is_that_of_wcag() -> None:
    assert ratio("#000000", "#ffffff") == pytest.approx(21.0)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert ratio("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


def test_no_text_is_made_paler_than_its_colour() -> None:
    """What is half through has a colour that stands in no palette."""
    faded = [selector for selector, said in rules() if float(said.get("opacity", "1")) < 1]
    assert faded == []
