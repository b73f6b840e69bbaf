"""`/docs` reads like a manual: everything that goes over the wire is described, and what is filled in does no harm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.architecture.manual import document

SCHEMAS: dict[str, dict[str, Any]] = document()["components"]["schemas"]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in document()["paths"].items()
    for method, operation in operations.items()
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_member_is_described(name: str) -> None:
    bare = [member for member, schema in SCHEMAS[name].get("properties", {}).items() if "description" not in schema]
    assert not bare, f"{name}: {bare}: say in a Field what it means, with its unit. /docs is made of this."


@pytest.mark.parametrize("name", [name for name in SCHEMAS if not name.endswith("_")])  # that is, none of generic kinds
def test_every_schema_says_what_it_is(name: str) -> None:
    assert SCHEMAS[name].get("description"), f"{name}: give the class a docstring. /docs is made of this."


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_is_described(name: str) -> None:
    bare = [one["name"] for one in OPERATIONS[name].get("parameters", []) if not one.get("description")]
    assert not bare, f"{name}: {bare}: say in a Query what it does."


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("PATCH") or name.endswith("/bulk")])
def test_what_try_it_out_fills_in_can_be_sent(name: str) -> None:
    """Made from the schema alone it would hold nulls, which take things away, and items that do not fit together."""
    media = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    assert media.get("examples"), f"{name}: give the route `examples`."
