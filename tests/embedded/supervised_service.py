"""A small service under the supervisor, for the tests to start, kill and stop: what `zerosum up` does, in short.

Its workers say `<name> is <pid>` when they run, and it prints every line the supervisor has to tell.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from zerosum.embedded import DataDir, EmbeddedPostgres, EmbeddedValkey, Supervisor, find_valkey


def say(line: str) -> None:
    print(line, flush=True)


def work(name: str, *, is_stubborn: bool) -> int:
    if is_stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say(f"{name} is {os.getpid()}")
    while True:
        time.sleep(60)


def leave_an_orphan() -> int:
    parent = os.fork()
    if parent == 0:
        if os.fork() == 0:
            time.sleep(0.2)
            say("orphan ended")
        os._exit(0)
    os.waitpid(parent, 0)
    return work("orphaner", is_stubborn=False)


def main(path: Path, state_root: Path, options: set[str]) -> int:
    with DataDir(path, state_root=state_root) as data_dir, Supervisor(say) as supervisor:
        if "with-servers" in options:
            postgres = EmbeddedPostgres(data_dir, notify=say)
            supervisor.add_server("PostgreSQL", postgres)
            binary = find_valkey()
            assert binary is not None
            valkey = EmbeddedValkey(data_dir, binary, notify=say)
            supervisor.add_server("Valkey", valkey)
            supervisor.start_servers()
            say(f"PostgreSQL is {postgres.pid}")
            say(f"Valkey is {valkey.pid}")
            say(f"dsn {postgres.superuser_dsn}")
        if "migrating" in options:
            say("migrating")
            time.sleep(60)
        if "crashing" in options:
            supervisor.add_worker("crasher", lambda: 3)
        if "orphaning" in options:
            supervisor.add_worker("orphaner", leave_an_orphan)
        grace = 30.0 if "patient" in options else 0.5
        for number in (1, 2):
            name = f"worker {number}"
            supervisor.add_worker(
                name,
                lambda name=name: work(name, is_stubborn="stubborn" in options),  # type: ignore[misc]
                grace_seconds=grace,
            )
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), set(sys.argv[3:])))
