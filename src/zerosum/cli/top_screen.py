"""How `zerosum top` lies on a screen of any size: what matters most first, and nothing that breaks a line.

the head: which service, and how it is
what somebody must look at, in full
the sections, in columns, by what is asked first; a window that is too low loses the last rows
how to leave
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

from rich.text import Text

from zerosum.cli.top_frame import Problem, Section

COLUMN_MIN, COLUMN_MAX = 39, 60
COLUMNS_MAX = 3
GAP = 2
NAME_MAX = 18
"""Signs of the longest name of a check."""

PROBLEM_LINES_MAX = 2
PROBLEMS_SHARE = 3
"""Problems take a third of the screen at the most."""

COLOURS = {"good": "green", "degraded": "yellow", "bad": "red"}
ELLIPSIS = "…"

Line = Text


def screen(
    head: str, state: str, problems: Sequence[Problem], parts: Sequence[Section], width: int, height: int
) -> list[Line]:
    """At most `height` lines of at most `width` signs."""
    lines = [Text(cut(head, width), style=f"bold {COLOURS.get(state, 'red')}")]
    lines += _problems(problems, width, max(1, (height - 2) // PROBLEMS_SHARE))
    room = max(0, height - 1 - len(lines))
    columns, is_cut = _columns(parts, width, room)
    lines += columns
    leave = "q: quit" + ("   a higher or wider window shows more" if is_cut else "")
    return [*lines, Text(cut(leave, width), style="dim")][:height]


def _problems(problems: Sequence[Problem], width: int, room: int) -> list[Line]:
    """The worst first, and how many more there are."""
    lines: list[Line] = []
    ordered = sorted(problems, key=lambda one: one.state != "bad")
    for number, problem in enumerate(ordered):
        told = _wrapped(f"{problem.sign} {problem.name}: {problem.detail}", width)
        left = len(ordered) - number
        if len(lines) + len(told) + (left > 1) > room:
            more = "" if not lines else "more "
            lines.append(Text(cut(f"{left} {more}to look at: zerosum status tells them", width), style="yellow"))
            break
        lines += [Text(line, style=COLOURS.get(problem.state, "red")) for line in told]
    return lines[:room]


def _wrapped(text: str, width: int) -> list[str]:
    lines = wrap(text, width, subsequent_indent="     ") or [""]
    if len(lines) > PROBLEM_LINES_MAX:
        lines = [*lines[: PROBLEM_LINES_MAX - 1], cut(f"{lines[PROBLEM_LINES_MAX - 1]} {ELLIPSIS}", width)]
    return lines


def _columns(parts: Sequence[Section], width: int, room: int) -> tuple[list[Line], bool]:
    """Each section under the one that leaves most room for it; and whether something had to be left out."""
    number = min(COLUMNS_MAX, max(1, (width + GAP) // (COLUMN_MIN + GAP)))
    wide = min(COLUMN_MAX, (width - GAP * (number - 1)) // number)
    columns: list[list[Line]] = [[] for _ in range(number)]
    is_cut = False
    for part in parts:
        column = min(columns, key=len)
        fits = [Text(cut(part.title, wide).ljust(wide), style="bold"), *(_row(*row, wide) for row in part.rows)]
        left = room - len(column)
        is_cut = is_cut or len(fits) > left
        # A title by itself tells nothing.
        column += fits[:left] if left > 1 else []
    lines = []
    for row in zip_longest(*columns):
        line = Text()
        for place, one in enumerate(row):
            line.append_text(Text(" " * wide) if one is None else one)
            line.append(" " * GAP if place + 1 < number else "")
        line.rstrip()
        lines.append(line)
    return lines, is_cut


def _row(name: str, value: str, wide: int) -> Line:
    """The name to the left, the value to the right. What a check is called is never cut, an account's id is."""
    name = cut_within(name, max(NAME_MAX, wide - len(value) - 1))
    value = cut(value, max(0, wide - len(name) - 1))
    return Text(cut(f"{name}{value.rjust(wide - len(name))}", wide))


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + ELLIPSIS


def cut_within(text: str, width: int) -> str:
    """So that the end is still there: ids that were made at about the same time begin alike."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return text[: width - 1 - end] + ELLIPSIS + text[len(text) - end :]
