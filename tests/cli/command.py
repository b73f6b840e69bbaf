"""Running the command as a user does, and reading what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def zerosum(*arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Said:
    """The command to its end, with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    done = subprocess.run(
        [sys.executable, "-m", "zerosum", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=cwd,
        env={**clean, **(environment or {})},
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def assert_one_clear_line(said: Said, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr that holds the words."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    lines = [line for line in said.err.splitlines() if not line.startswith("Starting ")]
    assert len(lines) == 1, said.err
    for word in words:
        assert word in lines[0]
