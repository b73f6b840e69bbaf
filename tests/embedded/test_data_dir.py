from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zerosum.embedded import DataDir, DataDirInUse, DataDirNotOurs, EmbeddedError, Holder, data_dir_holder
from zerosum.embedded.durable_files import make_folder

from .ground import ENVIRONMENT, Ground

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="Only root starts servers as another account.")

HOLDER_SCRIPT = """
import sys
from zerosum.embedded import DataDir
data_dir = DataDir(sys.argv[1])
data_dir.announce("http://127.0.0.1:8000")
print("held", flush=True)
sys.stdin.read()
"""


def test_passwords_are_long_private_and_the_same_at_the_next_start(ground: Ground) -> None:
    with ground.open() as data_dir:
        first = (data_dir.superuser_password, data_dir.app_password, data_dir.redis_password)
    with ground.open() as data_dir:
        assert (data_dir.superuser_password, data_dir.app_password, data_dir.redis_password) == first
    assert len(set(first)) == 3
    assert min(map(len, first)) >= 40
    files = list((ground.path / "secrets").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((ground.path / "secrets").stat().st_mode) == 0o700


def test_folder_with_other_things_is_refused_and_left_as_it_was(ground: Ground) -> None:
    ground.path.mkdir()
    (ground.path / "thesis.txt").write_text("chapter one")
    with pytest.raises(DataDirNotOurs, match=r"not empty: it holds 'thesis.txt'"):
        ground.open()
    assert [entry.name for entry in ground.path.iterdir()] == ["thesis.txt"]


def test_empty_folder_and_fresh_mount_point_are_taken(ground: Ground) -> None:
    (ground.path / "lost+found").mkdir(parents=True)
    ground.open().close()
    assert (ground.path / "data-dir.json").exists()


def test_file_in_place_of_the_folder_is_told_in_one_line(ground: Ground) -> None:
    ground.path.write_text("")
    with pytest.raises(EmbeddedError, match=r"^Cannot use .*/data as data folder: Not a directory \(.*\)\.$"):
        ground.open()


def test_folder_of_a_later_format_is_refused(ground: Ground) -> None:
    ground.open().close()
    marker = ground.path / "data-dir.json"
    marker.write_text(marker.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(DataDirNotOurs, match="another version of Zerosum"):
        ground.open()


def test_second_user_is_told_who_holds_the_folder_and_where_it_serves(ground: Ground) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER_SCRIPT, str(ground.path)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert data_dir_holder(ground.path) == Holder(pid=holder.pid, base_url="http://127.0.0.1:8000")
        with pytest.raises(DataDirInUse) as refusal:
            ground.open()
        assert str(refusal.value) == (
            f"The data folder {ground.path} is in use by process {holder.pid}, which serves http://127.0.0.1:8000."
        )
        assert (refusal.value.pid, refusal.value.base_url) == (holder.pid, "http://127.0.0.1:8000")
        holder.kill()
    assert data_dir_holder(ground.path) is None
    ground.open()


def test_folder_is_refused_to_a_second_user_in_the_same_process(ground: Ground) -> None:
    with ground.open(), pytest.raises(DataDirInUse):
        ground.open()
    ground.open()


def test_forked_child_that_lives_on_does_not_hold_the_folder(ground: Ground) -> None:
    data_dir = ground.open()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    data_dir.close()
    ground.open()
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)


def test_database_without_its_password_is_not_given_a_new_one(ground: Ground) -> None:
    with ground.open() as data_dir:
        make_folder(data_dir.servers_path / "postgres", mode=0o700, account=data_dir.account)
    (ground.path / "secrets" / "postgres-superuser").unlink()
    with pytest.raises(EmbeddedError, match=r"The database's password is missing: .*/secrets/postgres-superuser"):
        ground.open()


@pytest.fixture
def closed(ground: Ground) -> Path:
    """A home of mode 700."""
    home = ground.folder / "home"
    home.mkdir(mode=0o700)
    return home


@ONLY_ROOT
def test_below_a_closed_home_server_data_goes_elsewhere_and_the_home_stays_closed(ground: Ground, closed: Path) -> None:
    data_dir = ground.open(closed / "data")
    assert data_dir.is_elsewhere
    assert data_dir.servers_path.parent == ground.state_root / "data"
    assert str(data_dir.servers_path) in (closed / "data" / "data-dir.json").read_text()
    assert str(closed / "data") in (data_dir.servers_path / "data-dir.json").read_text()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    data_dir.delete()
    assert not data_dir.servers_path.exists()
    assert list(closed.iterdir()) == []


@ONLY_ROOT
def test_moved_folder_still_finds_its_server_data(ground: Ground, closed: Path) -> None:
    with ground.open(closed / "old") as data_dir:
        servers_path = data_dir.servers_path
    (closed / "old").rename(closed / "new")
    for _ in range(2):
        with ground.open(closed / "new") as data_dir:
            assert data_dir.servers_path == servers_path
    assert str(closed / "new") in (servers_path / "data-dir.json").read_text()
    data_dir.delete()


@ONLY_ROOT
def test_copied_folder_does_not_share_the_server_data_of_the_first(ground: Ground, closed: Path) -> None:
    with ground.open(closed / "first") as data_dir:
        shutil.copytree(closed / "first", closed / "copy")
    with pytest.raises(DataDirNotOurs, match=r"copy is a copy of .*first"):
        ground.open(closed / "copy")
    data_dir.delete()


@ONLY_ROOT
def test_missing_server_data_is_not_replaced_by_an_empty_database(ground: Ground, closed: Path) -> None:
    with ground.open(closed / "data") as data_dir:
        shutil.rmtree(data_dir.servers_path)
    with pytest.raises(EmbeddedError, match=r"The database of .* is missing: it should be in"):
        ground.open(closed / "data")


@ONLY_ROOT
def test_folder_deleted_and_made_anew_begins_empty_and_the_old_data_stays(ground: Ground, closed: Path) -> None:
    with ground.open(closed / "data") as old:
        (old.servers_path / "books").write_text("old")
    shutil.rmtree(closed / "data")
    for _ in range(2):
        with ground.open(closed / "data") as data_dir:
            assert not (data_dir.servers_path / "books").exists()
    assert (old.servers_path / "books").read_text() == "old"
    shutil.rmtree(old.servers_path)
    data_dir.delete()


@ONLY_ROOT
@pytest.mark.parametrize("is_used_before", [True, False])
def test_a_folder_made_where_a_moved_one_was_leaves_that_its_data(
    ground: Ground, closed: Path, *, is_used_before: bool
) -> None:
    with ground.open(closed / "data") as moved:
        (moved.servers_path / "books").write_text("moved")
    (closed / "data").rename(closed / "kept")
    if is_used_before:
        ground.open(closed / "kept").close()
    with ground.open(closed / "data") as data_dir:
        assert not (data_dir.servers_path / "books").exists()
    with ground.open(closed / "kept") as kept:
        assert (kept.servers_path / "books").read_text() == "moved"
    kept.delete()
    data_dir.delete()


def test_relative_path_with_blanks_works_from_any_folder(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ground.folder)
    with DataDir("my data", state_root=ground.state_root) as data_dir:
        assert data_dir.path == ground.folder / "my data"
