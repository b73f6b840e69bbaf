"""A rate limit, as it is written in a setting."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LIMIT = re.compile(r"([1-9][0-9]{0,8})/(s|min|h)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests per period; all of them may come at once."""

    amount: int
    period_seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit | None:
        """ "500/s", "1000/min", "20/h"; "off" means no limit. Raises ValueError."""
        if text == "off":
            return None
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError('a rate limit is written like "500/s", "1000/min", "20/h" or "off"')
        return cls(int(match.group(1)), _SECONDS[match.group(2)])
