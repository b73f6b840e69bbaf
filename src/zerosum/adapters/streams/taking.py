"""What an input is handed when it is opened: how to take a partition, and how to tell that one is lost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from zerosum.domain.messages import Gap, Partition, Position, storable
from zerosum.domain.traces import HEADER

_log = logging.getLogger(__name__)


class Take(Protocol):
    """Before anything of the partition is read. What was settled comes back: the input begins behind it."""

    async def __call__(self, partition: Partition, made: str | None = None, /) -> Position:
        """`made`: when the stream was made, by its own word. Raises Gap where another one was settled of."""


Lose = Callable[[Collection[Partition]], Awaitable[None]]
"""Returns when nothing of these partitions is under way any more."""


class Losses:
    """What a broker has deleted before it was read: it stops the input, unless it was told to go on."""

    def __init__(self, *, is_accepted: bool) -> None:
        self.is_accepted = is_accepted
        self.number = 0

    def add(self, partition: Partition, number: int, which: str) -> None:
        """Raises Gap."""
        self.number += number
        said = f"{partition}: {which} were deleted before they were read"
        if not self.is_accepted:
            raise Gap(f"{said}. Look for what is lost; then begin once with --accept-gaps")
        _log.error("%s, and it goes on (--accept-gaps)", said)


def text_headers(pairs: dict[str, object]) -> dict[str, str]:
    """Those of a CloudEvent, by one spelling (`ce-id`), however the broker writes them; and `traceparent`."""
    found = {}
    for name, value in pairs.items():
        lower = name.lower().replace("cloudevents:", "ce-").replace("cloudevents_", "ce-").replace("ce_", "ce-")
        if lower.startswith("ce-") or lower == HEADER:
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            found[storable(lower)] = storable(text)
    return found
