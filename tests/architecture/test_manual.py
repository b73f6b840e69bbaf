"""`/docs` reads like a manual: everything that goes over the wire is described, and what is filled in does no harm.

The document is made when the first test runs: each process of the tests collects this file, one needs it.
"""

from __future__ import annotations

from typing import Any

from tests.architecture.manual import document


def schemas() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document()["components"]["schemas"]
    assert len(found) > 200
    return found


def operations() -> dict[str, dict[str, Any]]:
    found = {
        f"{method.upper()} {path}": operation
        for path, of_path in document()["paths"].items()
        for method, operation in of_path.items()
    }
    assert len(found) > 100
    return found


def test_every_member_is_described() -> None:
    bare = [
        f"{name}.{member}"
        for name, schema in schemas().items()
        for member, described in schema.get("properties", {}).items()
        if "description" not in described
    ]
    assert not bare, f"{bare}: say in a Field what it means, with its unit. /docs is made of this."


def test_every_schema_says_what_it_is() -> None:
    bare = [
        name
        for name, schema in schemas().items()
        if not name.endswith("_") and not schema.get("description")  # that is, none of generic kinds
    ]
    assert not bare, f"{bare}: give the class a docstring. /docs is made of this."


def test_every_parameter_is_described() -> None:
    bare = [
        f"{name}: {one['name']}"
        for name, operation in operations().items()
        for one in operation.get("parameters", [])
        if not one.get("description")
    ]
    assert not bare, f"{bare}: say in a Query what it does."


def test_what_try_it_out_fills_in_can_be_sent() -> None:
    """Made from the schema alone it would hold nulls, which take things away, and items that do not fit together."""
    media = {
        name: operation["requestBody"]["content"]["application/json"]
        for name, operation in operations().items()
        if name.startswith("PATCH") or name.endswith("/bulk")
    }
    assert len(media) > 3
    bare = [name for name, one in media.items() if not one.get("examples")]
    assert not bare, f"{bare}: give the route `examples`."
