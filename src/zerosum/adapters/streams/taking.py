"""What an input is handed when it is opened: how to take a partition, and how to tell that one is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from zerosum.domain.messages import Partition, Position, storable

Take = Callable[[Partition], Awaitable[Position]]
"""Before anything of the partition is read. What was settled comes back: the input begins behind it."""

Lose = Callable[[Collection[Partition]], Awaitable[None]]
"""Returns when nothing of these partitions is under way any more."""


def text_headers(pairs: dict[str, object]) -> dict[str, str]:
    """Those of a CloudEvent, by one spelling (`ce-id`), however the broker writes them."""
    found = {}
    for name, value in pairs.items():
        lower = name.lower().replace("cloudevents:", "ce-").replace("cloudevents_", "ce-").replace("ce_", "ce-")
        if lower.startswith("ce-"):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            found[storable(lower)] = storable(text)
    return found
