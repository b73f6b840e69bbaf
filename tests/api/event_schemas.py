"""Whether events are what `docs/event-schemas.json` says, and have nothing that it does not name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from zerosum.api.schemas.event_shapes import event_schemas


def unlike_the_schemas(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By type: what is wrong with the first of it."""
    schemas = event_schemas()
    for schema in schemas["$defs"].values():
        if "properties" in schema and "$ref" not in schema:
            schema.setdefault("additionalProperties", False)
    validators: dict[str, Any] = {}
    found: dict[str, str] = {}
    for event in events:
        name = event["type"]
        if name not in validators:
            one = {"$ref": f"#/$defs/{name}", "$defs": schemas["$defs"], "$schema": schemas["$schema"]}
            validators[name] = jsonschema_rs.validator_for(one)
        for error in validators[name].iter_errors(event):
            found.setdefault(
                name, f"{error.message} at {'/'.join(map(str, error.instance_path))}: {event['data']}"[:900]
            )
    return found
