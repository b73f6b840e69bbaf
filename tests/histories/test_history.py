"""The checker itself: what one after the other would show is right, and every way of being wrong is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.histories.history import NotSerializable, Operation, VersionTwice, check


@st.composite
def serial(draw: st.DrawFn) -> list[Operation]:
    """Operations that took place at one moment each, somewhere between their beginning and their end."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    versions = dict.fromkeys("abcd", 0)
    history = []
    for number in range(draw(st.integers(1, 40))):
        moment = float(number)
        span = moment - chance.random() * 5, moment + chance.random() * 5
        some = chance.sample(sorted(versions), chance.randint(1, 3))
        if chance.random() < 0.5:
            history.append(Operation(f"r{number}", *span, saw={name: versions[name] for name in some}))
            continue
        for name in some:
            versions[name] += 1
        history.append(Operation(f"w{number}", *span, wrote={name: versions[name] for name in some}))
    chance.shuffle(history)
    return history


@given(serial())
def test_what_happened_one_after_the_other_is_right(history: list[Operation]) -> None:
    check(history)


@given(serial(), st.data())
def test_some_of_it_is_right_as_well(history: list[Operation], data: st.DataObject) -> None:
    """Whoever went away saw nothing, and his version is known of nobody."""
    check([one for one in history if data.draw(st.booleans())])


W = {"a": 1}
WRONG = {
    "a version that was there is not seen": [Operation("w", 0, 1, wrote=W), Operation("r", 2, 3, saw={"a": 0})],
    "a version is seen before it is asked for": [Operation("r", 0, 1, saw=W), Operation("w", 2, 3, wrote=W)],
    "a reader goes back": [
        Operation("w", 0, 9, wrote=W),
        Operation("r1", 1, 2, saw=W),
        Operation("r2", 3, 4, saw={"a": 0}),
    ],
    "versions stand against time": [Operation("w2", 0, 1, wrote={"a": 2}), Operation("w1", 2, 3, wrote=W)],
    "half of a payment is seen": [
        Operation("w", 0, 9, wrote={"a": 1, "b": 1}),
        Operation("r", 0, 9, saw={"a": 1, "b": 0}),
    ],
    "two accounts have two orders": [
        Operation("w1", 0, 9, wrote={"a": 1, "b": 2}),
        Operation("w2", 0, 9, wrote={"a": 2, "b": 1}),
    ],
    "two readers saw two orders of what is apart": [
        Operation("wa", 0, 9, wrote={"a": 1}),
        Operation("wb", 0, 9, wrote={"b": 1}),
        Operation("r1", 0, 9, saw={"a": 1, "b": 0}),
        Operation("r2", 0, 9, saw={"a": 0, "b": 1}),
    ],
    "a circle by way of time": [
        Operation("wa", 5, 9, wrote={"a": 1}),
        Operation("r", 0, 4, saw={"b": 1}),
        Operation("w", 0, 9, wrote={"a": 2, "b": 1}),
    ],
    "by way of a version that nobody told of": [
        Operation("r", 0, 1, saw={"a": 7}),
        Operation("w", 2, 3, wrote={"a": 5}),
    ],
}


@pytest.mark.parametrize("kind", list(WRONG))
def test_what_no_order_explains_is_found(kind: str) -> None:
    with pytest.raises(NotSerializable) as found:
        check(WRONG[kind])
    assert len(found.value.circle) >= 2


def test_a_version_that_was_made_twice_is_found() -> None:
    with pytest.raises(VersionTwice):
        check([Operation("w1", 0, 9, wrote=W), Operation("w2", 0, 9, wrote=W)])


@pytest.mark.parametrize(
    "history",
    [
        [Operation("w", 0, 9, wrote=W), Operation("r", 1, 2, saw={"a": 0})],
        [Operation("w", 0, 9, wrote=W), Operation("r", 1, 2, saw=W)],
        [Operation("w1", 0, 3, wrote=W), Operation("w2", 1, 2, wrote={"a": 2})],
        [Operation("r1", 0, 9, saw=W), Operation("r2", 0, 9, saw={"a": 0}), Operation("w", 0, 9, wrote=W)],
    ],
)
def test_what_went_on_at_once_may_be_in_any_order(history: list[Operation]) -> None:
    check(history)
