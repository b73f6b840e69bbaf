"""The breaker of a processor, and the share of what it approves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.domain.builders import NOON
from zerosum.domain.payments.processor_health import JUDGED_FROM, WINDOW, Attempt, BreakerRules, ProcessorHealth, Reply

RULES = BreakerRules(failures=3, success_percent_min=50)
NEW = ProcessorHealth(window_at=NOON)
MISSING, APPROVED, UNDECIDED = Attempt(Reply.MISSING), Attempt(Reply.APPROVED), Attempt(Reply.UNDECIDED)
DECLINED = Attempt(Reply.DECLINED, is_technical=True)
REFUSED = Attempt(Reply.DECLINED)
"""For what was ordered."""


def test_so_many_failures_in_a_row_open_it_and_one_answer_closes_it() -> None:
    health = NEW.after([MISSING, MISSING, APPROVED, MISSING, MISSING], RULES, NOON)
    assert (health.trouble(RULES, NOON), health.may_be_asked(RULES, NOON, 16)) == (None, 16)
    health = health.after([MISSING], RULES, NOON)
    assert health.trouble(RULES, NOON) == "3 attempts in a row had no reply"
    assert health.may_be_asked(RULES, NOON, 16) == 0
    later = NOON + timedelta(seconds=5)
    assert (health.trouble(RULES, later), health.may_be_asked(RULES, later, 16)) == (None, 1), "it is judged by one"
    again = health.after([MISSING], RULES, later)
    assert again.paused_until == later + timedelta(seconds=10)
    assert again.after([UNDECIDED], RULES, later).may_be_asked(RULES, later, 16) == 16


def test_what_was_under_way_when_it_opened_counts_no_further() -> None:
    health = NEW.after([MISSING] * 9, RULES, NOON)
    assert (health.consecutive_failures, health.paused_until) == (3, NOON + timedelta(seconds=5))


def test_without_a_breaker_it_is_asked_as_ever() -> None:
    rules = BreakerRules(failures=0)
    health = NEW.after([MISSING] * 50, rules, NOON)
    assert (health.trouble(rules, NOON), health.may_be_asked(rules, NOON, 16)) == (None, 16)


@pytest.mark.parametrize(("approved", "is_troubled"), [(9, True), (10, False)])
def test_who_approves_too_little_is_in_trouble(approved: int, is_troubled: bool) -> None:
    health = NEW.after([APPROVED] * approved + [DECLINED] * (JUDGED_FROM - approved), RULES, NOON)
    assert (health.trouble(RULES, NOON) is not None) is is_troubled
    assert health.trouble(BreakerRules(), NOON) is None, "nobody has asked for a rate"


def test_a_rate_is_of_what_is_young_and_of_enough() -> None:
    health = NEW.after([DECLINED] * (JUDGED_FROM - 1), RULES, NOON)
    assert health.success_percent is None
    next_window = NOON + WINDOW
    health = health.after([DECLINED], RULES, next_window)
    assert health.trouble(RULES, next_window) == "it has approved 0 % of late"
    assert health.trouble(RULES, next_window + 2 * WINDOW) is None, "it may have got better"


@pytest.mark.parametrize("reply", [Reply.APPROVED, Reply.DECLINED, Reply.UNDECIDED])
def test_that_look_ups_answer_says_nothing_of_whether_it_pays(reply: Reply) -> None:
    looked_up = Attempt(reply, is_look_up=True)
    health = NEW.after([MISSING, looked_up, MISSING, looked_up, MISSING, looked_up], RULES, NOON)
    assert health.may_be_asked(RULES, NOON, 16) == 0
    later = NOON + timedelta(seconds=5)
    assert health.after([looked_up], RULES, later).may_be_asked(RULES, later, 16) == 1, "it is to be judged still"
    assert health.after([looked_up, UNDECIDED], RULES, later).may_be_asked(RULES, later, 16) == 16


def test_what_is_declined_for_what_was_ordered_lowers_no_rate() -> None:
    health = NEW.after([REFUSED] * 100 + [APPROVED] * (JUDGED_FROM - 1), RULES, NOON)
    assert (health.success_percent, health.trouble(RULES, NOON)) == (None, None)
    assert health.after([APPROVED], RULES, NOON).success_percent == 100
    assert NEW.after([MISSING, MISSING, REFUSED, MISSING], RULES, NOON).consecutive_failures == 1, "it does answer"
