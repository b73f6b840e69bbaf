"""Bugs by which one caller's too much becomes everybody's."""

from __future__ import annotations

from tests.planted.plant import plant

OVERLOAD = "too much at once"
QUEUE = "src/zerosum/services/committing/fair_queue.py"
PACE = "src/zerosum/services/committing/pace.py"
TURNS = "src/zerosum/gateway/server/turns.py"
FAIR = "tests/committer/test_fair_queue.py::"
PRESSURE = "tests/gateway/test_pressure.py::"
TAKEN = "tests/gateway/test_turns.py::"

OVERLOAD_PLANTS = (
    plant(
        "works are taken in the order of their coming, whosever they are",
        OVERLOAD,
        QUEUE,
        "heappush(self._heap, (begins, self._number, count, work, line))",
        "heappush(self._heap, (0, self._number, count, work, line))",
        f"{FAIR}test_one_command_waits_for_its_turn_and_not_for_a_thousand_of_another",
    ),
    plant(
        "whoever has nothing waiting has had nothing",
        OVERLOAD,
        QUEUE,
        "begins = max(self._turn, line.served_until)",
        "begins = max(self._turn, line.served_until if line.works else 0)",
        f"{FAIR}test_who_has_just_been_served_much_is_not_served_first_because_he_asks_again",
    ),
    plant(
        "a flood of one ledger has all refused",
        OVERLOAD,
        PACE,
        "ahead = queue.commands_ahead(ledger_id)",
        "ahead = queue.commands",
        f"{FAIR}test_only_whose_own_works_would_wait_too_long_has_too_many",
    ),
    plant(
        "few callers with large requests are a flood",
        OVERLOAD,
        PACE,
        "if queue.commands <= self._commands_min or queue.waiting(ledger_id).works < self._works_min:",
        "if queue.commands <= self._commands_min:",
        f"{FAIR}test_few_requests_are_never_too_much_however_large",
    ),
    plant(
        "a key whose COMMIT was lost is told that nothing was done",
        OVERLOAD,
        "src/zerosum/gateway/express/journey.py",
        "if around.may_be_unknown(ledger_id, self._call.idempotency_key):",
        "if False:",
        f"{PRESSURE}test_of_a_key_whose_commit_was_lost_nobody_says_that_nothing_was_done",
    ),
    plant(
        "a connection that asks as somebody else overtakes itself",
        OVERLOAD,
        "src/zerosum/gateway/server/takes_turns.py",
        "if not self._pieces_waiting:\n            self._waits_as",
        "if True:\n            self._waits_as",
        f"{TAKEN}test_a_connection_that_asks_as_somebody_else_does_not_overtake_itself",
    ),
    plant(
        "all that waits is begun in one round",
        OVERLOAD,
        TURNS,
        "            if perf_counter() >= self._until:\n                break\n",
        "",
        f"{TAKEN}test_what_comes_at_once_is_begun_in_order_with_others_in_between",
    ),
    plant(
        "a server that says nothing is a fault of ours",
        OVERLOAD,
        "src/zerosum/db/engine.py",
        "return original if isinstance(original, TimeoutError) else original.__cause__ or original",
        "return original.__cause__ or original",
        "tests/db/test_engine.py::test_a_server_that_takes_the_connection_and_says_nothing_means_unavailable",
    ),
)
