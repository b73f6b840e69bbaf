"""How much is made up: the same few with each change, as many others as are asked for at length."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

ASKED = int(os.environ.get("ZEROSUM_FUZZ_EXAMPLES", "0"))

OFTEN = settings(
    max_examples=ASKED or 200,
    derandomize=not ASKED,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
