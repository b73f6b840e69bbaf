"""How long a receiver wants to be left alone, in whatever form it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.adapters.retry_after import wait_asked_for

NOW = datetime(2026, 12, 1, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Tue, 01 Dec 2026 08:02:00 GMT", 120),
        ("Tue, 01 Dec 2026 07:00:00 GMT", 0),
        ("Tue, 01 Dec 2026 09:02:00 +0100", 120),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("9" * 60, None),
        ("Tue, 01 Dec 2026 08:02:00", None),
        ("Mon, 30 Feb 2026 08:00:00 GMT", None),
    ],
)
def test_seconds_and_dates_are_understood_and_nothing_else(text: str, seconds: int | None) -> None:
    assert wait_asked_for(text, NOW) == (None if seconds is None else timedelta(seconds=seconds))


@given(st.text(max_size=70))
def test_whatever_is_said_is_a_wait_or_none(text: str) -> None:
    found = wait_asked_for(text, NOW)
    assert found is None or found >= timedelta(0)
