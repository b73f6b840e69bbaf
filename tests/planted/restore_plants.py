"""The bugs in backups and restores."""

from __future__ import annotations

from tests.planted.plant import plant

RESTORES = "a restore that proves nothing"
AGE = "src/zerosum/services/proofs/kept_age.py"
AGE_TEST = "tests/services/test_kept_age.py::test_what_is_missing_is_age_or_wrong_by_the_time_the_database_has_come_to"
FOLDER = "src/zerosum/embedded/backups/folder.py"
FOLDER_TESTS = "tests/embedded/test_backup_folder.py::"
RESTORE_PLANTS = (
    plant(
        "whatever is missing is taken for age",
        RESTORES,
        AGE,
        "if reached_at is not None and sealed_at + SEALED_BEFORE < reached_at:",
        "if False:",
        AGE_TEST,
    ),
    plant(
        "what was kept and is missing is not told",
        RESTORES,
        AGE,
        "for note in notes if _size(note) > size)",
        "for note in notes if _size(note) > size + 1000)",
        AGE_TEST,
    ),
    plant(
        "a place in the feed is given twice after a restore",
        RESTORES,
        "src/zerosum/db/schema/feed_order.py",
        "statements(PLACES_LEFT_FREE + (0 if edge",
        "statements(0 + (0 if edge",
        "tests/db/test_feed_order.py::test_after_a_restore_to_a_time_no_place_is_given_that_was_given_before",
    ),
    plant(
        "what was cut off of a copy is left lying",
        RESTORES,
        FOLDER,
        "shutil.rmtree(left_behind)",
        "pass",
        f"{FOLDER_TESTS}test_a_copy_that_was_cut_off_is_none",
    ),
    plant(
        "the bytes of a copy are not looked at",
        RESTORES,
        "src/zerosum/embedded/backups/manifest.py",
        "elif path.stat().st_size != size or _sum(path) != checksum:",
        "elif path.stat().st_size != size:",
        f"{FOLDER_TESTS}test_a_copy_that_is_not_as_it_was_made_is_found",
    ),
    plant(
        "a gap in the log is passed over",
        RESTORES,
        "src/zerosum/embedded/backups/segments.py",
        "return found, at if any(name > at for name in names) else None",
        "return found, None",
        f"{FOLDER_TESTS}test_the_log_is_followed_up_to_what_is_missing",
    ),
    plant(
        "a restored database writes into the archive it came from",
        RESTORES,
        FOLDER,
        "elif found != history:",
        "elif found.system != history.system:",
        f"{FOLDER_TESTS}test_the_folder_of_another_history_is_refused",
        "tests/embedded/test_wal_archive.py::test_the_folder_of_another_database_is_refused_before_anything_is_kept",
    ),
    plant(
        "the slot of an archive that is no more keeps the log for ever",
        RESTORES,
        "src/zerosum/cli/archiving.py",
        "asyncio.run(let_log_go(superuser_dsn))",
        "pass",
        "tests/embedded/test_wal_archive.py::test_without_a_folder_no_log_is_kept_for_anybody",
    ),
    plant(
        "secrets that somebody has typed are taken",
        RESTORES,
        "src/zerosum/cli/precautions.py",
        "if secret is not None and _is_made_up(secret):",
        "if False:",
        "tests/cli/test_serve.py::test_a_wrong_setting_is_named",
    ),
)
