"""Admission: a worker takes on no more than it can finish. What is too much is refused at once, reads first."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from zerosum.domain.errors import Overloaded
from zerosum.gateway.routing import Policy

PATIENT_SHARE = 0.75
"""Of the places: the rest is kept for calls that change something, and for those who ask whether we are alive."""


class Admission:
    """Counts the requests in work. `in_flight_max` is the bound; nobody waits here.

    `is_too_much` is asked of the ledger of a payment, and of whatever else is written as often: whether more of it
    would wait for too long. That is found out again where it is handed over; here its refusal costs least.
    """

    def __init__(self, in_flight_max: int, is_too_much: Callable[[UUID], bool] = lambda _: False) -> None:
        self._is_too_much = is_too_much
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
            raise self.refusal()
        self.in_flight += 1

    def is_too_much(self, ledger_id: UUID, policy: Policy) -> bool:
        return policy.express is not None and not policy.may_wait and self._is_too_much(ledger_id)

    def refusal(self) -> Overloaded:
        """Of a request that is counted as shed from now on."""
        self.shed += 1
        return Overloaded("The service is busy; nothing was done.", retry_after=1)

    def leave(self) -> None:
        self.in_flight -= 1
