"""Patterns of account codes: `*` stands for one or more characters within a segment (up to the next colon), `**` for
any, over segments too.

There is one star in a segment and one `**` in all: with more, to see that a code does not match could take hours, in
which nobody else would be answered.
"""

from __future__ import annotations

import re

from zerosum.domain.errors import ValidationFailed

PATTERN_TEXT = r"[A-Za-z0-9*][A-Za-z0-9_.:@/*-]{0,127}"
"""Of a pattern: as codes are written, with stars in them."""

_PATTERN = re.compile(PATTERN_TEXT, re.ASCII)
_STARS = re.compile(r"(\*+)")


def code_expression(pattern: str, *, pointer: str) -> str:
    """A regular expression for whole codes. Raises ValidationFailed."""
    if not _PATTERN.fullmatch(pattern) or "***" in pattern:
        raise ValidationFailed("A pattern is written as a code is, with * or ** in it.", pointer=pointer)
    stars = [_STARS.findall(segment) for segment in pattern.split(":")]
    if max(map(len, stars)) > 1 or stars.count(["**"]) > 1:
        raise ValidationFailed("A pattern has one star in a segment, and one ** in all.", pointer=pointer)
    meant = {"*": "[^:]+", "**": ".+"}
    return "".join(meant.get(part) or re.escape(part) for part in _STARS.split(pattern))
