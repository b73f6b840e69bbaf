"""Templates hold no style, no script and no way around the escaping."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from tests.console.conftest import Person
from zerosum import __version__
from zerosum.console.templates import Templates

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


@pytest.mark.parametrize("path", ["", "/rules", "/house-rules", "/routing", "/integrity", "/audit-log"])
async def test_every_footer_says_which_version_runs(admin: Person, path: str) -> None:
    """Also on pages that show the version of something else."""
    assert f"Zerosum {__version__} ·" in await admin.page(path)


def test_a_page_cannot_hide_what_every_page_shows() -> None:
    templates = Templates(version="1", base="/console")
    with pytest.raises(ValueError, match=r"rules.html: every template knows base, version"):
        templates.render("rules.html", {"version": "2", "base": "", "rules": None})


@pytest.mark.parametrize(
    ("path", "title"),
    [("/house-rules", "Rules"), ("/chart", "Currencies and chart"), ("/account-tree", "Accounts"),
     ("/new-webhook", "Webhooks"), ("/rules", "Rules")],
)  # fmt: skip
async def test_a_page_below_a_place_stands_there_in_the_menu(admin: Person, path: str, title: str) -> None:
    found = re.findall(r'aria-current="page">([^<]+)<', (await admin.page(path)).partition("<main")[0])
    assert found == [title]
