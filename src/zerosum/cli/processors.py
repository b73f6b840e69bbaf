"""`zerosum processors list`: which outside processors there are here, and how they are asked."""

from __future__ import annotations

import json

from zerosum.cli.talk import put, say, told_plainly
from zerosum.config import load_settings


@told_plainly
def list_processors(*, is_json: bool) -> int:
    """Without their secrets."""
    found = load_settings().processors()
    rows = [
        {"name": one.name, "kind": one.kind, **one.rules.model_dump()}
        for one in sorted(found.values(), key=lambda one: one.name)
    ]
    if is_json:
        put(f"{json.dumps(rows)}\n")
        return 0
    if not rows:
        say("no outside processors: ZEROSUM_PROCESSORS_FILE names none")
    for row in rows:
        rules = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("name", "kind"))
        put(f"{row['name']}: kind {row['kind']}, {rules}\n")
    return 0
