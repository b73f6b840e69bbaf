"""The fingerprint of a request: the same key with another one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

_TAG = b"zerosum.request.v1 "


def fingerprint(operation: str, content: Mapping[str, Any]) -> bytes:
    """SHA-256 over the operation and its validated, canonical content: members sorted, nothing that is not there.

    White space, member order and a null instead of an absent member make no difference; neither does `dry_run`.
    The tag is a version: a later change of this form must not turn replays into mismatches.
    """
    present = {name: value for name, value in content.items() if value is not None and value != {}}
    body = orjson.dumps(present, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    return sha256(_TAG + operation.encode() + b" " + body).digest()
