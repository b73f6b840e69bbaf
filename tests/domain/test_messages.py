"""Names of messages as they are kept: brokers give any bytes, and PostgreSQL takes no zero in a text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zerosum.domain.messages import storable

NAMES = st.text(st.characters() | st.sampled_from("\\\x00\x1fx0"))


@given(one=NAMES, other=NAMES)
@example(one="a\x00b", other="a\\x00b")
@example(one="\\", other="\\\\")
def test_no_two_names_become_one(one: str, other: str) -> None:
    assert (storable(one) == storable(other)) is (one == other)


@given(NAMES)
def test_whatever_is_written_out_can_be_stored(name: str) -> None:
    assert not any(ord(character) < 32 or character == "\x7f" for character in storable(name))
    storable(name).encode()


@pytest.mark.parametrize("name", ["orders-1", "customers:älice", "a b", ""])
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert storable(name) == name
