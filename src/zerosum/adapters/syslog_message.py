"""A record of the security log as a syslog message (RFC 5424): what happened as structured data, why as JSON.

Whatever a caller has written stays inside its place: it ends neither its value nor the message, and steers no terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

FACILITY = 13
"""Log audit."""

WARNING, NOTICE = 4, 5
REFUSED = ("credential.refused", "scope.denied", "refusals.suppressed", "difference.found")

SD_ID = "zerosum@32473"
"""With the number that RFC 5612 keeps for examples and software that has none of its own."""

MESSAGE_BYTES_MAX = 8_192
"""Receivers take so much of one (RFC 5424 section 6.1 asks for 2048 at least). What is longer is cut, and says so."""

VALUE_CHARACTERS_MAX = 1_024
APP_NAME = "zerosum"
NOTHING = "-"

_TOLD = ("id", "place", "ledger", "actor", "address", "request_id", "resource", "occurrences")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_ENDING = re.compile(r'(["\\\]])')
_NO_WORD = re.compile(r"[^!-~]")


def syslog_message(record: Mapping[str, Any], hostname: str) -> bytes:
    """Of a record as the API shows it."""
    priority = FACILITY * 8 + (WARNING if record["type"] in REFUSED else NOTICE)
    values = {name: record[name] for name in _TOLD if record.get(name) is not None}
    told = {name: record[name] for name in ("reason", "facts") if record.get(name)}
    # The JSON is ASCII: every other sign is an escape, and a cut falls into no character.
    text = json.dumps(told, separators=(",", ":"))
    head = (
        f"<{priority}>1 {_time(str(record['recorded_at']))} {_word(hostname, 255)} {APP_NAME} {NOTHING} "
        f"{_word(str(record['type']), 32)} "
    )
    whole = f"{head}{_data(values)} {text}".encode()
    if len(whole) <= MESSAGE_BYTES_MAX:
        return whole
    return f"{head}{_data(values | {'cut': len(text)})} {text}".encode()[:MESSAGE_BYTES_MAX]


def framed(message: bytes) -> bytes:
    """By octet counting (RFC 6587 section 3.4.1): no sign in it can end it."""
    return b"%d %s" % (len(message), message)


def _data(values: Mapping[str, Any]) -> str:
    pairs = "".join(f' {name}="{_value(str(value))}"' for name, value in values.items())
    return f"[{SD_ID}{pairs}]"


def _value(text: str) -> str:
    shown = _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text[:VALUE_CHARACTERS_MAX])
    return _ENDING.sub(r"\\\1", shown)


def _word(text: str, characters_max: int) -> str:
    return _NO_WORD.sub("?", text)[:characters_max] or NOTHING


def _time(text: str) -> str:
    """As the API writes it, which is RFC 3339 with at most the six digits that syslog takes."""
    return _word(text, 32)
