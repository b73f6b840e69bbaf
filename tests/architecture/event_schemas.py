"""The JSON Schema of all events, `docs/event-schemas.json`, rendered from the models themselves.

`make pages`, or python -m tests.architecture.event_schemas, writes it.
"""

from __future__ import annotations

import json

from tests.architecture.sources import TOP
from zerosum.api.schemas.event_shapes import event_schemas

PAGE = TOP / "docs" / "event-schemas.json"


def rendered() -> str:
    return json.dumps(event_schemas(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
