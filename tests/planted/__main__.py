"""`make planted`: each bug of `plants.py` in a throw-away copy of the tree, and the tests that must fail by it.

    python -m tests.planted [part of a name or kind ...]

First the named tests must pass in a copy without any bug.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.planted.plant import Plant, PlantLost
from tests.planted.plants import PLANTS

TOP = Path(__file__).parents[2]
COPIED = ("src", "tests", "alembic", "docs", "deploy", "benchmarks", "pyproject.toml", "README.md", ".env.example")
SECONDS_MAX = 180
TESTS_HAVE_FAILED = 1
"""How pytest ends then; with any other code it has not come to judge."""


def main(wanted: Sequence[str]) -> int:
    chosen = [one for one in PLANTS if not wanted or any(text in f"{one.kind} {one.name}" for text in wanted)]
    if not chosen:
        print(f"no plant is called like {' or '.join(wanted)}")
        return 2
    tests = sorted({test for one in chosen for test in one.tests})
    faults = _run_sound(tests)
    if not faults:
        for one in chosen:
            started = time.monotonic()
            fault = _run_planted(one)
            seen = "MISSED" if fault else "caught"
            print(f"{seen}  {time.monotonic() - started:5.1f} s  {one.kind}: {one.name}", flush=True)
            faults += [f"{one.name}: {fault}"] if fault else []
    print(*faults, f"{len(chosen)} planted, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


def _run_sound(tests: Sequence[str]) -> list[str]:
    """What is wrong with the tests themselves."""
    with _copied() as top:
        code, said = _pytest(top, tests)
    return [] if code == 0 else [f"without any plant these tests must pass, and end with {code}:\n{said}"]


def _run_planted(one: Plant) -> str | None:
    """Why the plant does not count as caught."""
    with _copied() as top:
        try:
            for edit in one.edits:
                edit.apply(top)
        except PlantLost as lost:
            return str(lost)
        code, said = _pytest(top, one.tests)
    if code != TESTS_HAVE_FAILED:
        return f"pytest ended with {code} instead of {TESTS_HAVE_FAILED}:\n{said}"
    unseen = [test for test in one.tests if not re.search(rf"^FAILED {re.escape(test)}", said, re.MULTILINE)]
    return f"not seen by {', '.join(unseen)}:\n{said}" if unseen else None


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


def _pytest(top: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Its exit code and the end of what it said. The copy's package stands before the one that is installed."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(top / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    limit = SECONDS_MAX * (1 if len(tests) < 5 else 2)
    try:
        done = subprocess.run(
            command, cwd=top, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"not ended after {limit} seconds"
    return done.returncode, "\n".join((done.stdout + done.stderr).splitlines()[-30:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
