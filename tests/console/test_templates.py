"""Templates hold no style, no script and no way around the escaping."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

FORBIDDEN = {
    r"\|\s*safe\b": "what people have written is never markup: take `safe` out",
    r"autoescape": "everything is escaped",
    r"\sstyle=": "put it into console.css: the browser refuses inline styles",
    r"<style": "put it into console.css: the browser refuses inline styles",
    r"<script(?! src=)": "put it into console.js: the browser refuses inline scripts",
    r"\son[a-z]+=": "put it into console.js: the browser refuses handlers in markup",
    r"https?://": "the console loads nothing from elsewhere",
}
TEMPLATES = sorted(place.name for place in (files("zerosum.console") / "templates").iterdir())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_markup_alone(name: str) -> None:
    text = (files("zerosum.console") / "templates" / name).read_text(encoding="utf-8")
    for pattern, cure in FORBIDDEN.items():
        assert re.search(pattern, text) is None, f"{name}: {cure}"
