"""What a run of the load generator is to do."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

ANSWER_SECONDS_MAX = 15.0
"""Longer than any deadline of the service, so that it is the service that answers."""


class LoadFailed(Exception):
    """The load could not be brought to the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`seconds` bounds what is measured, `requests` all that is sent; one of them is needed."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connections: int = 64
    seconds: float | None = None
    requests: int | None = None
    warm_up_seconds: float = 0.0
    rate: float | None = None
    """Open loop: arrivals a second. None: a closed loop."""
    seed: int = 1
    answer_seconds_max: float = ANSWER_SECONDS_MAX

    def __post_init__(self) -> None:
        if self.seconds is None and self.requests is None:
            raise ValueError("a run is bounded by seconds or by requests")


Acknowledged = Callable[[int, bytes], int]
"""How many items a response with this status and body acknowledges."""


def one_if_successful(status: int, _: bytes) -> int:
    return 1 if status < 300 else 0
