"""Bodies for every route out of the manual, with one text in every member that takes a text."""

from __future__ import annotations

from typing import Any

DEPTH_MAX = 6


def filled(schema: dict[str, Any], document: dict[str, Any], text: str, depth: int = 0) -> Any:
    """What the schema describes: as many members as it names, each of its kind."""
    if depth > DEPTH_MAX:
        return text
    if "$ref" in schema:
        return filled(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, text, depth)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return filled(schema[choice][0], document, text, depth)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        members = {
            name: filled(member, document, text, depth + 1) for name, member in schema.get("properties", {}).items()
        }
        return members or {text: text}
    if kind == "array":
        return [filled(schema.get("items", {}), document, text, depth + 1)]
    if kind in ("integer", "number"):
        return 1
    if kind == "boolean":
        return True
    return text


def body_of(operation: dict[str, Any], document: dict[str, Any], text: str) -> Any:
    """None where it takes no JSON."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else filled(content["schema"], document, text)
