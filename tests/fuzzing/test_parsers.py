"""The targets of `make fuzz` in the suite: what they take, and a little of what they do not."""

from __future__ import annotations

import random

import pytest

from tests.fuzzing.parsers import TARGETS, Target

CHANGES = 300
PIECES = (b"", b"\x00", b"\xff", b"9", b"-", b".", b'"', b"\\", b"\r\n", b"%", b"}", b"e1", "é".encode(), b"  ")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_reads_what_it_knows_and_reads_or_refuses_what_is_like_it(target: Target) -> None:
    assert target.read(target.seeds[0])
    dice = random.Random(target.name)
    for _ in range(CHANGES):
        data = bytearray(dice.choice(target.seeds))
        place = dice.randrange(len(data) + 1)
        data[place : place + dice.choice([0, 1, 3])] = dice.choice(PIECES)
        target.read(bytes(data))
