"""How fast connections may follow each other from one address: each costs more than many a request."""

from __future__ import annotations


class Arrivals:
    """A token bucket an address: so many at once, then so many a second. Times are the loop's, in seconds.

    Kept are only addresses whose bucket is not full; those whose is are forgotten by `forget_full`.
    """

    def __init__(self, at_once: int, per_second: int) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._buckets: dict[str, tuple[float, float]] = {}
        """What is left, and when that was counted."""

    def __len__(self) -> int:
        return len(self._buckets)

    def may_come(self, address: str, now: float) -> bool:
        """Whether one more may come now; if so, it is counted."""
        left, counted_at = self._buckets.get(address, (float(self._at_once), now))
        left = min(float(self._at_once), left + (now - counted_at) * self._per_second)
        if left < 1:
            return False
        self._buckets[address] = (left - 1, now)
        return True

    def count(self, address: str, number: int, now: float) -> None:
        """As if so many had come besides; what is not left is not owed."""
        left, counted_at = self._buckets.get(address, (float(self._at_once), now))
        self._buckets[address] = (max(0.0, left - number), counted_at)

    def forget_full(self, now: float) -> None:
        full = [
            address
            for address, (left, counted_at) in self._buckets.items()
            if left + (now - counted_at) * self._per_second >= self._at_once
        ]
        for address in full:
            del self._buckets[address]
