"""A running service, and folders in which tools are installed for the run and forgotten after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.campaigns.installation import Installation, installed

SECONDS_MAX = 300


@pytest.fixture(scope="session")
def running() -> Iterator[Installation]:
    with installed("--workers", "1", is_warm=True) as installation:
        yield installation


@pytest.fixture(scope="session")
def openapi(running: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as a generator downloads it."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    answer = httpx.get(f"{running.base_url}/openapi.json", trust_env=False, verify=False)
    assert answer.status_code == 200
    path.write_bytes(answer.content)
    return path


def run(*command: str | Path, folder: Path, environment: dict[str, str] | None = None) -> str:
    """What it says on its standard output. It must end well."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def node_folder(folder: Path, *packages: str) -> Path:
    """With the packages installed. Skips where there is no Node.js or they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    (folder / "package.json").write_text('{"name": "generated", "private": true, "type": "module"}')
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent")
    _installed([npm, "install", *options, *packages], folder)
    return folder


def python_folder(folder: Path, *packages: str) -> Path:
    """The folder of the programs of an environment with the packages. Skips where they cannot be had."""
    run(sys.executable, "-m", "venv", "environment", folder=folder)
    programs = folder / "environment" / "bin"
    _installed([str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages], folder)
    return programs


def _installed(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")


def credentials(running: Installation) -> dict[str, str]:
    """For the client, in its environment."""
    found = running.credentials
    return {
        "BASE_URL": running.base_url,
        "CLIENT_ID": found["client_id"],
        "CLIENT_SECRET": found["client_secret"],
    }
