"""PostgreSQL's own programs around backups, run as ourselves: the account of the server has no say over the copies."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zerosum.embedded.binaries import PostgresBinaries
from zerosum.embedded.errors import EmbeddedError, PostgresNotFound
from zerosum.embedded.ports import LOOPBACK
from zerosum.embedded.server_account import CHILD_ENVIRONMENT

ERROR_LINES_MAX = 3


@dataclass(frozen=True, slots=True)
class Connection:
    """To the private server, as its superuser. The password goes by the environment: command lines are seen by all."""

    port: int
    user: str
    password: str = field(repr=False)

    @property
    def options(self) -> list[str]:
        return ["--host", LOOPBACK, "--port", str(self.port), "--username", self.user, "--no-password"]

    @property
    def environment(self) -> dict[str, str]:
        return {"PGPASSWORD": self.password}


def client_program(binaries: PostgresBinaries, name: str) -> Path:
    """Raises PostgresNotFound: some packages bring the server alone."""
    path = binaries.bin_path / name
    if not path.is_file():
        raise PostgresNotFound(
            f"PostgreSQL {binaries.version} in {binaries.bin_path} has no {name}: install its client."
        )
    return path


def run_client(program: Path, options: Sequence[str], environment: Mapping[str, str], *, doing: str) -> None:
    """To its end, however long that takes. Raises EmbeddedError with what it says."""
    done = subprocess.run(  # noqa: S603 - the programs are found by `binaries`, never named by a request.
        [str(program), *options],
        cwd="/",
        env={**CHILD_ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        told = "; ".join(line.strip() for line in done.stderr.splitlines()[:ERROR_LINES_MAX] if line.strip())
        raise EmbeddedError(f"Cannot {doing}: {told or f'{program.name} ended with {done.returncode}'}")
