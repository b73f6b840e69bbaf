"""The table of all events in `docs/EVENTS.md`, rendered from the types themselves.

`make pages`, or python -m tests.architecture.event_table, puts it into the page.
"""

from __future__ import annotations

import re

from tests.architecture.sources import TOP
from zerosum.api.event_catalogue import MEANINGS
from zerosum.domain.events import EventType

PAGE = TOP / "docs" / "EVENTS.md"
HEAD = "| type | when | `data` |\n| --- | --- | --- |\n"
_TABLE = re.compile(re.escape(HEAD) + r"(\|.*\n)*")


def rendered() -> str:
    return HEAD + "".join(row(type_) for type_ in EventType)


def row(type_: EventType) -> str:
    meaning = MEANINGS[type_]
    return f"| `{type_.value}` | {meaning.when} | {meaning.data} |\n"


def shown() -> str:
    """The table as the page has it."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    return "" if found is None else found.group()


if __name__ == "__main__":
    PAGE.write_text(_TABLE.sub(lambda _: rendered(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
