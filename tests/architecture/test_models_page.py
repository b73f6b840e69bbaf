"""The page about the models names every step and member of them, and only code that is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.architecture.sources import PACKAGE, TOP, FunctionNode

PAGE = "MODELS.md"
MODELS = ("committer", "reads", "ingest", "processors")
_CODE = re.compile(r"`([a-z_/0-9]+\.py)::([\w.]+)`", re.ASCII)
_CODE_FILES = re.compile(r"`((?:adapters|db|domain|ingest|services)/[a-z_/0-9]+\.py)`", re.ASCII)


@cache
def _page() -> str:
    return (TOP / "docs" / PAGE).read_text(encoding="utf-8")


@cache
def _names_in(path: str) -> frozenset[str]:
    """Functions, classes, methods and constants, as they are named from the top of a module."""
    file = PACKAGE / path if (PACKAGE / path).is_file() else TOP / "tests" / path
    return frozenset(_names(ast.parse(file.read_text(encoding="utf-8")).body, "")) if file.is_file() else frozenset()


def _names(body: list[ast.stmt], within: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, FunctionNode):
            yield within + node.name
        elif isinstance(node, ast.ClassDef):
            yield within + node.name
            yield from _names(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.Assign):
            yield from (within + target.id for target in node.targets if isinstance(target, ast.Name))


def _model(name: str) -> ast.ClassDef:
    """The class of the model, as it is called."""
    tree = ast.parse((TOP / "tests" / "models" / f"{name}.py").read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name.capitalize())


def test_all_code_that_it_names_is_there() -> None:
    named = _CODE.findall(_page())
    assert len(named) > 60
    gone = sorted({f"{path}::{name}" for path, name in named if name not in _names_in(path)})
    gone += [path for path in _CODE_FILES.findall(_page()) if not (PACKAGE / path).is_file()]
    assert not gone, (
        f"docs/{PAGE} names what is gone: {gone}. Name what the step is now, and look whether it is the same."
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_step_of_a_model_is_named(name: str) -> None:
    model = _model(name)
    steps = [
        f"{model.name}.{node.name}"
        for node in model.body
        if isinstance(node, FunctionNode) and any(isinstance(inner, ast.Yield) for inner in ast.walk(node))
    ]
    assert len(steps) >= 4
    unsaid = [step for step in steps if f"`{step}`" not in _page()]
    assert not unsaid, f"{unsaid}: say in docs/{PAGE} which code it is."


@pytest.mark.parametrize("name", MODELS)
def test_every_member_of_a_model_is_named_and_switched_off(name: str) -> None:
    """What is said to hold a promise is missed where it is not there."""
    members = [
        node.target.id
        for node in _model(name).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
        and node.value.value is True
    ]
    assert len(members) >= 5
    unsaid = [member for member in members if f"`{member}`" not in _page()]
    assert not unsaid, f"{unsaid}: say in docs/{PAGE} which code it is."
    tests = (TOP / "tests" / "models" / f"test_{name}.py").read_text(encoding="utf-8")
    untried = [member for member in members if f'"{member}"' not in tests and f"{member}=False" not in tests]
    assert not untried, f"{untried}: switch it off in tests/models/test_{name}.py, and see that it is missed."


def test_what_is_gone_would_be_noticed() -> None:
    assert _CODE.findall("`db/gone.py::Gone.it`") == [("db/gone.py", "Gone.it")]
    assert "Gone.it" not in _names_in("db/gone.py")
    assert "Flights.plan" in _names_in("services/committing/flights.py")
    assert "Flights.gone" not in _names_in("services/committing/flights.py")
