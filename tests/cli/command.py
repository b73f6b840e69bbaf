"""Running the command as a user does, and reading what it says."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cli.warm_start import WarmProcess, is_for_us_alone, start_warm

SECONDS_MAX = 60.0
READ_BYTES_MAX = 65_536


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def zerosum(*arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Said:
    """The command to its end, with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    given = environment or {}
    if is_for_us_alone(given):
        return _said_warm(arguments, {**clean, **given}, cwd)
    done = subprocess.run(
        [sys.executable, "-m", "zerosum", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=cwd,
        env={**clean, **given},
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


def _said_warm(arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path | None) -> Said:
    (out, its_out), (err, its_err) = os.pipe(), os.pipe()
    with Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), its_out, its_err)
        try:
            process = start_warm(arguments, streams=streams, environment=environment, folder=folder)
        finally:
            os.close(its_out)
            os.close(its_err)
    texts = _read_to_the_end(process, out, err)
    return Said(process.wait(timeout=SECONDS_MAX), texts[out], texts[err])


def _read_to_the_end(process: WarmProcess, *descriptors: int) -> dict[int, str]:
    """What came until nobody can write there any more."""
    deadline = time.monotonic() + SECONDS_MAX
    found = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                process.kill()
                raise subprocess.TimeoutExpired("zerosum", SECONDS_MAX)
            for key, _ in ready:
                part = os.read(key.fd, READ_BYTES_MAX)
                found[key.fd] += part
                if not part:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return {descriptor: text.decode() for descriptor, text in found.items()}
