"""Background work that nobody starts is not done."""

from __future__ import annotations

import ast

from tests.architecture.sources import Module, modules


def classes_with_turns(rooms: tuple[str, ...] = ("services", "ingest")) -> dict[str, str]:
    """Every class that has turns of background work, with its place."""
    found = {}
    for room in rooms:
        for module in modules(room):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef) and any(
                    isinstance(member, ast.AsyncFunctionDef) and member.name == "run_once" for member in node.body
                ):
                    found[node.name] = module.place(node)
    return found


def test_every_background_work_has_its_turn_in_the_worker() -> None:
    worker = next(module for module in modules() if module.name == "worker.py")
    # Those of processors come and go with their file.
    crew = next(module for module in modules() if module.name == "services/background/completers.py")
    used = _used(worker) | _used(crew)
    idle = {name: place for name, place in classes_with_turns().items() if name not in used}
    assert not idle, f"{idle}: make one in worker.py and add a Chore with its `run_once` to the list there."


def _used(module: Module) -> set[str]:
    return {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
