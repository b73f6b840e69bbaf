"""Bugs that were found with the models of the protocols (docs/MODELS.md), put back."""

from __future__ import annotations

from tests.planted.plant import Edit, Plant, plant

COMMITTING = "src/zerosum/services/committing"
COMPLETER = "src/zerosum/services/background/completer.py"
UNKNOWN = "tests/committer/test_told_unknown.py::"
LATE = "tests/processors/test_late_answers.py::"

TOLD_UNKNOWN = "what was told to be unknown"
ON_ITS_WAY = "what may be on its way to a processor"

MODEL_PLANTS = (
    plant(
        "a key that was told to be unknown is forgotten at once",
        TOLD_UNKNOWN,
        f"{COMMITTING}/work.py",
        "if isinstance(error, OutcomeUnknown):",
        "if False:",
        f"{UNKNOWN}test_who_was_told_unknown_at_the_deadline_is_not_told_that_nothing_was_done",
    ),
    plant(
        "a key is known once it is committed, whoever has heard of it",
        TOLD_UNKNOWN,
        f"{COMMITTING}/work.py",
        "if not work.is_answered and (unknown.may_be_unused or _was_used(answer)):",
        "if unknown.may_be_unused or _was_used(answer):",
        f"{UNKNOWN}test_who_was_told_unknown_at_the_deadline_is_not_told_that_nothing_was_done",
    ),
    plant(
        "a key that was found used is known to whoever is refused",
        TOLD_UNKNOWN,
        f"{COMMITTING}/unknown_keys.py",
        "return self._keys.has_any(words) or self._used.has_any(words)",
        "return self._keys.has_any(words)",
        "tests/committer/test_unknown_lookup.py::test_what_is_found_used_is_unknown_to_refusals_alone",
    ),
    plant(
        "what is carried out behind a refused one is told to be undone",
        TOLD_UNKNOWN,
        f"{COMMITTING}/held_up.py",
        "if work.order_key in orders and work in running:",
        "if work.order_key in orders and work in ():",
        f"{UNKNOWN}test_what_is_carried_out_behind_one_that_was_refused_is_unknown",
    ),
    plant(
        "a key that somebody else holds is told to be undone",
        TOLD_UNKNOWN,
        f"{COMMITTING}/work.py",
        "if self.may_have_committed or self.is_key_held else error",
        "if self.may_have_committed else error",
        f"{UNKNOWN}test_whose_key_somebody_else_holds_when_time_is_over_is_told_unknown",
    ),
    plant(
        "who has died has sent when he claimed",
        ON_ITS_WAY,
        "src/zerosum/db/queries/processor_calls.py",
        "then greatest(call.sent_at, call.next_at)",
        "then call.sent_at",
        f"{LATE}test_what_one_who_has_died_may_have_sent_last_is_waited_for",
    ),
    plant(
        "that nothing is there is of the moment at which it is heard",
        ON_ITS_WAY,
        COMPLETER,
        "known.absent_at >= call.sent_at + self._claim_lasts",
        "self._now() >= call.sent_at + self._claim_lasts",
        f"{LATE}test_that_nothing_was_there_is_of_the_moment_at_which_it_was_asked",
    ),
    Plant(
        "the word of the one that was left is looked for before the look-up",
        ON_ITS_WAY,
        (
            Edit(
                COMPLETER,
                "looked_at = self._now()",
                "looked_at = self._now()\n        objection = await self._done_after_all(call)",
            ),
            Edit(
                COMPLETER,
                "objection = await self._done_after_all(call)  # Behind the look: that may take its time.",
                "pass",
            ),
        ),
        (f"{LATE}test_a_word_that_comes_while_the_next_one_is_looked_up_is_heeded",),
    ),
)
