"""Who sends what was claimed: of each endpoint a few at once, each one parcel after another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

from zerosum.services.webhooks.sending import Parcel
from zerosum.services.webhooks.slots import Slots

PER_ENDPOINT_MAX = 16
"""What an endpoint that hangs can take up before it is left alone."""


class Couriers:
    """A task for each of them, while there is something to send, and not one for each parcel."""

    def __init__(
        self,
        slots: Slots,
        send: Callable[[Parcel], Awaitable[None]],
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._slots = slots
        self._send = send
        self._begin = begin
        self._waiting: dict[UUID, deque[Parcel]] = {}
        self._at_work: Counter[UUID] = Counter()

    def hand_over(self, parcels: Sequence[Parcel]) -> None:
        """To be sent as soon as it is their turn, those of one endpoint in their order."""
        for parcel in parcels:
            self._waiting.setdefault(parcel.delivery.endpoint_id, deque()).append(parcel)
        for endpoint_id in {parcel.delivery.endpoint_id for parcel in parcels}:
            for _ in range(min(len(self._waiting[endpoint_id]), PER_ENDPOINT_MAX - self._at_work[endpoint_id])):
                self._at_work[endpoint_id] += 1
                self._begin(self._carry(endpoint_id))

    async def _carry(self, endpoint_id: UUID) -> None:
        waiting = self._waiting[endpoint_id]
        try:
            while waiting:
                async with self._slots.taken(endpoint_id, waiting[0].endpoint.place):
                    if waiting:  # Another one may have taken it meanwhile.
                        await self._send(waiting.popleft())
        finally:
            self._at_work[endpoint_id] -= 1
            if not self._at_work[endpoint_id]:
                del self._at_work[endpoint_id], self._waiting[endpoint_id]
