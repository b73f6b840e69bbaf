"""How deep and how large a JSON text is, told by its brackets and commas before any value of it is made.

Making the values is what costs, a hundred times what counting costs; so whatever is over a bound must be refused first.
"""

from __future__ import annotations

import re

from zerosum.domain.errors import TooDeep, TooManyItems

DEPTH_MAX = 16
ITEMS_MAX = 1000
"""Members of one object, elements of one array."""

VALUES_MAX = 2_000
"""Members and elements of a whole body: three times what the largest journal entry has."""

BULK_VALUES_MAX = 100_000
"""The same of a bulk call: a hundred for each of its items."""

POINTER_CONTAINERS_MAX = 5_000
"""Further into a body nobody looks for the name of the place that is too large."""

_STRUCTURE = b'"{}[],'
_OTHERS = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_RUN = re.compile(rb"[{\[]|[}\]]|,+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def check_structure(body: bytes, values_max: int) -> None:
    """Raises TooDeep and TooManyItems, the latter with the pointer of the place.

    What is not JSON at all may pass here; up to the first fault in it, what was counted is what a parser would meet.
    """
    structure = _structure(body)
    depth = containers = 0
    values = 0
    items = [0] * (DEPTH_MAX + 1)
    for run in _RUN.finditer(structure):
        first = structure[run.start()]
        if first == 0x2C:  # ,
            count = run.end() - run.start()
            values += count
            items[depth] += count
            if items[depth] >= ITEMS_MAX:
                raise TooManyItems(f"More than {ITEMS_MAX} items in one place.", pointer=_pointer(body, structure, run))
        elif first in b"{[":
            depth += 1
            containers += 1
            values += 1
            if depth > DEPTH_MAX:
                raise TooDeep(f"The JSON is nested more than {DEPTH_MAX} deep.")
            items[depth] = 0
        else:
            depth = max(0, depth - 1)
        if values > values_max:
            raise TooManyItems(f"More than {values_max} values in one body.", pointer="")


def pointer_step(name: str) -> str:
    """A member's name in a JSON pointer; what cannot be shown is left out."""
    shown = "".join(character for character in name[:64] if character.isprintable())
    return shown.replace("~", "~0").replace("/", "~1")


def _structure(body: bytes) -> bytes:
    """The brackets and commas that stand outside of strings."""
    if b"\\" in body:
        body = _ESCAPE.sub(b"", body)
    return _STRING.sub(b"", body.translate(None, _OTHERS))


def _pointer(body: bytes, structure: bytes, run: re.Match[bytes]) -> str:
    """Where the container lies whose commas `run` are."""
    opened = structure.count(b"{", 0, run.start()) + structure.count(b"[", 0, run.start())
    closed = structure.count(b"}", 0, run.start()) + structure.count(b"]", 0, run.start())
    if opened > POINTER_CONTAINERS_MAX:
        return ""
    steps = _steps(body.decode("utf-8", "replace"), opened, closed)
    return "".join(f"/{step if isinstance(step, int) else pointer_step(step)}" for step in steps)


def _steps(text: str, opened: int, closed: int) -> list[int | str]:
    """The way to the container that is open after so many brackets: member names and indexes."""
    steps: list[int | str] = []
    kinds: list[str] = []
    last = ""
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "{[":
            kinds.append(mark)
            steps.append("" if mark == "{" else 0)
            opened -= 1
        elif mark in "}]":
            if kinds:
                kinds.pop()
                steps.pop()
            closed -= 1
        elif mark == ":" and steps:
            steps[-1] = last
        elif mark == "," and kinds and kinds[-1] == "[":
            step = steps[-1]
            steps[-1] = step + 1 if isinstance(step, int) else step
        else:
            last = mark[1:-1]
        if opened <= 0 and closed <= 0:
            break
    return steps[:-1]
