"""Modules need each other in no circle: whichever is imported first, all are there.

The tests of commands rest upon it: they start in a Python that has loaded the service already (tests/cli/warm_python).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.sources import PACKAGE, modules

ROOT = PACKAGE.name


def imported_at_once(statements: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """What is imported when the module is, and not only when one of its functions is called or by the type checker."""
    for statement in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from imported_at_once(statement.orelse)
        elif isinstance(statement, ast.If | ast.Try | ast.With | ast.ClassDef):
            parts = [statement.body, getattr(statement, "orelse", []), getattr(statement, "finalbody", [])]
            parts += [handler.body for handler in getattr(statement, "handlers", [])]
            for part in parts:
                yield from imported_at_once(part)


def needed(tree: ast.Module, known: Mapping[str, object]) -> set[str]:
    found = set()
    for statement in imported_at_once(tree.body):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            found.add(inner if inner in known else str(statement.module))
    return found & known.keys()


def circle(trees: Mapping[str, ast.Module]) -> list[str]:
    """The modules of one, if there is any."""
    graph = {name: needed(tree, trees) - {name} for name, tree in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_needs_one_that_needs_it() -> None:
    trees = {}
    for module in modules():
        dotted = f"{ROOT}/{module.name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        trees[dotted] = module.tree
    assert len(trees) > 500
    assert not circle(trees), "Move what both need into a module of its own, or import inside the function."


@pytest.mark.parametrize(
    "first",
    ["from a.second import two", "import a.second", "from a import second", "try:\n    import a.second\nexcept E: ..."],
)
def test_a_circle_is_found(first: str) -> None:
    second = ast.parse("if True:\n    from a.first import one")
    trees = {"a": ast.parse(""), "a.first": ast.parse(first), "a.second": second}
    assert circle(trees)
    late = ast.parse("def later():\n    from a.first import one\nif TYPE_CHECKING:\n    import a.first")
    assert not circle({**trees, "a.second": late})
