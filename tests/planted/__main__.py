"""`make planted`: each bug of `plants.py` in a throw-away copy of the tree, and the tests that must fail by it.

    python -m tests.planted [part of a name or kind ...]

First the named tests must pass in the copy without any bug; plants of those that do not are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import RunningServers
from tests.planted.plant import Plant, PlantLost
from tests.planted.plants import PLANTS

TOP = Path(__file__).parents[2]
COPIED = ("src", "tests", "alembic", "docs", "deploy", "benchmarks", "pyproject.toml", "README.md", ".env.example")
SECONDS_MAX = 600
"""Of a machine that others use, too."""
SOUND_AT_ONCE = 8
TESTS_HAVE_FAILED = 1
"""How pytest ends then; with any other code it has not come to judge."""


def main(wanted: Sequence[str]) -> int:
    chosen = [one for one in PLANTS if not wanted or any(text in f"{one.kind} {one.name}" for text in wanted)]
    if not chosen:
        print(f"no plant is called like {' or '.join(wanted)}")
        return 2
    with _copied() as top, _servers() as servers:
        unsound, faults = _without_plants(top, servers, sorted({test for one in chosen for test in one.tests}))
        for one in chosen:
            if unsound.intersection(one.tests):
                print(f"left out        {one.kind}: {one.name}", flush=True)
                continue
            started = time.monotonic()
            fault = _run_planted(top, {} if _is_of_schema(one) else servers, one)
            seen = "MISSED" if fault else "caught"
            print(f"{seen}  {time.monotonic() - started:5.1f} s  {one.kind}: {one.name}", fault or "", flush=True)
            faults += [f"{one.name}: {fault}"] if fault else []
    print(*faults, f"{len(chosen)} planted, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


def _without_plants(top: Path, servers: Mapping[str, str], tests: Sequence[str]) -> tuple[set[str], list[str]]:
    """Tests that fail by themselves, so that they judge nothing, and what they say."""
    unsound: set[str] = set()
    faults = []
    for first in range(0, len(tests), SOUND_AT_ONCE):
        some = tests[first : first + SOUND_AT_ONCE]
        code, said = _pytest(top, servers, some)
        print(
            f"without plants  {first + len(some)} of {len(tests)} tests: {'pass' if code == 0 else 'FAIL'}", flush=True
        )
        if code != 0:
            failed = [test for test in some if re.search(rf"^(FAILED|ERROR) {re.escape(test)}", said, re.MULTILINE)]
            unsound.update(failed or some)
            print(said, flush=True)
            faults.append(f"without any plant these tests must pass, and end with {code}:\n{said}")
    return unsound, faults


def _run_planted(top: Path, servers: Mapping[str, str], one: Plant) -> str | None:
    """Why the plant does not count as caught."""
    before = {edit.file: (top / edit.file).read_text(encoding="utf-8") for edit in one.edits}
    try:
        for edit in one.edits:
            edit.apply(top)
        _forget(top, before)
        code, said = _pytest(top, servers, one.tests)
    except PlantLost as lost:
        return str(lost)
    finally:
        for file, text in before.items():
            (top / file).write_text(text, encoding="utf-8")
        _forget(top, before)
    if code != TESTS_HAVE_FAILED:
        return f"pytest ended with {code} instead of {TESTS_HAVE_FAILED}:\n{said}"
    unseen = [test for test in one.tests if not re.search(rf"^FAILED {re.escape(test)}", said, re.MULTILINE)]
    return f"not seen by {', '.join(unseen)}:\n{said}" if unseen else None


def _is_of_schema(one: Plant) -> bool:
    """Then the tests need servers of their own, migrated with the bug."""
    return any(edit.file.startswith(("alembic/", "src/zerosum/db/schema/")) for edit in one.edits)


@contextmanager
def _servers() -> Iterator[Mapping[str, str]]:
    """PostgreSQL and Valkey for all others: to make and migrate them takes longer than most of these tests."""
    running = RunningServers()
    try:
        yield running.environment
    finally:
        running.stop()


def _forget(top: Path, files: Iterable[str]) -> None:
    """What was compiled of them: it goes by a time and a size, which may be those of before."""
    for file in files:
        path = top / file
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()


@contextmanager
def _copied() -> Iterator[Path]:
    """The tree as it lies here, with what is not committed yet."""
    folder = Path(tempfile.mkdtemp(prefix="zerosum-planted-"))
    try:
        for name in COPIED:
            origin = TOP / name
            if origin.is_dir():
                shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
            elif origin.exists():
                shutil.copy2(origin, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder)


def _pytest(top: Path, servers: Mapping[str, str], tests: Sequence[str]) -> tuple[int, str]:
    """Its exit code and the end of what it said. The copy's package stands before the one that is installed."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, **servers, "PYTHONPATH": str(top / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        done = subprocess.run(
            command, cwd=top, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"not ended after {SECONDS_MAX} seconds"
    return done.returncode, "\n".join((done.stdout + done.stderr).splitlines()[-30:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
