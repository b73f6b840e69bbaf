"""A line of JSON is looked at as a whole, and text by text only where something may have to go."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from zerosum.logs.allowed import FIELDS, TEXT_CHARACTERS_MAX, only_allowed
from zerosum.logs.json_lines import JsonLines

KEY = "zsk_" + "A" * 88
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"


@pytest.mark.parametrize(
    "text",
    [
        "as it is",
        f"before {KEY} behind",
        f'"{TOKEN}"',
        "redis://user:secret@host/0",
        "x" * (TEXT_CHARACTERS_MAX + 1),
        f"{'x' * (TEXT_CHARACTERS_MAX - 10)} {KEY}",
        f'\\"\n\u2028Zoë {KEY}',
        f"\udcff{KEY}",
    ],
)
def test_no_text_of_a_line_is_another_than_text_by_text(text: str) -> None:
    record = logging.LogRecord("zerosum.test", logging.INFO, __file__, 1, "%s", (text,), None)
    record.address, record.why, record.unlisted = text, f"{text}, {text}", text
    line: dict[str, Any] = json.loads(JsonLines().format(record))
    expected = only_allowed(None, "", {"event": text, "address": text, "why": f"{text}, {text}"})
    assert {name: line[name] for name in expected} == expected
    assert line.keys() <= FIELDS
    for secret in (KEY, TOKEN, "secret@"):
        assert secret not in json.dumps(line)
