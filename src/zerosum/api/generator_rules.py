"""Puts the schemas of the OpenAPI document into the form that generators of clients take.

The framework writes for JSON Schema at large; generators know a part of it. What is said stays the same:

    unknown words         `ge` and `le` of pydantic become `minimum` and `maximum`
    `default: null`       goes: an absent member is not a null one, and generators would demand the member
    `anyOf` with null     becomes a list of types, with the null in `enum` too
    words beside `anyOf`  go into the branches they are about
    null in parameters    goes: no query can send one
    look-ahead            goes out of patterns: Go and Rust have none, and refuse the document; descriptions tell it
    made-up titles        go: generators name types after them, and two `Status` clash
    `ListOf_Payment_`     becomes the name its class has given itself, `PaymentList`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_WORDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_MAPS = ("properties", "patternProperties", "$defs")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not")

ABOUT: dict[str, frozenset[str]] = {
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems", "prefixItems", "contains"}),
    "object": frozenset({"properties", "required", "additionalProperties", "propertyNames", "minProperties"})
    | frozenset({"maxProperties", "patternProperties"}),
}
"""The words of JSON Schema that speak of one type only, `integer` being a number."""

NULL = {"type": "null"}
_LOOK_AHEAD = re.compile(r"\(\?[!=][^()]*\)")


def apply_generator_rules(document: dict[str, Any]) -> None:
    """To every schema of the document, in place."""
    _name_generic_ones(document)
    for schema in _roots(document):
        for one in _with_all_below(schema):
            _tidy(one)
    for schema in document.get("components", {}).get("schemas", {}).values():
        for one in _with_all_below(schema):
            _without_titles(one)
    for operation in _operations(document):
        for parameter in operation.get("parameters", []):
            _tidy_parameter(parameter)
        for media in _media(operation):
            media["schema"].pop("title", None)


def without_null(schema: Schema) -> None:
    """In place: what the schema says of values other than null."""
    branches = schema.get("anyOf")
    if branches is not None and NULL in branches:
        kept = [branch for branch in branches if branch != NULL]
        del schema["anyOf"]
        own = dict(schema)
        schema.update({"anyOf": kept} if len(kept) > 1 else {**kept[0], **own})
    elif isinstance(schema.get("type"), list):
        kept = [name for name in schema["type"] if name != "null"]
        schema["type"] = kept[0] if len(kept) == 1 else kept
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]


def _tidy(schema: Schema) -> None:
    for ours, theirs in _WORDS.items():
        if ours in schema:
            schema[theirs] = schema.pop(ours)
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    if "pattern" in schema:
        schema["pattern"] = _LOOK_AHEAD.sub("", schema["pattern"])
    if "anyOf" in schema:
        _tidy_choice(schema)


def _tidy_choice(schema: Schema) -> None:
    branches: list[Schema] = schema["anyOf"]
    for name, words in ABOUT.items():
        moved = {word: schema.pop(word) for word in words & schema.keys()}
        if moved:
            for branch in branches:
                if branch.get("type") in ((name, "integer") if name == "number" else (name,)):
                    branch.update(moved)
    kept = [branch for branch in branches if branch != NULL]
    if len(kept) == len(branches) or len(kept) != 1 or not isinstance(kept[0].get("type"), str):
        return
    del schema["anyOf"]
    (only,) = kept
    own = dict(schema)
    schema.update({**only, **own, "type": [only["type"], "null"]})
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]


def _name_generic_ones(document: dict[str, Any]) -> None:
    schemas: dict[str, Schema] = document["components"]["schemas"]
    names = {name: schema["title"] for name, schema in schemas.items() if name.endswith("_")}
    _point_to(document, {f"#/components/schemas/{old}": f"#/components/schemas/{new}" for old, new in names.items()})
    document["components"]["schemas"] = dict(
        sorted((names.get(name, name), schema) for name, schema in schemas.items())
    )


def _point_to(node: Any, renamed: dict[str, str]) -> None:
    if isinstance(node, list):
        for one in node:
            _point_to(one, renamed)
    elif isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference in renamed:
            node["$ref"] = renamed[reference]
        for one in node.values():
            _point_to(one, renamed)


def _without_titles(schema: Schema) -> None:
    for member in schema.get("properties", {}).values():
        member.pop("title", None)


def _tidy_parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    without_null(schema)
    schema.pop("title", None)
    if schema.get("description") == parameter.get("description"):
        schema.pop("description", None)


def _roots(document: dict[str, Any]) -> Iterator[Schema]:
    yield from document.get("components", {}).get("schemas", {}).values()
    for operation in _operations(document):
        for parameter in operation.get("parameters", []):
            yield parameter["schema"]
        for media in _media(operation):
            yield media["schema"]


def _media(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        yield from body.get("content", {}).values()


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        yield from operations.values()


def _with_all_below(schema: Schema) -> Iterator[Schema]:
    """The schema and those it is made of, those below first."""
    below: list[Any] = [schema[word] for word in _SINGLE if word in schema]
    for word in _LISTS:
        below += schema.get(word, [])
    for word in _MAPS:
        below += schema.get(word, {}).values()
    for one in below:
        if isinstance(one, dict):
            yield from _with_all_below(one)
    yield schema
