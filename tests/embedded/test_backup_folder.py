"""What a backup folder holds and what not: by itself, with copies that are made up."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from zerosum.embedded.backups import Backup, BackupFolder, BackupUnusable, History, check_copy, choose_backup
from zerosum.embedded.backups.segments import SEGMENT_BYTES, ArchivedWal, following, segment_of

OURS = History("7713963644446672257", 1)
FIRST = "000000010000000000000002"


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    (tmp_path / "backups").mkdir(mode=0o700)
    found = BackupFolder(tmp_path / "backups")
    found.claim(OURS)
    return found


def backup(name: str, first_segment: str = FIRST) -> Backup:
    at = f"{name[:13]}:{name[14:16]}:{name[17:19]}+00:00"
    return Backup(
        name=name,
        began_at=at,
        ended_at=at,
        first_segment=first_segment,
        database_bytes=1,
        postgres="18.4",
        zerosum="1.0",
    )


def put(folder: BackupFolder, one: Backup) -> Path:
    place = folder.new_backup(one.name)
    copy(place)
    folder.complete(one)
    return folder.database_of(one)


def copy(place: Path) -> None:
    """As the server sends one: with a manifest that is summed up itself."""
    (place / "pg_wal").mkdir(parents=True)
    (place / "PG_VERSION").write_bytes(b"18\n")
    with (place / "pg_wal" / FIRST).open("wb") as segment:
        segment.truncate(SEGMENT_BYTES)
    file = {"Path": "PG_VERSION", "Size": 3, "Checksum-Algorithm": "SHA256", "Checksum": sha256(b"18\n").hexdigest()}
    needed = {"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000120"}
    text = f'{{ "Files": [\n{json.dumps(file)}\n],\n"WAL-Ranges": [\n{json.dumps(needed)}\n],\n'
    text += f'"Manifest-Checksum": "{sha256(text.encode()).hexdigest()}"}}\n'
    (place / "backup_manifest").write_text(text)


def test_segments_are_named_as_postgresql_names_them() -> None:
    assert segment_of(1, "0/2000028") == FIRST
    assert segment_of(2, "1A/FF000000") == "000000020000001A000000FF"
    assert following("0000000100000000000000FF") == "000000010000000100000000"


def test_the_log_is_followed_up_to_what_is_missing(tmp_path: Path) -> None:
    for name in (FIRST, "000000010000000000000003", "000000010000000000000005.partial", "00000002.history"):
        (tmp_path / name).touch()
    segments, missing = ArchivedWal.read(tmp_path).since(FIRST)
    assert ([path.name for path in segments], missing) == (
        [FIRST, "000000010000000000000003"],
        "000000010000000000000004",
    )
    (tmp_path / "000000010000000000000004").touch()
    segments, missing = ArchivedWal.read(tmp_path).since(FIRST)
    assert (segments[-1].name, missing) == ("000000010000000000000005.partial", None)


def test_a_copy_that_was_cut_off_is_none(folder: BackupFolder) -> None:
    copy(folder.new_backup("2026-11-30T14-00-00Z"))
    assert folder.backups() == []
    whole = backup("2026-11-30T15-00-00Z")
    put(folder, whole)
    assert folder.backups() == [whole]
    assert [path.name for path in (folder.path / "backups").iterdir()] == [whole.name]


def test_the_folder_of_another_history_is_refused(folder: BackupFolder, tmp_path: Path) -> None:
    folder.claim(OURS)
    with pytest.raises(BackupUnusable, match="before it was restored: name a new folder"):
        folder.claim(History(OURS.system, 2))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpeg").touch()
    with pytest.raises(BackupUnusable, match=r"holds other things \('one.jpeg'\)"):
        BackupFolder(tmp_path / "photos").claim(OURS)
    with pytest.raises(BackupUnusable, match="make it first"):
        BackupFolder(tmp_path / "away")


def test_the_copy_for_a_time_was_whole_by_then(folder: BackupFolder) -> None:
    first, second = backup("2026-11-30T14-00-00Z"), backup("2026-11-30T15-00-00Z")
    put(folder, first)
    put(folder, second)
    assert choose_backup(folder, None) == second
    assert choose_backup(folder, second.ended) == second
    assert choose_backup(folder, first.ended) == first
    with pytest.raises(BackupUnusable, match=r"No backup in .* is as old as that"):
        choose_backup(folder, first.ended.replace(hour=13))


def test_old_copies_go_with_the_log_that_only_they_need(folder: BackupFolder) -> None:
    names = [FIRST, "000000010000000000000003", "000000010000000000000004"]
    for name in names:
        (folder.wal_path / name).touch()
    put(folder, backup("2026-11-30T14-00-00Z"))
    put(folder, backup("2026-11-30T15-00-00Z", names[1]))
    assert folder.prune(2) == ([], 0)
    gone, segments = folder.prune(1)
    assert ([one.name for one in gone], segments) == (["2026-11-30T14-00-00Z"], 1)
    assert list(folder.wal().segments) == names[1:]


def test_two_do_not_make_copies_at_once(folder: BackupFolder) -> None:
    with folder.alone(), pytest.raises(BackupUnusable, match="Another backup is being made"), folder.alone():
        pass


def _with_another_byte(database: Path) -> None:
    (database / "PG_VERSION").write_bytes(b"19\n")


def _without_a_file(database: Path) -> None:
    (database / "PG_VERSION").unlink()


def _with_a_file_more(database: Path) -> None:
    (database / "postgresql.auto.conf").touch()


def _with_its_log_cut_off(database: Path) -> None:
    (database / "pg_wal" / FIRST).write_bytes(b"")


def _with_another_manifest(database: Path) -> None:
    path = database / "backup_manifest"
    path.write_text(path.read_text().replace('"Size": 3', '"Size": 4'))


def _with_half_a_manifest(database: Path) -> None:
    path = database / "backup_manifest"
    path.write_text(path.read_text()[:-40])


@pytest.mark.parametrize(
    "spoil",
    [
        _with_another_byte,
        _without_a_file,
        _with_a_file_more,
        _with_its_log_cut_off,
        _with_another_manifest,
        _with_half_a_manifest,
    ],
)
def test_a_copy_that_is_not_as_it_was_made_is_found(spoil: object, folder: BackupFolder) -> None:
    database = put(folder, backup("2026-11-30T14-00-00Z"))
    assert check_copy(database).first_segment == FIRST
    assert callable(spoil)
    spoil(database)
    with pytest.raises(BackupUnusable, match="cannot be trusted"):
        check_copy(database)
