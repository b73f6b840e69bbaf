"""The pages of docs/RUNBOOKS.md: what an alert means, what to look at, what to do. Also a dashboard of texts."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "RUNBOOKS.md"
_HEADING = re.compile(r"^### (\w+)$", re.MULTILINE)


def pages() -> dict[str, str]:
    """By the name of their alert."""
    _, *parts = _HEADING.split(PAGE.read_text(encoding="utf-8"))
    texts = [re.split(r"^## ", part, maxsplit=1, flags=re.MULTILINE)[0].strip() for part in parts[1::2]]
    return dict(zip(parts[::2], texts, strict=True))


def numbers() -> dict[str, int]:
    """The panel of the dashboard on which each page stands."""
    return {name: number for number, name in enumerate(pages(), 1)}
