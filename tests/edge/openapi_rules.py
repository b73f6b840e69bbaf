"""What generators of clients, validating gateways and linters need of an OpenAPI document, one function a rule.

Each gives the places at fault. They read the finished document, so that they hold for whatever route is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs

Document = dict[str, Any]
Rule = Callable[[Document], list[str]]

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
KNOWN_WORDS = frozenset(
    {"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "title", "description", "examples", "default"}
    | {"format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"multipleOf", "items", "minItems", "maxItems", "uniqueItems", "properties", "required", "additionalProperties"}
    | {"propertyNames", "minProperties", "maxProperties", "deprecated", "readOnly", "writeOnly"}
)
BESIDE_A_CHOICE = frozenset({"anyOf", "oneOf", "title", "description", "examples", "deprecated"})
_OPERATION_ID = re.compile("[a-z]+([A-Z][a-z0-9]+)+")
_COMPONENT = re.compile("([A-Z][A-Za-z0-9]*)")


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield method.upper(), path, operation


def schemas(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in the document with its place, those inside others too."""
    for name, schema in document["components"]["schemas"].items():
        yield from _inside(schema, name)
    for method, path, operation in operations(document):
        here = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            yield from _inside(parameter["schema"], f"{here} {parameter['name']}")
        for media_of, bodies in (("body", [operation.get("requestBody", {})]), ("answer", _responses(operation))):
            for body in bodies:
                for kind, media in body.get("content", {}).items():
                    yield from _inside(media["schema"], f"{here} {media_of} {kind}")


def _responses(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return list(operation["responses"].values())


def _inside(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema
    for word in ("items", "additionalProperties", "propertyNames", "not"):
        if isinstance(schema.get(word), dict):
            yield from _inside(schema[word], f"{place}/{word}")
    for word in ("anyOf", "oneOf", "allOf"):
        for index, branch in enumerate(schema.get(word, [])):
            yield from _inside(branch, f"{place}/{word}/{index}")
    for name, member in schema.get("properties", {}).items():
        yield from _inside(member, f"{place}.{name}")


def operation_ids_are_a_verb_and_a_noun(document: Document) -> list[str]:
    return [
        f"{method} {path}: {operation['operationId']}"
        for method, path, operation in operations(document)
        if not _OPERATION_ID.fullmatch(operation["operationId"]) or len(operation["operationId"]) > 30
    ]


def operation_ids_are_unique(document: Document) -> list[str]:
    counted = Counter(operation["operationId"] for _, _, operation in operations(document))
    return [name for name, times in counted.items() if times > 1]


def operations_have_one_described_tag(document: Document) -> list[str]:
    described = {tag["name"] for tag in document["tags"] if tag.get("description")}
    return [
        f"{method} {path}: {operation.get('tags')}"
        for method, path, operation in operations(document)
        if len(operation.get("tags", [])) != 1 or operation["tags"][0] not in described
    ]


def operations_say_who_may_call(document: Document) -> list[str]:
    """With schemes that exist, and scopes that exist. An empty list says: everybody."""
    schemes = document["components"]["securitySchemes"]
    wrong = []
    for method, path, operation in operations(document):
        for way_in in operation.get("security", [{"": []}]):
            for name, scopes in way_in.items():
                flows = schemes.get(name, {}).get("flows", {}).values()
                offered = {scope for flow in flows for scope in flow["scopes"]}
                if name not in schemes or not set(scopes) <= offered:
                    wrong.append(f"{method} {path}: {way_in}")
    return wrong


def answers_are_described(document: Document) -> list[str]:
    """With a success among them, and content in each."""
    wrong = []
    for method, path, operation in operations(document):
        answers = operation["responses"]
        if not any(status.startswith("2") for status in answers):
            wrong.append(f"{method} {path}: no success")
        for status, answer in answers.items():
            media = answer.get("content", {})
            if not answer.get("description") or not media or any(not one.get("schema") for one in media.values()):
                wrong.append(f"{method} {path}: {status}")
    return wrong


def path_parameters_are_those_of_the_path(document: Document) -> list[str]:
    return [
        f"{method} {path}"
        for method, path, operation in operations(document)
        if set(re.findall(r"\{(\w+)\}", path))
        != {one["name"] for one in operation.get("parameters", []) if one["in"] == "path" and one["required"]}
    ]


def parameters_are_never_null(document: Document) -> list[str]:
    return [
        f"{method} {path}: {parameter['name']}"
        for method, path, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if "null" in str(parameter["schema"].get("type")) or {"type": "null"} in parameter["schema"].get("anyOf", [])
    ]


def no_default_is_null(document: Document) -> list[str]:
    return [place for place, schema in schemas(document) if "default" in schema and schema["default"] is None]


def request_members_have_no_default(document: Document) -> list[str]:
    """openapi-typescript demands members that have one, and gateways fill them in where absent means unchanged."""
    bodies = {name for name in document["components"]["schemas"] if name.endswith(("Request", "Item"))}
    return [place for place, schema in schemas(document) if place.split(".")[0] in bodies and "default" in schema]


def nothing_stands_beside_a_choice(document: Document) -> list[str]:
    """orval writes `union([…]).regex(…)` for a pattern there."""
    return [
        f"{place}: {sorted(schema.keys() - BESIDE_A_CHOICE)}"
        for place, schema in schemas(document)
        if {"anyOf", "oneOf"} & schema.keys() and schema.keys() - BESIDE_A_CHOICE
    ]


def only_words_of_json_schema_are_used(document: Document) -> list[str]:
    return [
        f"{place}: {sorted(schema.keys() - KNOWN_WORDS)}"
        for place, schema in schemas(document)
        if schema.keys() - KNOWN_WORDS
    ]


def null_is_said_in_one_way(document: Document) -> list[str]:
    """In the list of types; in `anyOf` only beside a reference. An `enum` and its types agree about it."""
    wrong = []
    for place, schema in schemas(document):
        others = [branch for branch in schema.get("anyOf", []) if branch != {"type": "null"}]
        if len(others) == 1 and "$ref" not in others[0]:
            wrong.append(place)
        may_be_null = "null" in schema["type"] if isinstance(schema.get("type"), list) else False
        if "enum" in schema and (None in schema["enum"]) is not may_be_null:
            wrong.append(place)
    return wrong


def every_engine_reads_the_patterns(document: Document) -> list[str]:
    """Go and Rust have no look-around, and what `\\d` means is another thing in each: a gateway refuses to start."""
    return [
        f"{place}: {schema['pattern']}"
        for place, schema in schemas(document)
        if re.search(r"\(\?|\\[dDwWsSbB1-9pPkuAZ]", schema.get("pattern", ""))
    ]


def references_lead_somewhere(document: Document) -> list[str]:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    return [
        f"{place}: {schema['$ref']}"
        for place, schema in schemas(document)
        if schema.get("$ref", "") not in known | {""}
    ]


def every_component_is_used_and_well_named(document: Document) -> list[str]:
    used = {schema["$ref"].rsplit("/", 1)[-1] for _, schema in schemas(document) if "$ref" in schema}
    names = document["components"]["schemas"]
    return [name for name in names if name not in used or not _COMPONENT.fullmatch(name)]


def members_have_no_title(document: Document) -> list[str]:
    """openapi-python-client names types after them, and refuses the second `Type`."""
    return [
        f"{place}.{name}"
        for place, schema in schemas(document)
        for name, member in schema.get("properties", {}).items()
        if "title" in member
    ]


def schemas_are_valid(document: Document) -> list[str]:
    """By the meta-schema of JSON Schema 2020-12, which OpenAPI 3.1 uses."""
    return [place for place, schema in schemas(document) if not jsonschema_rs.meta.is_valid(schema)]


def examples_fit_their_schemas(document: Document) -> list[str]:
    wrong = []
    for place, schema, example in _examples(document):
        whole = {**schema, "components": {"schemas": _referred_to(schema, document["components"]["schemas"])}}
        if not jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(example):
            wrong.append(f"{place}: {example!r}")
    return wrong


def _referred_to(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The components it needs: with all of them a validator takes a tenth of a second to make."""
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        for _, inner in _inside(waiting.pop(), ""):
            name = inner.get("$ref", "").rsplit("/", 1)[-1]
            if name in known and name not in found:
                found[name] = known[name]
                waiting.append(known[name])
    return found


def _examples(document: Document) -> Iterator[tuple[str, dict[str, Any], Any]]:
    for place, schema in schemas(document):
        for example in schema.get("examples", []):
            yield place, schema, example
    for method, path, operation in operations(document):
        here = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                yield f"{here} {parameter['name']}", parameter["schema"], parameter["example"]
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for name, example in media.get("examples", {}).items():
                yield f"{here} {name}", media["schema"], example["value"]


RULES: tuple[Rule, ...] = (
    operation_ids_are_a_verb_and_a_noun,
    operation_ids_are_unique,
    operations_have_one_described_tag,
    operations_say_who_may_call,
    answers_are_described,
    path_parameters_are_those_of_the_path,
    parameters_are_never_null,
    no_default_is_null,
    request_members_have_no_default,
    nothing_stands_beside_a_choice,
    only_words_of_json_schema_are_used,
    null_is_said_in_one_way,
    every_engine_reads_the_patterns,
    references_lead_somewhere,
    every_component_is_used_and_well_named,
    members_have_no_title,
    schemas_are_valid,
    examples_fit_their_schemas,
)
