"""`make fuzz`: what a fuzzer makes up for each parser, led by the lines of it that are reached (atheris, libFuzzer).

    python -m tests.fuzzing.guided [--seconds 60] [name ...]

Each target runs in a process of its own. What has reached new lines is kept in `bench-results/fuzz/` and is where the
next run sets out; bytes that bring a target down are kept there too, and are named.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KEPT = Path("bench-results/fuzz")
INPUT_BYTES_MAX = 4096
INPUT_SECONDS_MAX = 20
MEMORY_MEGABYTES_MAX = 2048
START_SECONDS_MAX = 300
"""Until a target is instrumented, on a machine that others use, too."""

AS_ONE_TARGET = "--as"
"""How the process of one target is told its name; the rest are libFuzzer's own arguments."""


def main(arguments: Sequence[str]) -> int:
    known = [target.name for target in _targets()]
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz the parsers that strangers write to.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(known))
    if unknown:
        parser.error(f"no target is called {' or '.join(unknown)}")
    faults = sum(not _fuzz(name, given.seconds) for name in given.names or known)
    print(f"{faults} faults")
    return 1 if faults else 0


def _fuzz(name: str, seconds: int) -> bool:
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    log = KEPT / f"{name}.log"
    command = [
        *(sys.executable, "-m", "tests.fuzzing.guided", AS_ONE_TARGET, name, str(corpus)),
        *(f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={INPUT_SECONDS_MAX}"),
        *(f"-rss_limit_mb={MEMORY_MEGABYTES_MAX}", f"-artifact_prefix={corpus}-", "-print_final_stats=1"),
    ]
    with log.open("wb") as said:
        ended = subprocess.run(
            command, stdout=said, stderr=subprocess.STDOUT, check=False, timeout=seconds + START_SECONDS_MAX
        )
    text = log.read_text(errors="replace")
    tried = re.search(r"number_of_executed_units: (\d+)", text)
    reached = re.findall(r"cov: (\d+)", text)
    is_sound = ended.returncode == 0 and tried is not None
    said_of = f"{int(tried[1]) if tried else 0:>10,} tried, {reached[-1] if reached else 0:>5} places reached"
    print(f"{name:<12} {said_of}  {'sound' if is_sound else f'FAULT: see {log}'}", flush=True)
    return is_sound


def _targets() -> Any:
    """Loaded where they are wanted: what they read must be instrumented before, in the process that fuzzes it."""
    return importlib.import_module("tests.fuzzing.parsers").TARGETS


def _run_target(name: str, arguments: Sequence[str]) -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["zerosum"]):
        targets = _targets()
    [target] = [one for one in targets if one.name == name]
    corpus = Path(arguments[0])
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def read(data: bytes) -> None:
        target.read(data)

    atheris.Setup([sys.argv[0], *arguments], read)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == [AS_ONE_TARGET]:
        _run_target(sys.argv[2], sys.argv[3:])
    else:
        raise SystemExit(main(sys.argv[1:]))
