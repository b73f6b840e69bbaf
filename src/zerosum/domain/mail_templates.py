"""Texts with places for what an event says: `{data.amount}`. A place names a member; nothing is computed or run.

`{{` and `}}` stand for braces. What is filled in is one line without control characters, so no event, whoever wrote
what is in it, can make a line of a mail that its author did not write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VALUE_CHARACTERS_MAX = 500
PLACES_MAX = 50
NOTHING = "-"
"""Stands where an event has no such member."""

PLAIN_MEMBERS = ("id", "type", "created_at", "ledger", "notification")
"""The members of an event that are one value, and the name of the notification."""

RESOURCE_MEMBERS = ("type", "id")
OPEN_MEMBERS = ("account_versions", "data")
ROOTS = (*PLAIN_MEMBERS, "resource", *OPEN_MEMBERS)

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<path>[^{}]*)\}|[{}]")
_PATH = re.compile(r"[a-z_]+(?:\.[A-Za-z0-9_-]{1,64}){0,8}", re.ASCII)


class TemplateWrong(ValueError):
    """One sentence that says where, for whoever wrote the text."""


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """Made by `parse`. A part is text, or the path of a member."""

    parts: tuple[str | tuple[str, ...], ...]

    def unknown(self, members: Container[str]) -> str | None:
        """The first member of `data` that is none of these."""
        return next((path[1] for path in self.paths if path[0] == "data" and path[1:] and path[1] not in members), None)

    @property
    def paths(self) -> list[tuple[str, ...]]:
        return [part for part in self.parts if isinstance(part, tuple)]

    @classmethod
    def parse(cls, text: str) -> MailTemplate:
        """Raises TemplateWrong."""
        parts: list[str | tuple[str, ...]] = []
        end = 0
        for piece in _PIECE.finditer(text):
            parts.append(text[end : piece.start()])
            end = piece.end()
            if piece["path"] is not None:
                parts.append(_path(piece["path"]))
            elif len(piece[0]) == 2:
                parts.append(piece[0][0])
            else:
                raise TemplateWrong(f"A brace at character {piece.start() + 1} has no other: write it twice.")
        parts.append(text[end:])
        made = cls(tuple(part for part in parts if part))
        if len(made.paths) > PLACES_MAX:
            raise TemplateWrong(f"It has more than {PLACES_MAX} places.")
        return made

    def filled(self, event: Mapping[str, Any]) -> str:
        return "".join(part if isinstance(part, str) else one_line(_member(event, part)) for part in self.parts)


def one_line(value: Any) -> str:
    """As a person reads it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > VALUE_CHARACTERS_MAX:
        text = text[: VALUE_CHARACTERS_MAX - 1] + "…"
    return "".join(character if character.isprintable() else " " for character in text)


def _path(text: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(text):
        raise TemplateWrong("A place is a member of the event, like {data.amount}; braces of a text are written twice.")
    path = tuple(text.split("."))
    if path[0] not in ROOTS:
        raise TemplateWrong(f"An event has no member {path[0]!r}: it has {', '.join(ROOTS)}.")
    if path[0] in PLAIN_MEMBERS and len(path) > 1:
        raise TemplateWrong(f"{path[0]!r} of an event has no members.")
    if path[0] == "resource" and (len(path) != 2 or path[1] not in RESOURCE_MEMBERS):
        raise TemplateWrong("'resource' of an event has type and id: {resource.id}.")
    return path


def _member(event: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = event
    for name in path:
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list | tuple) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
