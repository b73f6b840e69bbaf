"""Pages that name what holds a promise name what is there."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.architecture.sources import TOP, FunctionNode

PAGES = ("PROMISES.md", "SECURITY.md")
_TEST = re.compile(r"`((?:[a-z_]+/)+test_\w+\.py)(?:::(\w+))?`", re.ASCII)
_TARGET = re.compile(r"`make ([a-z-]+)")
_ROW = re.compile(r"^\| ([PT]\d+) \|(.*)\|$", re.MULTILINE)
TARGETS = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

WANTED = {"PROMISES.md": [f"P{number}" for number in range(1, 43)], "SECURITY.md": [f"T{n}" for n in range(1, 28)]}


@cache
def _page(name: str) -> str:
    return (TOP / "docs" / name).read_text(encoding="utf-8")


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((TOP / "tests" / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, FunctionNode))


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    named = _TEST.findall(_page(name))
    assert len(named) > 20
    gone = [file for file, _ in named if not (TOP / "tests" / file).is_file()]
    gone += [f"{file}::{test}" for file, test in named if test and file not in gone and test not in _tests_in(file)]
    assert not gone, f"docs/{name} names what is gone: {gone}. Name what holds the promise now, or say `not covered`."


@pytest.mark.parametrize("name", PAGES)
def test_every_target_that_a_page_names_is_there(name: str) -> None:
    gone = set(_TARGET.findall(_page(name))) - TARGETS
    assert not gone, f"docs/{name}: there is no `make {gone}`."


@pytest.mark.parametrize("name", PAGES)
def test_every_row_says_what_holds_it_or_that_nothing_does(name: str) -> None:
    rows = dict(_ROW.findall(_page(name)))
    assert list(rows) == WANTED[name], "each once, in order"
    bare = [row for row, text in rows.items() if not _TEST.search(text) and "not covered" not in text]
    assert not bare, f"{bare}: name the test that holds it, or say `not covered`."
    unsaid = [row for row, text in rows.items() if not all(cell.strip() for cell in text.split("|"))]
    assert not unsaid, f"{unsaid}: no cell is left empty."


def test_what_is_gone_would_be_noticed() -> None:
    assert _TEST.findall("`api/test_gone.py::test_it`, `make nothing`") == [("api/test_gone.py", "test_it")]
    assert "test_it" not in _tests_in("architecture/test_promises.py")
    assert not (TOP / "tests" / "api/test_gone.py").exists()
    assert _TARGET.findall("`make nothing`") == ["nothing"]
    assert "nothing" not in TARGETS
