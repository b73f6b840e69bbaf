from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from zerosum.embedded import DataDir, EmbeddedError, EmbeddedPostgres, ServerDidNotStart, find_postgres
from zerosum.embedded.ports import PORT_FIRST, PORT_LAST
from zerosum.embedded.server_account import ServerAccount

from .ground import Ground, is_running, processes_about, run_as, sql, wait_until

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="Needs root.")

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
NEEDS_DEBIAN_15 = pytest.mark.skipif(not (DEBIAN_15 / "initdb").exists(), reason="Needs PostgreSQL 15 on the machine.")


def account_of(data_dir: DataDir) -> tuple[int, int]:
    account = data_dir.account
    return (account.uid, account.gid) if account else (os.getuid(), os.getgid())


def backends_of(server: EmbeddedPostgres) -> list[str]:
    return processes_about(server.folder)


def test_first_start_makes_a_database_that_holds_what_it_acknowledges(ground: Ground) -> None:
    server = ground.postgres(ground.open(ground.folder / "my data's folder, here"))
    server.start()
    settings = (
        "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name in "
        "('data_checksums','fsync','full_page_writes','jit','listen_addresses','max_parallel_workers_per_gather',"
        "'password_encryption','synchronous_commit','server_encoding','TimeZone')"
    )
    assert sql(server.superuser_dsn, settings) == (
        "TimeZone=UTC data_checksums=on fsync=on full_page_writes=on jit=off listen_addresses=127.0.0.1 "
        "max_parallel_workers_per_gather=0 password_encryption=scram-sha-256 server_encoding=UTF8 "
        "synchronous_commit=on"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server.folder.with_name("run") / f".s.PGSQL.{server.port}"))
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_wrong_password_is_refused(ground: Ground) -> None:
    server = ground.postgres(ground.open_copy())
    server.start()
    with pytest.raises(AssertionError, match="password authentication failed"):
        sql(server.dsn("postgres", "guess", database="postgres"), "select 1")


def test_stop_and_start_again_keeps_rows_and_port(ground: Ground) -> None:
    server = ground.postgres(ground.open_copy())
    server.start()
    port = server.port
    assert PORT_FIRST <= port < PORT_LAST
    sql(server.superuser_dsn, "create table t (n int); insert into t values (1)")
    server.stop()
    assert not backends_of(server)
    assert not server.is_alive()
    server.start()
    assert server.port == port
    assert sql(server.superuser_dsn, "select n from t") == "1"


def test_two_folders_side_by_side(ground: Ground) -> None:
    one = ground.postgres(ground.open(ground.folder / "one"))
    two = ground.postgres(ground.open(ground.folder / "two"))
    one.start()
    two.start()
    assert one.port != two.port
    sql(one.superuser_dsn, "create table only_here (n int)")
    assert sql(two.superuser_dsn, "select to_regclass('only_here') is null") == "t"


def test_port_taken_by_somebody_else_is_left_to_him(ground: Ground) -> None:
    data_dir = ground.open_copy()
    server = ground.postgres(data_dir)
    server.start()
    server.stop()
    port = server.port
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        server.start()
        assert server.port != port
    assert data_dir.port_of("postgres") == server.port
    assert sql(server.superuser_dsn, "select 1") == "1"


class LateToThePort(EmbeddedPostgres):
    """Sees its port free, and finds it taken when it starts."""

    taken_port = 0

    def _command(self) -> list[str]:
        self.port, self.taken_port = self.taken_port or self.port, 0
        return super()._command()


def test_port_taken_in_the_last_moment_even_by_another_postgresql_is_given_up(ground: Ground) -> None:
    other = ground.postgres(ground.open_copy(ground.folder / "other"))
    other.start()
    server = LateToThePort(ground.open_copy(), notify=ground.said.append)
    ground.on_clear.append(server.stop)
    server.taken_port = other.port
    server.start()
    assert server.port != other.port
    assert sql(server.superuser_dsn, "select 1") == "1"


def test_killed_postmaster_loses_no_acknowledged_row_and_its_busy_orphans_are_ended(ground: Ground) -> None:
    server = ground.postgres(ground.open_copy())
    server.start()
    sql(server.superuser_dsn, "create table t (n int)")
    psql = find_postgres().bin_path / "psql"
    statements = "".join(f"insert into t values ({n});\n" for n in range(100_000))
    busy = subprocess.Popen(
        # This one never looks whether its postmaster lives.
        [str(psql), "-X", server.superuser_dsn, "-c", "do $$ begin loop end loop; end $$"],
        stderr=subprocess.DEVNULL,
    )
    with subprocess.Popen(
        [str(psql), "-X", server.superuser_dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        os.set_blocking(writer.stdin.fileno(), False)
        os.write(writer.stdin.fileno(), statements.encode()[:60_000])
        acknowledged = sum(writer.stdout.readline() == b"INSERT 0 1\n" for _ in range(50))
        wait_until(lambda: len(sql(server.superuser_dsn, BUSY)) > 0, "the busy backend")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.is_alive(), "death noticed")
        began = time.monotonic()
        server.start()
        assert time.monotonic() - began < 8
        writer.stdin.close()
        acknowledged += writer.stdout.read().count(b"INSERT 0 1\n")
    busy.wait(10)
    assert int(sql(server.superuser_dsn, "select count(*) from t")) >= acknowledged >= 50


BUSY = "select pid from pg_stat_activity where query like 'do $$%' and state = 'active'"


def test_server_left_running_by_a_killed_supervisor_is_replaced(ground: Ground) -> None:
    data_dir = ground.open_copy()
    server = ground.postgres(data_dir)
    server.start()
    sql(server.superuser_dsn, "create table t as select 7 as n")
    server.stop()
    uid, gid = account_of(data_dir)
    stray = subprocess.Popen(
        [str(server.binaries.postgres), "-D", str(server.folder)],
        user=uid,
        group=gid,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    pid_file = server.folder / "postmaster.pid"
    wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text(), "the stray server")
    server.start()
    assert stray.wait(1) == 0  # A shutdown in good order.
    assert server.pid != stray.pid
    assert sql(server.superuser_dsn, "select n from t") == "7"


def test_stopped_server_that_hears_no_signal_is_killed_and_replaced(ground: Ground) -> None:
    server, other = ground.postgres(data_dir := ground.open_copy()), ground.postgres(data_dir)
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    other.start()
    assert not server.is_alive()
    assert server.exit_status == -signal.SIGKILL
    assert sql(other.superuser_dsn, "select 1") == "1"


def test_stale_pid_file_that_names_a_living_process_of_the_same_account(ground: Ground) -> None:
    data_dir = ground.open_copy()
    server = ground.postgres(data_dir)
    server.start()
    server.stop()
    uid, gid = account_of(data_dir)
    with subprocess.Popen(["sleep", "60"], user=uid, group=gid, cwd="/") as innocent:
        (server.folder / "postmaster.pid").write_text(
            f"{innocent.pid}\n{server.folder}\n1\n{server.port}\n\n127.0.0.1\n  1 1\nready   \n"
        )
        os.chown(server.folder / "postmaster.pid", uid, gid)
        server.start()
        assert innocent.poll() is None
        innocent.kill()
    assert sql(server.superuser_dsn, "select 1") == "1"


def test_empty_pid_file_of_a_power_cut(ground: Ground) -> None:
    data_dir = ground.open_copy()
    server = ground.postgres(data_dir)
    server.start()
    server.stop()
    (server.folder / "postmaster.pid").touch()
    server.start()
    assert sql(server.superuser_dsn, "select 1") == "1"


def test_killed_initdb_leaves_nothing_half_made(ground: Ground) -> None:
    server = ground.postgres(ground.open())
    steps = server.starting()
    new = server.folder.with_name("postgres.new")
    wait_until(lambda: next(steps, None) is None and (new / "PG_VERSION").exists(), "initdb at work")
    steps.close()  # type: ignore[attr-defined]
    assert not server.folder.exists()
    wait_until(lambda: not processes_about(new), "initdb gone")
    server.start()
    assert not new.exists()
    assert not server.folder.with_name("initdb-password").exists()
    assert sql(server.superuser_dsn, "select 1") == "1"


def test_long_path_does_without_a_unix_socket(ground: Ground) -> None:
    server = ground.postgres(ground.open(ground.folder / ("long" * 30)))
    server.start()
    assert sql(server.superuser_dsn, "show unix_socket_directories") == ""


def test_server_that_cannot_start_says_why_in_one_line(ground: Ground) -> None:
    server = ground.postgres(ground.open_copy())
    server.start()
    server.stop()
    (server.folder / "global" / "pg_control").unlink()
    with pytest.raises(ServerDidNotStart) as failure:
        server.start()
    text = str(failure.value)
    assert text.startswith("PostgreSQL ended with exit code 2 while starting: ")
    assert "\n" not in text
    assert "could not find the database system" in failure.value.log_tail


def test_log_is_kept_short(ground: Ground) -> None:
    data_dir = ground.open_copy()
    server = ground.postgres(data_dir)
    server.start()
    log = data_dir.logs_path / "postgres.log"
    with log.open("ab") as file:
        file.truncate(17 * 1024 * 1024)
    server.tend()
    assert log.stat().st_size == 0
    assert (data_dir.logs_path / "postgres.log.1").stat().st_size == 17 * 1024 * 1024
    with pytest.raises(AssertionError):
        sql(server.superuser_dsn, "select nonsense")
    assert b"nonsense" in log.read_bytes()[:2000]


@ONLY_ROOT
def test_full_disk_is_told_in_one_line_and_heals_by_itself(ground: Ground) -> None:
    small = ground.folder / "small"
    small.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "none", str(small)], check=False).returncode:
        pytest.skip("No right to mount here.")
    try:
        data_dir = ground.open(small / "data")
        server = ground.postgres(data_dir)
        with pytest.raises(EmbeddedError, match=r"^[^\n]*No space left on device[^\n]*$"):
            server.start()
        assert not server.folder.exists()
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        server.start()
        assert sql(server.superuser_dsn, "select 1") == "1"
        server.stop()
        data_dir.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


@NEEDS_DEBIAN_15
@pytest.mark.parametrize("bin_path", [DEBIAN_15, Path("/usr/local/bin")])
def test_postgresql_15_of_the_machine(ground: Ground, bin_path: Path) -> None:
    if not (bin_path / "postgres").exists():
        pytest.skip(f"No PostgreSQL in {bin_path}.")
    server = ground.postgres(ground.open(), bin_path=bin_path)
    server.start()
    assert sql(server.superuser_dsn, "show server_version").startswith("15.")
    assert ground.said == []


@NEEDS_DEBIAN_15
def test_database_made_by_another_major_is_opened_by_that_one(ground: Ground) -> None:
    data_dir = ground.open()
    first = ground.postgres(data_dir, bin_path=DEBIAN_15)
    first.start()
    sql(first.superuser_dsn, "create table t as select 7 as n")
    first.stop()
    second = ground.postgres(data_dir, bin_path=find_postgres().bin_path)
    second.start()
    assert sql(second.superuser_dsn, "select n from t") == "7"
    assert ground.said == [f"The database was made by PostgreSQL 15: using the one in {DEBIAN_15}."]


@ONLY_ROOT
def test_as_root_below_a_closed_home_programs_and_data_are_brought_within_reach(ground: Ground) -> None:
    home = ground.folder / "home"
    home.mkdir(mode=0o700)
    package = find_postgres().bin_path.parents[1]
    shutil.copytree(package / "pginstall18", home / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs")
    data_dir = ground.open(home / "data")
    server = ground.postgres(data_dir, bin_path=home / package.name / "pginstall18" / "bin")
    server.start()
    assert sql(server.superuser_dsn, "select 1") == "1"
    assert server.binaries.bin_path.is_relative_to(ground.state_root / "programs")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert isinstance(data_dir.account, ServerAccount)
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid == data_dir.account.uid
    assert [f"The database is kept in {server.folder.parent}" in line for line in ground.said] == [True]
    server.stop()
    again = ground.postgres(data_dir, bin_path=home / package.name / "pginstall18" / "bin")
    copies = sorted((ground.state_root / "programs").iterdir())
    again.start()
    assert sorted((ground.state_root / "programs").iterdir()) == copies
    again.stop()
    data_dir.delete()


@ONLY_ROOT
def test_as_an_ordinary_user(ground: Ground) -> None:
    user = pwd.getpwnam("nobody")
    home = ground.folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)

    def work() -> str:
        with DataDir(home / "my data") as data_dir:
            server = EmbeddedPostgres(data_dir, notify=lambda _: None)
            server.start()
            try:
                return f"{sql(server.superuser_dsn, 'select 1')} {data_dir.account} {data_dir.path.stat().st_uid}"
            finally:
                server.stop()

    assert run_as(user.pw_uid, user.pw_gid, work) == f"1 None {user.pw_uid}"


@ONLY_ROOT
def test_user_without_a_passwd_entry_is_told_so(ground: Ground) -> None:
    uid = next(uid for uid in (secrets.randbelow(10**6) + 10**8 for _ in range(9)) if not _is_known(uid))
    ground.folder.chmod(0o1777)
    answer = run_as(uid, uid, lambda: DataDir(ground.path))
    assert answer.strip().endswith(f"PostgreSQL needs a passwd entry for the account it runs as; uid {uid} has none.")


@ONLY_ROOT
def test_folder_that_cannot_be_written_is_told_in_one_line(ground: Ground) -> None:
    user = pwd.getpwnam("nobody")
    answer = run_as(user.pw_uid, user.pw_gid, lambda: DataDir(ground.path))
    assert answer.strip().splitlines()[-1] == (
        f"zerosum.embedded.errors.EmbeddedError: Cannot use {ground.path} as data folder: "
        f"Permission denied ({ground.path})."
    )


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def test_stopping_a_server_that_was_killed_leaves_no_orphan(ground: Ground) -> None:
    server = ground.postgres(ground.open_copy())
    server.start()
    psql = find_postgres().bin_path / "psql"
    # One that never looks whether its postmaster lives: it has to be ended.
    busy = subprocess.Popen(
        [str(psql), "-X", server.superuser_dsn, "-c", "do $$ begin loop end loop; end $$"], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: sql(server.superuser_dsn, BUSY), "the busy backend")
    pids = [int(line.split()[0]) for line in backends_of(server)]
    assert int(sql(server.superuser_dsn, BUSY)) in pids
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    # One that has given up its files and its memory is gone, though a slow machine may still count it for a moment.
    wait_until(lambda: not any(is_running(pid) for pid in pids), "no orphan")
    busy.wait(10)
