from __future__ import annotations

from pathlib import Path

import pytest

from zerosum.embedded import EmbeddedError
from zerosum.embedded.machine_state import MachineState

NOT_WRITABLE = Path("/proc/zerosum")


def test_first_root_that_can_be_used_is_taken(tmp_path: Path) -> None:
    place = MachineState([NOT_WRITABLE, tmp_path / "state", tmp_path / "other"]).data_path(tmp_path / "data")
    assert place.parent == tmp_path / "state" / "data"
    assert not (tmp_path / "other").exists()


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    MachineState([tmp_path / "state"])
    assert list(tmp_path.iterdir()) == []


def test_root_that_others_can_write_or_that_is_a_link_is_not_trusted(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(EmbeddedError, match=r"shared is not a folder of our own; .*link is not a folder of our own"):
        MachineState([shared, link]).data_path(tmp_path / "data")


def test_place_is_the_same_by_whatever_way_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    state = MachineState([tmp_path / "state"])
    assert state.data_path(tmp_path / "link") == state.data_path(tmp_path / "data")
    assert state.data_path(tmp_path / "data") != state.data_path(tmp_path / "other")
    assert [entry.name for entry in (tmp_path / "state").iterdir()] == ["data"]
