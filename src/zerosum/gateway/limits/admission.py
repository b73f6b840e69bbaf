"""Admission: a worker takes on no more than it can finish. What is too much is refused at once, reads first."""

from __future__ import annotations

from zerosum.domain.errors import Overloaded

PATIENT_SHARE = 0.75
"""Of the places: the rest is kept for calls that change something, and for those who ask whether we are alive."""


class Admission:
    """Counts the requests in work. `in_flight_max` is the bound; nobody waits here."""

    def __init__(self, in_flight_max: int) -> None:
        self.in_flight = 0
        self.shed = 0
        self._max = in_flight_max
        self._max_patient = max(1, int(in_flight_max * PATIENT_SHARE))

    @property
    def has_place(self) -> bool:
        """For a call that must not wait."""
        return self.in_flight < self._max

    def enter(self, *, may_wait: bool) -> None:
        """Take a place. Raises Overloaded."""
        if self.in_flight >= (self._max_patient if may_wait else self._max):
            self.shed += 1
            raise Overloaded("The service is busy; nothing was done.", retry_after=1)
        self.in_flight += 1

    def leave(self) -> None:
        self.in_flight -= 1
