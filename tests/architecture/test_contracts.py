"""The rooms and their arrows, as import-linter finds them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests.architecture.sources import PACKAGE, TOP

CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]


@pytest.fixture(scope="module")
def report() -> str:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=TOP,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_is_kept(report: str, contract: str) -> None:
    kept = re.search(rf"^{re.escape(contract)} (KEPT|BROKEN)", report, re.MULTILINE)
    assert kept is not None, f"import-linter did not get as far as this contract:\n{report}"
    assert kept.group(1) == "KEPT", (
        "An import runs against the arrows. Move what is needed down to the room where it belongs, or hand it in as an "
        f"argument; `make imports` shows the same:\n{report[report.find('Broken contracts') :]}"
    )
