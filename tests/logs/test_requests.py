"""Of slow and refused requests so many are told as can be read; the others are counted."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zerosum.gateway.request_state import RequestState
from zerosum.logs.requests import LINES_PER_SECOND_MAX, LoggedRequests, RequestLog
from zerosum.services.background.background_writing import BackgroundWriting

FLOOD = 5 * LINES_PER_SECOND_MAX


def refused() -> RequestState:
    scope = {"type": "http", "method": "POST", "path": "/v1/payments", "headers": []}
    exchange = RequestState.over(scope)
    exchange.status, exchange.refused_as = 503, "overloaded"
    return exchange


@pytest.mark.parametrize(("logged", "most"), [("slow", LINES_PER_SECOND_MAX), ("all", FLOOD)])
async def test_a_flood_is_told_in_part_and_counted_though_nobody_is_refused_after_it(
    logged: LoggedRequests, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimpleNamespace(seconds=100.0)
    log = RequestLog(logged, 1.0, lambda: cast("float", clock.seconds))
    with caplog.at_level(logging.INFO):
        for _ in range(FLOOD):
            log.tell(refused(), 0.0)
        assert len(caplog.records) == most
        clock.seconds += 1.0
        log.tell(refused(), 0.0)
        writing = BackgroundWriting([log])
        writing.start()
        await writing.stop()  # as a process that ends at once
    others: list[Any] = [record.__dict__.get("occurrences") for record in caplog.records if "more" in record.message]
    assert others == ([] if most == FLOOD else [FLOOD - LINES_PER_SECOND_MAX])
    assert len(caplog.records) == most + 1 + len(others)
