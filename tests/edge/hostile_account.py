"""A run of the embedded servers as root, with a hostile program under the servers' account beside it.

    python hostile_account.py postgres|valkey DATA_DIR STATE_ROOT VICTIM

Whenever root is about to name a path below a folder of that account, the account gets its chance first: it puts a link
to VICTIM in place of what is named, where that pays. That is the race of a real attacker, always won. What root named
there is printed, but for reading through no link, which is harmless.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zerosum.embedded import DataDir, EmbeddedError, EmbeddedPostgres, EmbeddedValkey, find_valkey
from zerosum.embedded.server import EmbeddedServer

PATHS_OF = {
    "open": 1, "os.chmod": 1, "os.chown": 1, "os.truncate": 1, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1,
    "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.listdir": 1, "os.scandir": 1, "os.utime": 1, "os.setxattr": 1,
}  # fmt: skip
"""How many of an event's first arguments are paths."""

PAYS_AT = {"postgres": {"open"}, "valkey": {"os.chown", "os.chmod"}}
"""What root reads of PostgreSQL's it copies; what it changes of Valkey's it gives away."""

DAMAGE = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nnonsense" * 20


class HostileAccount:
    def __init__(self, data_dir: DataDir, victim: Path, pays_at: set[str]) -> None:
        assert data_dir.account is not None
        self._account = data_dir.account
        self._folders = [data_dir.servers_path / name for name in ("postgres", "postgres.new", "valkey", "run")]
        self._victim = victim
        self._pays_at = pays_at
        self.named: list[str] = []
        self._is_resting = False

    def listen(self, event: str, arguments: tuple[object, ...]) -> None:
        count = PATHS_OF.get(event)
        if count is None or self._is_resting or os.geteuid() != 0:
            return
        for argument in arguments[:count]:
            path = Path(os.fsdecode(argument)) if isinstance(argument, str | bytes | os.PathLike) else Path("/")
            if not any(folder in path.parents for folder in self._folders):
                continue
            flags = arguments[2] if event == "open" else 0
            if event == "open" and isinstance(flags, int) and flags & os.O_NOFOLLOW and not flags & os.O_ACCMODE:
                continue
            self.named.append(f"{event} {path}")
            if event in self._pays_at:
                with self.resting():
                    self._swap(path)

    @contextmanager
    def resting(self) -> Iterator[None]:
        self._is_resting = True
        try:
            yield
        finally:
            self._is_resting = False

    def _swap(self, path: Path) -> None:
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(self._account.gid)
                os.setuid(self._account.uid)
                if path.exists():
                    path.rename(path.with_name(f"{path.name}.swapped"))
                path.symlink_to(self._victim)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def main() -> None:
    name, data_path, state_root, victim = sys.argv[1:]
    binary = find_valkey()
    assert binary is not None
    with DataDir(data_path, state_root=Path(state_root)) as data_dir:
        server: EmbeddedServer = EmbeddedPostgres(data_dir, notify=print)
        if name == "valkey":
            server = EmbeddedValkey(data_dir, binary, notify=lambda _: None)
        hostile = HostileAccount(data_dir, Path(victim), PAYS_AT[name])
        sys.addaudithook(hostile.listen)
        try:
            for _ in range(2):
                server.start()
                server.stop()
                with hostile.resting():
                    for log in server.folder.glob("appendonlydir/*.incr.aof"):
                        log.write_bytes(DAMAGE)
        except EmbeddedError as error:
            print(error)
        print("\n".join(hostile.named))


if __name__ == "__main__":
    main()
