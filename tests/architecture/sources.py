"""The source of the product, as trees and names: what the rules of this house are looked up in."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import zerosum

TOP = Path(__file__).parents[2]
PACKAGE = Path(zerosum.__file__).parent
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """As one finds it: `domain/money/amount.py`."""
        return self.path.relative_to(PACKAGE).as_posix()

    def place(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 1)}"

    def functions(self) -> Iterator[FunctionNode]:
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                yield node


@cache
def modules(room: str = "") -> tuple[Module, ...]:
    """All of the package, or what lies in one room of it."""
    paths = sorted((PACKAGE / room).rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts.items())


def made_names(module: Module) -> Iterator[tuple[str, str]]:
    """Every name the module makes, with its place: what it only uses was named by somebody else."""
    yield module.path.stem, module.name
    for node in ast.walk(module.tree):
        if isinstance(node, FunctionNode | ast.ClassDef):
            yield node.name, module.place(node)
        elif isinstance(node, ast.arg):
            yield node.arg, module.place(node)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, module.place(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, module.place(node)
        elif isinstance(node, ast.alias) and node.asname is not None:
            yield node.asname, module.place(node)


def snake(name: str) -> str:
    """`DataDirInUse` and `_data_dir` as one writes them in a sentence: `data_dir_in_use`, `data_dir`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


def committed_files() -> list[Path]:
    """What the repository holds; nothing outside of one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=False)
    paths = [TOP / name for name in listed.stdout.decode().split("\0") if name] if listed.returncode == 0 else []
    return [path for path in paths if path.is_file()]
