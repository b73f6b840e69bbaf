"""What an API process has in memory after a million payments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.installation import Installation, installed

PAYMENTS = 1_000_000
ROUND_SECONDS = 60
ROUNDS_MAX = 30
RESIDENT_MEGABYTES_MAX = 250


def resident_megabytes(pid: int) -> float:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def load(installation: Installation, *options: str) -> int:
    """A round of `zerosum bench`; how many payments it made, by what the books say."""
    command = [sys.executable, "-m", "zerosum", "bench", "--data-dir", str(installation.folder), "--json"]
    command += ["--seconds", str(ROUND_SECONDS), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    made: int = json.loads(done.stdout)["in_the_books"]
    return made


@pytest.mark.campaign
def test_an_api_process_stays_small_over_a_million_payments() -> None:
    with installed("--workers", "2") as installation:
        made = load(installation)
        for _ in range(ROUNDS_MAX):
            if made >= PAYMENTS:
                break
            made += load(installation, "--bulk", "1000")
        assert made >= PAYMENTS
        sizes = [resident_megabytes(pid) for pid in installation.api_pids()]
    print(f"\n{made} payments, resident: {', '.join(f'{size:.0f} MB' for size in sizes)}")
    assert len(sizes) == 2
    assert max(sizes) < RESIDENT_MEGABYTES_MAX
