"""python -m benchmarks.restore_drill (or `make restore-drill`): lose a machine under load, and have its books again.

Books are filled, a copy is made while payments go on, everything is killed, and data folders are made of the backup:
to the newest that is there, and to a time under the load. What was acknowledged is looked for in both, payment by
payment. A table of what was found, and of how long each step took.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from benchmarks.acknowledged import Acknowledged, paying
from benchmarks.cpu import children_by_parent
from benchmarks.progress import Progress
from benchmarks.service import Service, fresh_folder, running_service
from zerosum.adapters.clock import now

SETTINGS = {"rate_limit_per_principal": "off", "rate_limit_per_ledger": "off"}
BULK = 500
SETTLING_SECONDS = 2.0
RIGHT, OLDER = 0, 3

_STEP = re.compile(r"^(.+?)\s+([\d.]+) s$", re.MULTILINE)


class DrillFailed(Exception):
    """What was acknowledged is not there, or what is there is not right."""


class Drill:
    def __init__(self, folder: Path, given: argparse.Namespace, progress: Progress) -> None:
        self._folder = folder
        self._given = given
        self._progress = progress
        self.lines: list[tuple[str, str]] = []

    def happen(self) -> None:
        for name in ("backups", "kept"):
            (self._folder / name).mkdir(mode=0o700)
        settings = {"backup_dir": self._folder / "backups", "checkpoints_dir": self._folder / "kept"}
        with running_service(
            self._folder, **SETTINGS, **{name: str(path) for name, path in settings.items()}
        ) as service:
            paid, between = self._backed_up_under_load(service)
        self._to_the_newest(paid)
        self._to_a_time(between, paid)

    def _backed_up_under_load(self, service: Service) -> tuple[list[Acknowledged], datetime]:
        data = ("--data-dir", str(service.data_dir))
        self._progress.say(f"filling the books with {self._given.payments:,} payments")
        while (filled := _payments(service)) < self._given.payments:
            _zerosum("bench", *data, "--bulk", str(BULK), "--seconds", "5", "--yes")
        self.lines.append(("payments before", f"{filled:,}"))
        _zerosum("backup", "secrets", *data, "--to", str(self._folder / "secrets"))
        with paying(service.credentials, self._given.connections) as paid:
            time.sleep(self._given.seconds)
            self._progress.say("making a copy")
            began, answered = time.monotonic(), len(paid)
            _zerosum("backup", "create", *data, "--to", str(self._folder / "backups"))
            took = time.monotonic() - began
            self.lines.append(("to make and check a copy", f"{took:.1f} s"))
            self.lines.append(("payments acknowledged meanwhile", f"{len(paid) - answered:,}"))
            time.sleep(self._given.seconds)
            between = now()
            time.sleep(self._given.seconds)
            self._progress.say("killing everything")
            _kill(service)
        self.lines.append(("payments acknowledged under load", f"{len(paid):,}"))
        return paid, between

    def _place(self, name: str) -> Path:
        (self._folder / name).mkdir(mode=0o711)
        return self._folder / name / "data"

    def _to_the_newest(self, paid: list[Acknowledged]) -> None:
        """What is missing of the last moments is what a lost machine costs."""
        name = "newest"
        self._restored(name, ["--to", str(self._place(name))])
        with running_service(self._folder / name, **SETTINGS) as service:
            lost = _missing(service, paid)
        self.lines.append((f"{name}: acknowledged and not there", f"{len(lost):,} of {len(paid):,}"))
        if lost:
            seconds = (paid[-1].answered_at - min(one.answered_at for one in lost)).total_seconds()
            self.lines.append((f"{name}: from the first of these to the last acknowledged", f"{seconds:.3f} s"))

    def _to_a_time(self, between: datetime, paid: list[Acknowledged]) -> None:
        name = "a time"
        place = self._place("earlier")
        self._restored(name, ["--to", str(place), "--at", between.isoformat()])
        before = [one for one in paid if one.answered_at <= between]
        later = [one for one in paid if one.asked_at > between]
        with running_service(self._folder / "earlier", **SETTINGS) as service:
            lost, there = _missing(service, before), len(later) - len(_missing(service, later))
        self.lines.append((f"{name}: acknowledged before it and not there", f"{len(lost):,} of {len(before):,}"))
        self.lines.append((f"{name}: asked for after it and there", f"{there:,} of {len(later):,}"))
        if lost or there:
            raise DrillFailed(
                f"{len(lost)} payments from before {between} are missing, {there} from after it are there"
            )

    def _restored(self, name: str, options: list[str]) -> None:
        """Each step's time goes into the table. Raises DrillFailed where the books are wrong."""
        self._progress.say(f"restoring to {name}")
        given = ["--from", str(self._folder / "backups"), "--secrets", str(self._folder / "secrets")]
        done = _run("backup", "restore", *given, *options, "--checkpoints", str(self._folder / "kept"))
        if done.returncode not in (RIGHT, OLDER):
            raise DrillFailed(f"{done.stdout}{done.stderr}")
        told = "right" if done.returncode == RIGHT else "right, and older than the newest checkpoint that was kept"
        self.lines.append((f"{name}: books and stand-alone verifier", told))
        self.lines += [(f"{name}: {step}", f"{seconds} s") for step, seconds in _STEP.findall(done.stdout)]
        self._progress.say(f"  {done.stderr.strip().splitlines()[-1]}")

    def shown(self) -> Iterator[str]:
        yield "| what | measured |"
        yield "| --- | --- |"
        yield from (f"| {name} | {value} |" for name, value in self.lines)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    command = [sys.executable, "-m", "zerosum", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _zerosum(*arguments: str) -> str:
    done = _run(*arguments)
    if done.returncode != 0:
        raise DrillFailed(f"zerosum {' '.join(arguments[:2])}: {done.stdout}{done.stderr}")
    return done.stdout


def _kill(service: Service) -> None:
    """The supervisor first, which would start the others again."""
    supervisor = next(pid for pid, children in children_by_parent().items() if service.api_pids[0] in children)
    for pid in (supervisor, *service.postgres_pids, *service.api_pids, *service.worker_pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _payments(service: Service) -> int:
    return int(service.sql("select count(*) from payments")[0][0])


def _missing(service: Service, paid: list[Acknowledged]) -> list[Acknowledged]:
    rows = service.sql("select id from payments where id = any($1::uuid[])", [one.payment_id for one in paid])
    there: set[UUID] = {row[0] for row in rows}
    return [one for one in paid if one.payment_id not in there]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=100_000, help="in the books before the copy is made (100000)")
    parser.add_argument("--connections", type=int, default=8, help="that pay under way (8)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of load before the copy, and twice after it (15)")
    given = parser.parse_args()
    with Progress() as progress, fresh_folder() as folder:
        drill = Drill(folder, given, progress)
        try:
            drill.happen()
        except DrillFailed as error:
            sys.stderr.write(f"the drill has FAILED: {error}\n")
            return 1
        finally:
            sys.stdout.write("".join(f"{line}\n" for line in drill.shown()))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
