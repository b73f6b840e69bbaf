"""A ledger's chart: which accounts their first use may open, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import is_reserved_code
from zerosum.domain.ledger.account import AccountType

RULES_MAX = 100

PATTERN_TEXT = r"[A-Za-z0-9*][A-Za-z0-9_.:@/*-]{0,127}"
"""Of a pattern: as codes are written, with stars in them."""

_PATTERN = re.compile(PATTERN_TEXT, re.ASCII)
_STARS = re.compile(r"(\*+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRule:
    """`*` stands for one or more characters within a segment (up to the next colon), `**` for any, over segments too.

    There is one star in a segment and one `**` in all: with more, to see that a code does not match could take hours,
    in which nobody else would be answered. A currency of None allows any. The limits are in their wire form, and read
    in the currency of the account.
    """

    pattern: str
    type: AccountType
    currency: str | None = None
    min_available: str | None = None
    max_available: str | None = None
    velocity_limits: Sequence[Mapping[str, Any]] = ()
    matches: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValidationFailed."""
        if not _PATTERN.fullmatch(self.pattern) or "***" in self.pattern:
            raise ValidationFailed("A pattern is written as a code is, with * or ** in it.", pointer="/pattern")
        stars = [_STARS.findall(segment) for segment in self.pattern.split(":")]
        if max(map(len, stars)) > 1 or stars.count(["**"]) > 1:
            raise ValidationFailed("A pattern has one star in a segment, and one ** in all.", pointer="/pattern")
        if is_reserved_code(self.pattern):
            raise ValidationFailed("Accounts whose codes begin so are opened by the service alone.", pointer="/pattern")
        object.__setattr__(self, "matches", re.compile(_expression(self.pattern), re.ASCII))


def _expression(pattern: str) -> str:
    stars = {"*": "[^:]+", "**": ".+"}
    return "".join(stars.get(part) or re.escape(part) for part in _STARS.split(pattern))


@dataclass(frozen=True, slots=True)
class Chart:
    """The rules in their order: the first whose pattern matches decides. `version` counts the ledger's charts."""

    rules: Sequence[ChartRule] = ()
    version: int = 0

    def rule_for(self, code: str) -> ChartRule | None:
        if is_reserved_code(code):
            return None
        return next((rule for rule in self.rules if rule.matches.fullmatch(code)), None)
