"""One engine, one image and one running installation for all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine, NoEngine, an_engine
from tests.containers.images import build_ours, make_standins
from tests.containers.stack import Stack, free_port, fresh_copy


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        with an_engine() as found:
            make_standins(found)
            yield found
    except NoEngine as missing:
        pytest.skip(f"containers: {missing}")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a secret beside the sources, as it lies there on a machine that runs the service."""
    folder = tmp_path_factory.mktemp("checkout")
    fresh_copy(folder)
    (folder / "src" / ".env").write_text("SECRET=1\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def built(engine: Engine, checkout: Path) -> Engine:
    build_ours(engine, checkout)
    return engine


@pytest.fixture(scope="session")
def stack(built: Engine, checkout: Path) -> Iterator[Stack]:
    stack = Stack(built, checkout, free_port())
    stack.prepare()
    stack.down("--volumes")  # what a run that was killed has left
    try:
        stack.up()
        stack.read_credentials()
        yield stack
    finally:
        stack.down("--volumes")
