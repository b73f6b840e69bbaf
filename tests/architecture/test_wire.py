"""What stands on the wire as a fixed word is what the code knows, no more and no less."""

from __future__ import annotations

import ast
from enum import StrEnum

import pytest

from tests.architecture.sources import Module, modules
from zerosum.api import openapi_document
from zerosum.gateway.principal import Scope

ENUMS = [cls for cls in StrEnum.__subclasses__() if cls.__module__.startswith("zerosum.")]


@pytest.mark.parametrize("module", modules("api"), ids=lambda module: module.name)
def test_no_schema_spells_out_words_that_the_code_knows(module: Module) -> None:
    """Written twice, a new word would have to be remembered twice."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            spelled = {word.value for word in ast.walk(node.slice) if isinstance(word, ast.Constant)}
            known = [cls.__name__ for cls in ENUMS if len(spelled) > 1 and spelled <= {word.value for word in cls}]
            assert not known, f"{module.place(node)}: write Annotated[str, OneOf({known[0]})]."


def test_every_scope_is_offered_in_the_manual() -> None:
    assert set(openapi_document._SCOPES) == set(Scope), (
        "Say in _SCOPES in api/openapi_document.py what the scope allows."
    )
