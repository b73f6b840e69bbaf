"""Waivers of the audit are dated and reasoned, and the list of materials has every library with its hashes."""

from __future__ import annotations

import re

import pytest

from tests.architecture.audit import LOCK, WAIVERS, materials, read_waivers


def test_every_waiver_has_a_last_day_and_a_reason() -> None:
    waivers = read_waivers(WAIVERS.read_text(encoding="utf-8"))
    assert len({waiver.id for waiver in waivers}) == len(waivers)
    lock = LOCK.read_text(encoding="utf-8")
    gone = [waiver for waiver in waivers if not re.search(rf"^{waiver.why.split()[0]}==", lock, re.MULTILINE)]
    assert not gone, f"{gone}: what it is about, which its reason begins with, is installed no more. Take it out."


@pytest.mark.parametrize("line", ["GHSA-1", "GHSA-wj6h-64fc-37mp for ever", "GHSA-wj6h-64fc-37mp 2027-05-31 because"])
def test_a_waiver_without_a_day_or_a_reason_is_none(line: str) -> None:
    with pytest.raises(ValueError, match="this is no waiver"):
        read_waivers(line)


def test_the_list_of_materials_has_every_pin_with_its_hashes() -> None:
    lock = LOCK.read_text(encoding="utf-8")
    listed = materials(lock)["components"]
    assert isinstance(listed, list)
    assert len(listed) == len(re.findall(r"^[a-z0-9._-]+==", lock, re.MULTILINE)) > 30
    assert sum(len(one["hashes"]) for one in listed) == lock.count("--hash=sha256:")
    assert all(one["hashes"] for one in listed)
