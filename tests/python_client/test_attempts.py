"""When a call is tried again: any sequence of what can be met, against what must hold of all of them."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zerosum.client import OutcomeUnknown, Refused, Retries, UnexpectedAnswer, Unreachable, ZerosumError
from zerosum.client.attempts import Answer, Attempts
from zerosum.client.refusals import Busy, Failed, Impossible, InsufficientFunds, Malformed, refusal


@dataclass(frozen=True)
class Met:
    """What an attempt meets. Status 0 is a broken connection, -1 one that was never made."""

    status: int
    code: str = ""
    retryable: bool = False
    retry_after: int | None = None

    @property
    def may_be_done(self) -> bool:
        is_of_others = self.status >= 500 and not self.code
        return self.status in (0, 504) or is_of_others or self.code == "idempotency_in_progress"

    @property
    def is_retried(self) -> bool:
        return self.status in (0, -1) or self.retryable or (self.status >= 500 and not self.code)

    def answer(self) -> Answer:
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        problem = {"code": self.code, "retryable": self.retryable}
        return Answer(self.status, headers, json.dumps(problem).encode() if self.code else b"<html>")


REPERTOIRE = [
    Met(0),
    Met(-1),
    Met(200),
    Met(404),
    Met(502),
    Met(503),
    Met(401, "unauthenticated"),
    Met(404, "account_not_found"),
    Met(409, "idempotency_in_progress", retryable=True, retry_after=1),
    Met(422, "insufficient_funds"),
    Met(429, "rate_limited", retryable=True, retry_after=2),
    Met(429, "rate_limited", retryable=True, retry_after=600),
    Met(500, "internal_error"),
    Met(503, "overloaded", retryable=True),
    Met(504, "outcome_unknown", retryable=True),
]
AT_THE_DOOR = (401, 403, 408, 429, 500, 503)
"""Answered before the key is looked up. Said here anew, so that the product is not asked what is right."""

RETRIES = Retries(attempts_max=5, seconds_max=30.0)


def carried_out(all_met: list[Met], *, key: str | None = "k", is_writing: bool = True) -> tuple[int, float, Any]:
    """How many attempts were made of them, how long that took, and how it ended: None where it was carried out."""
    clock = [0.0]
    attempts = Attempts(
        RETRIES, key=key, is_repeatable=True, is_writing=is_writing, clock=lambda: clock[0], chance=lambda: 1.0
    )
    for made, met in enumerate(all_met, start=1):
        try:
            if met.status <= 0:
                pause: float | None = attempts.after_failure(OSError("broken"), may_have_arrived=met.status == 0)
            else:
                pause = attempts.after_answer(met.answer())
        except ZerosumError as error:
            return made, clock[0], error
        if pause is None:
            return made, clock[0], None
        clock[0] += pause
    return len(all_met), clock[0], "goes on"


@given(st.lists(st.sampled_from(REPERTOIRE), min_size=5, max_size=5))
@example([Met(0), Met(401, "unauthenticated"), Met(200), Met(200), Met(200)])
def test_whatever_is_met_it_ends_in_bounds_and_never_says_refused_of_what_may_be_done(all_met: list[Met]) -> None:
    made, seconds, end = carried_out(all_met)
    last = all_met[made - 1]
    assert end != "goes on"
    assert seconds <= RETRIES.seconds_max
    assert all(met.is_retried for met in all_met[: made - 1]), "only what may be tried again is"
    if end is None:
        assert last.status == 200
        return
    says_nothing = last.is_retried or not last.code or last.status in AT_THE_DOOR
    if any(met.may_be_done for met in all_met[:made]) and says_nothing:
        assert isinstance(end, OutcomeUnknown)
        assert end.idempotency_key == "k"
    elif last.code:
        assert isinstance(end, Refused)
        assert end.code == last.code
    else:
        assert isinstance(end, Unreachable if last.status == -1 else UnexpectedAnswer)


@given(st.lists(st.sampled_from(REPERTOIRE), min_size=5, max_size=5))
def test_what_only_reads_is_never_unknown(all_met: list[Met]) -> None:
    _, _, end = carried_out(all_met, key=None, is_writing=False)
    assert not isinstance(end, OutcomeUnknown)


def test_pauses_double_up_to_the_longest_and_chance_shortens_them() -> None:
    def pauses(chance: float) -> list[float]:
        retries = Retries(attempts_max=6, seconds_max=60, first_pause_seconds=1, pause_seconds_max=8)
        attempts = Attempts(
            retries, key="k", is_repeatable=True, is_writing=True, clock=lambda: 0.0, chance=lambda: chance
        )
        return [attempts.after_failure(OSError(), may_have_arrived=False) for _ in range(5)]

    assert pauses(1.0) == [1, 2, 4, 8, 8]
    assert pauses(0.0) == [0.5, 1, 2, 4, 4]


def test_what_cannot_be_repeated_is_not_where_it_may_have_arrived() -> None:
    attempts = Attempts(RETRIES, key=None, is_repeatable=False, is_writing=True, clock=lambda: 0.0)
    assert attempts.after_failure(OSError(), may_have_arrived=False) > 0
    with pytest.raises(OutcomeUnknown):
        attempts.after_failure(OSError(), may_have_arrived=True)


def test_what_is_raised_can_be_handed_to_another_process() -> None:
    problem = {"code": "insufficient_funds", "detail": "Too little.", "available": "1.00", "retryable": False}
    refused = pickle.loads(pickle.dumps(refusal(problem, 422, "k")))
    assert (type(refused), refused.available, refused.idempotency_key) == (InsufficientFunds, 1, "k")
    unknown = pickle.loads(pickle.dumps(OutcomeUnknown("nobody can say yet", "k")))
    assert (str(unknown), unknown.idempotency_key) == ("nobody can say yet", "k")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("newer_than_this", 422, Malformed), ("newer_than_this", 409, Impossible), ("newer_than_this", 418, Failed)],
)
def test_a_code_that_is_newer_than_the_client_is_of_its_kind(code: str, status: int, kind: type[Refused]) -> None:
    refused = refusal({"code": code, "errors": ["odd", {"pointer": "/x"}]}, status)
    assert (type(refused), refused.code, refused.faults[0].pointer) == (kind, code, "/x")
    assert type(refusal({"code": code, "retryable": True}, status)) is Busy
