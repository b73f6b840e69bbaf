"""`up` as root: no other account gets anything by what it puts in root's way."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import assert_one_clear_line, zerosum
from tests.embedded.ground import ENVIRONMENT
from zerosum.embedded import DataDir, EmbeddedError, EmbeddedPostgres
from zerosum.embedded.server_log import ServerLog

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Only root has more rights than others to lose.")

STRANGER = 12345
HOSTILE = Path(__file__).with_name("hostile_account.py")
RUN_SECONDS_MAX = 120


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of root's that everybody can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="zerosum-root-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_stranger(work: Callable[[], object]) -> None:
    """Done by a local account that is not root."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def made(path: Path) -> Path:
    """A data folder, as `up` has left it, without the servers."""
    DataDir(path, state_root=path.with_name("state")).close()
    (path / "credentials.json").write_text("{}")
    (path / "credentials.json").chmod(0o600)
    (path / "tls").mkdir(mode=0o700)
    (path / "ports" / "postgres").write_text("15432\n")
    (path / "ports" / "postgres").chmod(0o600)
    (path / "servers" / "postgres").mkdir(mode=0o700)
    return path


def facts_of(folder: Path) -> dict[Path, tuple[int, int, int, int]]:
    found = {}
    for path in (folder, *folder.rglob("*")):
        facts = path.lstat()
        found[path] = (facts.st_mode, facts.st_uid, facts.st_size, facts.st_mtime_ns)
    return found


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_root_names_no_path_that_the_servers_account_controls(open_folder: Path, server: str) -> None:
    """Through start, repair, restart and stop, with that account always faster than root.

    What root read of PostgreSQL's settings ended up in a file of that account's; what root changed the owner of in the
    repair of Valkey's log was any file that account chose.
    """
    victim = open_folder / "victim"
    victim.write_text("root's own")
    victim.chmod(0o600)
    command = [sys.executable, str(HOSTILE), server, str(open_folder / "data"), str(open_folder / "state"), str(victim)]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
    )
    facts = victim.stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode), victim.read_text()) == (0, 0o600, "root's own")
    servers = open_folder / "data" / "servers"
    assert not [path for path in servers.rglob("*.conf") if path.is_file() and "root's own" in path.read_text()]
    assert (done.returncode, done.stdout.strip()) == (0, ""), done
    assert (servers / "valkey" / "damaged" / "appendonlydir").is_dir() == (server == "valkey")


def test_a_prepared_folder_is_refused_by_the_command_and_left_as_it_was(open_folder: Path) -> None:
    path = made(open_folder / "data")
    subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", str(path)], check=True)
    before = facts_of(path)
    said = zerosum("up", "--data-dir", str(path), "--port", "0")
    assert_one_clear_line(said, str(path), f"belongs to uid {STRANGER}", "`root`")
    assert facts_of(path) == before


def _give(name: str) -> Callable[[Path], None]:
    return lambda path: os.chown(path / name, STRANGER, STRANGER)


def _open_up(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).chmod(0o777)


def _link(name: str) -> Callable[[Path], None]:
    """What was there lies elsewhere now, with a link in its place."""

    def arrange(path: Path) -> None:
        elsewhere = path.with_name("elsewhere")
        (path / name).rename(elsewhere)
        (path / name).symlink_to(elsewhere)

    return arrange


def _second_name(name: str) -> Callable[[Path], None]:
    return lambda path: os.link(path / name, path.with_name("elsewhere"))


def _pipe(name: str) -> Callable[[Path], None]:
    def arrange(path: Path) -> None:
        (path / name).unlink()
        os.mkfifo(path / name, 0o600)

    return arrange


PREPARED: dict[str, Callable[[Path], None]] = {
    "the folder of a stranger": _give("."),
    "the folder open to all": _open_up("."),
    "secrets of a stranger": _give("secrets"),
    "secrets open to all": _open_up("secrets"),
    "secrets elsewhere": _link("secrets"),
    "a password of a stranger": _give("secrets/postgres-superuser"),
    "a password anybody may change": _open_up("secrets/redis"),
    "a password elsewhere": _link("secrets/postgres-superuser"),
    "ports of a stranger": _give("ports"),
    "a port of a stranger": _give("ports/postgres"),
    "logs of a stranger": _give("logs"),
    "logs elsewhere": _link("logs"),
    "tls of a stranger": _give("tls"),
    "servers of a stranger": _give("servers"),
    "servers open to all": _open_up("servers"),
    "servers elsewhere": _link("servers"),
    "a database of a stranger": _give("servers/postgres"),
    "a database elsewhere": _link("servers/postgres"),
    "the lock elsewhere": _link("zerosum.lock"),
    "the lock of a stranger": _give("zerosum.lock"),
    "a lock with a second name": _second_name("zerosum.lock"),
    "a lock nobody answers": _pipe("zerosum.lock"),
    "the marker of a stranger": _give("data-dir.json"),
    "the marker elsewhere": _link("data-dir.json"),
    "credentials of a stranger": _give("credentials.json"),
    "credentials elsewhere": _link("credentials.json"),
    "a way of a stranger": _give(".."),
    "a way open to all": _open_up(".."),
}


@pytest.mark.parametrize("case", PREPARED)
def test_what_somebody_else_has_prepared_is_refused_and_left_as_it_was(open_folder: Path, case: str) -> None:
    path = made(open_folder / "data")
    PREPARED[case](path)
    before = facts_of(open_folder)
    with pytest.raises(EmbeddedError, match=r"^[^\n]*(belongs to|by others|is a link|second name|is no file)[^\n]*\.$"):
        DataDir(path, state_root=open_folder / "state")
    after = facts_of(open_folder)
    assert {path: facts for path, facts in after.items() if facts != before.get(path)} == {}


def test_a_log_with_a_second_name_or_elsewhere_is_neither_written_nor_cut(open_folder: Path) -> None:
    victim = open_folder / "victim"
    victim.write_text("x" * 100)
    (open_folder / "hard.log").hardlink_to(victim)
    (open_folder / "soft.log").symlink_to(victim)
    for name in ("hard.log", "soft.log"):
        with pytest.raises((EmbeddedError, OSError)):
            ServerLog(open_folder / name).open_for_new_start()
    assert victim.read_text() == "x" * 100


def test_a_strangers_link_on_the_way_is_not_followed_but_our_own_is(open_folder: Path) -> None:
    shared = open_folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    as_stranger(lambda: (shared / "theirs").symlink_to(open_folder))
    with pytest.raises(EmbeddedError, match=f"theirs is a link of uid {STRANGER}"):
        DataDir(shared / "theirs" / "data", state_root=open_folder / "state")
    with pytest.raises(EmbeddedError, match=f"theirs is a link of uid {STRANGER}"):
        DataDir(shared / "theirs", state_root=open_folder / "state")
    (open_folder / "target").mkdir()
    (shared / "ours").symlink_to(open_folder / "target")
    DataDir(shared / "ours", state_root=open_folder / "state").close()
    assert (open_folder / "target" / "data-dir.json").exists()


def test_a_fresh_folder_of_our_own_is_closed_to_others_before_it_is_used(open_folder: Path) -> None:
    path = open_folder / "data"
    path.mkdir()
    path.chmod(0o777)
    DataDir(path, state_root=open_folder / "state").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o711


def test_folders_above_are_never_made_writable_by_others(open_folder: Path) -> None:
    before = os.umask(0)
    try:
        DataDir(open_folder / "above" / "data", state_root=open_folder / "state").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((open_folder / "above").stat().st_mode) == 0o755


class Impatient(EmbeddedPostgres):
    stop_steps = ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 0.1))


def test_a_pid_file_of_the_servers_account_cannot_have_root_kill_what_is_not_its_own(open_folder: Path) -> None:
    """A process of root's whose command line looks like that of the server."""
    with DataDir(open_folder / "data", state_root=open_folder / "state") as data_dir:
        server = Impatient(data_dir, notify=lambda _: None)
        assert server.binaries.postgres.name == "postgres"
        server.folder.mkdir()
        command = ["postgres", "-c", "import time; time.sleep(60)", str(server.folder)]
        with subprocess.Popen(command, executable=sys.executable) as innocent:
            (server.folder / "postmaster.pid").write_text(f"{innocent.pid}\n")
            with pytest.raises(EmbeddedError, match="cannot be stopped"):
                list(server._end_leftovers(server.folder))
            assert innocent.poll() is None
            innocent.kill()


@pytest.mark.parametrize("command", [("token",), ("verify",)])
def test_the_commands_beside_up_believe_no_strangers_folder_either(open_folder: Path, command: tuple[str, ...]) -> None:
    path = made(open_folder / "data")
    _give(".")(path)
    assert_one_clear_line(zerosum(*command, "--data-dir", str(path)), f"belongs to uid {STRANGER}")
