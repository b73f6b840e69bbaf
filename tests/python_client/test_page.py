"""docs/CLIENT.md, run as it stands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import TOP
from tests.python_client.conftest import Place
from zerosum.client import AsyncClient

PAGE = (TOP / "docs" / "CLIENT.md").read_text(encoding="utf-8")
SECONDS_MAX = 60


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(place: Place, tmp_path: Path) -> Path:
    """As `zerosum up` leaves it."""
    kept = tmp_path / ".zerosum"
    kept.mkdir(mode=0o700)
    credentials = {"base_url": place.url, "ledger": "led_x", "client_id": place.key_id, "client_secret": place.api_key}
    (kept / "credentials.json").write_text(json.dumps({**credentials, "api_key": place.api_key}))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


async def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ZEROSUM_", "VIRTUAL_ENV"))}
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=clean, capture_output=True, text=True, timeout=SECONDS_MAX
    )


async def test_the_program_of_the_page_prints_what_stands_there(folder: Path) -> None:
    (folder / "program.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    done = await run(folder, sys.executable, "program.py")
    assert (done.stdout, done.stderr) == ("".join(blocks("text")), "")


async def test_the_commands_of_the_page_work_as_they_are_pasted(folder: Path, client: AsyncClient) -> None:
    await client.accounts.open("shop:books", currency="USD", type="liability", min_available=None)
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    assert len(commands) > 8
    done = await run(folder, "sh", "-c", "set -e\n" + "\n".join(commands))
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("zerosum: under --key ")] == []
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    [finn] = [one for one in shown if one.get("code") == "customers:finn" and one["version"] > 0]
    assert finn["balance"]["available"] == "8.50"
