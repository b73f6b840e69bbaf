"""A plant: one realistic bug, and the tests that must see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CLOSING = ")]}"


class PlantLost(Exception):
    """The text that the plant replaces is not there any more, or is there more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file` exactly this text becomes that. How the text is broken into lines makes no difference."""

    file: str
    old: str
    new: str

    def apply(self, top: Path) -> None:
        """Raises PlantLost."""
        path = top / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        (top / self.file).write_text(self.applied_to(text), encoding="utf-8")

    def applied_to(self, text: str) -> str:
        """Raises PlantLost."""
        found = list(_pattern(self.old).finditer(text))
        if len(found) != 1:
            raise PlantLost(f"{self.file} holds {len(found)} times instead of once:\n    {self.old}")
        return text[: found[0].start()] + self.new + text[found[0].end() :]


@dataclass(frozen=True, slots=True)
class Plant:
    """`kind` is what tests tend to be blind to; each of `tests`, as pytest names them, must fail by it."""

    name: str
    kind: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def plant(name: str, kind: str, file: str, old: str, new: str, *tests: str) -> Plant:
    """The usual one: a single replacement."""
    return Plant(name, kind, (Edit(file, old, new),), tests)


def in_database(name: str, kind: str, files: tuple[str, ...], old: str, new: str, *tests: str) -> Plant:
    """In a function of the database: as it is now, and as the migrations make it."""
    return Plant(name, kind, tuple(Edit(file, old, new) for file in files), tests)


def _pattern(old: str) -> re.Pattern[str]:
    """The same words and signs, with any white space between them, and a comma before what closes a bracket."""
    pieces = [(r",?\s*" if sign in CLOSING else "") + re.escape(sign) for sign in re.findall(r"\w+|[^\w\s]", old)]
    return re.compile(r"\s*".join(pieces))
