"""A ledger's chart: which accounts their first use may open, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import is_reserved_code
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.code_patterns import code_expression

RULES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRule:
    """A currency of None allows any. The limits are in their wire form, and read in the currency of the account."""

    pattern: str
    type: AccountType
    currency: str | None = None
    min_available: str | None = None
    max_available: str | None = None
    velocity_limits: Sequence[Mapping[str, Any]] = ()
    matches: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValidationFailed."""
        matches = re.compile(code_expression(self.pattern, pointer="/pattern"), re.ASCII)
        if is_reserved_code(self.pattern):
            raise ValidationFailed("Accounts whose codes begin so are opened by the service alone.", pointer="/pattern")
        object.__setattr__(self, "matches", matches)


@dataclass(frozen=True, slots=True)
class Chart:
    """The rules in their order: the first whose pattern matches decides. `version` counts the ledger's charts."""

    rules: Sequence[ChartRule] = ()
    version: int = 0

    def rule_for(self, code: str) -> ChartRule | None:
        if is_reserved_code(code):
            return None
        return next((rule for rule in self.rules if rule.matches.fullmatch(code)), None)
