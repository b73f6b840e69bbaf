"""A folder per test, and a check after each that nothing is left running."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ground import Ground, processes_about, wait_until


@pytest.fixture(scope="session")
def state_root() -> Iterator[Path]:
    """In place of /var/lib/zerosum."""
    folder = Path(tempfile.mkdtemp(prefix="zerosum-state-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ground(state_root: Path) -> Iterator[Ground]:
    # Not pytest's tmp_path: that one is closed to the servers' account, and most data folders are not.
    folder = Path(tempfile.mkdtemp(prefix="zerosum-test-"))
    folder.chmod(0o755)
    ground = Ground(folder, state_root)
    yield ground
    try:
        ground.clear()
        wait_until(lambda: not processes_about(folder), f"nothing left of {processes_about(folder)}", 5)
    finally:
        shutil.rmtree(folder)
