"""Load shedding: no more at once than can be finished, and reads of the books give way first."""

from __future__ import annotations

import pytest

from zerosum.domain.errors import Overloaded
from zerosum.gateway.limits.admission import Admission


def test_reads_are_refused_before_writes() -> None:
    admission = Admission(4)
    for _ in range(3):
        admission.enter(may_wait=True)
    with pytest.raises(Overloaded):
        admission.enter(may_wait=True)
    admission.enter(may_wait=False)
    with pytest.raises(Overloaded) as caught:
        admission.enter(may_wait=False)
    assert caught.value.facts == {"retry_after": 1}
    assert (admission.in_flight, admission.shed) == (4, 2)


def test_a_place_that_is_left_can_be_taken_again() -> None:
    admission = Admission(1)
    admission.enter(may_wait=True)
    admission.leave()
    admission.enter(may_wait=False)
    assert admission.in_flight == 1
