"""The bugs in the Python client."""

from __future__ import annotations

from tests.planted.plant import plant

LOST_ON_THE_WAY = "lost on the way"
ATTEMPTS = "src/zerosum/client/attempts.py"
BROKEN = "tests/python_client/test_broken_lines.py::"
ANY_SEQUENCE = (
    "tests/python_client/test_attempts.py::"
    "test_whatever_is_met_it_ends_in_bounds_and_never_says_refused_of_what_may_be_done"
)

CLIENT_PLANTS = (
    plant(
        "each attempt has a key of its own",
        LOST_ON_THE_WAY,
        "src/zerosum/client/steps.py",
        'headers["Idempotency-Key"] = asked.key',
        'headers["Idempotency-Key"] = __import__("secrets").token_hex(16)',
        f"{BROKEN}test_a_payment_whose_answer_is_lost_is_made_exactly_once",
    ),
    plant(
        "who is turned away at the door is told that nothing was done",
        LOST_ON_THE_WAY,
        ATTEMPTS,
        "frozenset({401, 403, 408, 429, 500, 503})",
        "frozenset({408, 429, 500, 503})",
        f"{BROKEN}test_an_answer_that_did_not_look_the_key_up_settles_nothing",
        ANY_SEQUENCE,
    ),
    plant(
        "a later attempt makes one before it forgotten",
        LOST_ON_THE_WAY,
        ATTEMPTS,
        "self._may_be_done = (self._may_be_done or may_be_done) and self._is_writing",
        "self._may_be_done = may_be_done and self._is_writing",
        ANY_SEQUENCE,
    ),
    plant(
        "a name makes another key in the next process",
        LOST_ON_THE_WAY,
        "src/zerosum/client/keys.py",
        'key = f"{operation}:{name}"',
        'key = f"{operation}:{name}:{hash(name)}"',
        f"{BROKEN}test_a_program_that_is_killed_while_it_pays_and_started_again_pays_once",
    ),
    plant(
        "an event counts as done when it is given out",
        LOST_ON_THE_WAY,
        "src/zerosum/client/runners.py",
        "yield event\n                await asyncio.to_thread(place.passed, event.id)",
        "await asyncio.to_thread(place.passed, event.id)\n                yield event",
        "tests/python_client/test_events.py::test_a_reader_goes_on_behind_what_it_has_done",
    ),
    plant(
        "an old delivery is believed",
        LOST_ON_THE_WAY,
        "src/zerosum/client/webhooks.py",
        "if abs(at - int(timestamp)) > tolerance_seconds:",
        "if int(timestamp) - at > tolerance_seconds:",
        "tests/python_client/test_webhooks.py::test_all_else_is_refused",
    ),
)
