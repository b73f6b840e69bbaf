"""How much a slice of a proof takes, so that it lasts about as long as it may. Rows cost differently by part."""

from __future__ import annotations

SLICE_SECONDS = 0.2
"""A slice holds a snapshot and a core of PostgreSQL, beside what payments need."""

FIRST_SHARE = 0.1
LEAST_SHARE = 0.01
"""Of the largest slices, which `zerosum verify` takes."""

GROWTH_MAX = 2.0
SHRINKING_MAX = 0.25
"""From one slice to the next: one that was held up by something else says little."""


class SliceSizes:
    """Of one ledger, by part of its proof."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}

    def share(self, part: str) -> float:
        return self._shares.get(part, FIRST_SHARE)

    def measured(self, part: str, seconds: float) -> None:
        factor = SLICE_SECONDS / max(seconds, SLICE_SECONDS / GROWTH_MAX)
        wanted = self.share(part) * max(factor, SHRINKING_MAX)
        self._shares[part] = min(1.0, max(LEAST_SHARE, wanted))
