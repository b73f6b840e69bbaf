"""The plants of `make planted` are kept plantable: it is run seldom, and a lost one would not be missed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.planted.plant import Edit, Plant, PlantLost
from tests.planted.plants import PLANTS

TOP = Path(__file__).parents[2]


def test_each_has_a_name_of_its_own() -> None:
    assert max(Counter(one.name for one in PLANTS).values()) == 1


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.name)
def test_it_can_be_planted_and_its_tests_are_there(one: Plant) -> None:
    for edit in one.edits:
        text = (TOP / edit.file).read_text(encoding="utf-8")
        assert edit.applied_to(text) != text
    for test in one.tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (TOP / file).read_text(encoding="utf-8"), re.MULTILINE), test


def test_a_plant_survives_reformatting_and_is_lost_with_its_text() -> None:
    edit = Edit("a.py", "f(one, [two])", "g()")
    assert edit.applied_to("x = f(\n    one,\n    [two],\n)\n") == "x = g()\n"
    for text in ("x = f(one, [three])", "f(one, [two]) + f(one, [two])"):
        with pytest.raises(PlantLost):
            edit.applied_to(text)
