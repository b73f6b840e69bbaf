"""What a command loads before it has done anything: each package that is not needed yet costs every start of it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("zerosum.cli.entry", {"pydantic", "rich", "asyncio"}),
        ("zerosum.cli.generate", {"pydantic", "sqlalchemy"}),
        ("zerosum.cli.process", {"pydantic", "sqlalchemy", "numba"}),
        ("zerosum.cli.import_files", {"sqlalchemy", "fastapi"}),
        ("zerosum.cli.ingest", {"sqlalchemy", "fastapi", "aiokafka", "aio_pika", "nats"}),
        ("zerosum.cli.serve", {"sqlalchemy", "fastapi"}),
        ("zerosum.cli.up", {"sqlalchemy", "fastapi"}),
        ("zerosum.main", {"dateutil"}),
    ],
)
def test_what_is_refused_at_once_has_loaded_little(module: str, unneeded: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not unneeded & loaded
