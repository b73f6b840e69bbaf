"""python -m benchmarks.verify (or `make bench-verify ARGS="10000000"`): how fast `zerosum verify` proves a ledger.

So many postings are paid for real, through the bulk path, with hashes, events and a signed proof log. Then all is
verified with one process and with several, in full and since the last signed checkpoint: postings a second, and the
processor time a posting, of Python and of PostgreSQL. `--folder` keeps the ledger, to measure it again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import Meter
from benchmarks.progress import Progress
from benchmarks.service import Service, fresh_folder, running_service

POSTINGS = 200_000
BULK = 500
SINCE = ("--since-checkpoint", "last")
ROUND_SECONDS = 20.0
"""So long is paid before it is counted what is there."""
SEALED_WITHIN_SECONDS = 1_800.0

SETTINGS = {
    "self_audit_seconds": "0",
    "rate_limit_per_principal": "off",
    "rate_limit_per_ledger": "off",
}
_POSTINGS = "select count(*) from postings"
_UNSEALED = """
select (select count(*) from journal_entries)
       - (select coalesce(sum(length(kinds) - length(replace(kinds, 'e', ''))), 0) from signed_checkpoints)
"""


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    options: Sequence[str]


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    postings: int
    seconds: float
    python: float
    postgres: float

    def shown(self) -> str:
        each = [part / self.postings * 1e6 for part in (self.python, self.postgres)]
        rate = f"{self.postings / self.seconds:,.0f}"
        return f"| {self.name} | {self.seconds:.1f} | {rate} | {each[0]:.1f} | {each[1]:.1f} | {sum(each):.1f} |"


class Failed(Exception):
    """The books are not right, or could not be written."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("postings", nargs="?", type=int, default=POSTINGS)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2], help="so many processes (1 2)")
    parser.add_argument("--rounds", type=int, default=1, help="in turns; all are shown (1)")
    parser.add_argument("--folder", type=Path, help="is kept, with all in it: the next time it is only measured")
    options = parser.parse_args()
    ground = fresh_folder() if options.folder is None else nullcontext(_kept(options.folder))
    ways = [Way(f"in full, --jobs {jobs}", ["--jobs", str(jobs)]) for jobs in options.jobs]
    ways += [Way(way.name.replace("in full", "since the checkpoint"), [*way.options, *SINCE]) for way in ways]
    with Progress() as progress, ground as folder, running_service(folder, **SETTINGS) as service:
        _fill(service, options.postings, progress)
        _await_seals(service, progress)
        service.sql("vacuum analyze")
        progress.say(f"load {os.getloadavg()[0]:.1f}")
        figures = [_measured(service, way, progress) for _ in range(options.rounds) for way in ways]
    lines = ["| what | s | postings/s | Python µs a posting | PostgreSQL | together |", f"|{' --- |' * 6}"]
    sys.stdout.write("\n".join([*lines, *(figure.shown() for figure in figures)]) + "\n")
    return 0


def _kept(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder.absolute()


def _fill(service: Service, postings: int, progress: Progress) -> None:
    data = ("--data-dir", str(service.data_dir))
    while (there := int(service.sql(_POSTINGS)[0][0])) < postings:
        progress.show(f"{there:,} of {postings:,} postings", there / postings)
        _zerosum("bench", *data, "--bulk", str(BULK), "--seconds", str(ROUND_SECONDS), "--yes")
    progress.say(f"{there:,} postings")


def _await_seals(service: Service, progress: Progress) -> None:
    """The worker signs what was posted."""
    deadline = time.monotonic() + SEALED_WITHIN_SECONDS
    while (left := int(service.sql(_UNSEALED)[0][0])) > 0:
        if time.monotonic() > deadline:
            raise Failed(f"{left} entries are not in the proof log")
        progress.show(f"{left:,} entries to seal", 0.0)
        time.sleep(1.0)


def _measured(service: Service, way: Way, progress: Progress) -> Figure:
    postings = int(service.sql(_POSTINGS)[0][0])
    meter = Meter({"postgres": service.postgres_pids})
    meter.start()
    before, began = os.times(), time.monotonic()
    _zerosum("verify", "--data-dir", str(service.data_dir), *way.options)
    seconds, after = time.monotonic() - began, os.times()
    python = after.children_user + after.children_system - before.children_user - before.children_system
    figure = Figure(way.name, postings, seconds, python, meter.stop().seconds["postgres"])
    progress.say(figure.shown())
    return figure


def _zerosum(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    command = [sys.executable, "-m", "zerosum", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"zerosum {arguments[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    raise SystemExit(main())
