"""The servers on which the database's own rules are tested."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import Servers
from tests.db.servers import OLDEST_BIN_PATH, Connection, connected, migrated_database, oldest_postgres

NEWEST, OLDEST = "newest", "oldest"


@pytest.fixture(
    scope="session",
    params=[
        NEWEST,
        pytest.param(
            OLDEST,
            marks=[
                pytest.mark.skipif(not OLDEST_BIN_PATH.is_dir(), reason="PostgreSQL 15 is not installed here"),
                pytest.mark.xdist_group("oldest PostgreSQL"),  # one of the test processes starts it, not all
            ],
        ),
    ],
)
def any_server(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """PostgreSQL as it comes with the product, and the oldest one it supports."""
    if request.param == NEWEST:
        newest: Servers = request.getfixturevalue("servers")
        yield newest
        return
    with oldest_postgres() as oldest:
        yield oldest


@dataclass(frozen=True)
class Dsns:
    """One database, by the two roles that matter: the service's, and the superuser's, whom no policy binds."""

    service: str
    superuser: str


@pytest.fixture(scope="session")
async def any_database(any_server: Servers, worker_id: str) -> AsyncIterator[Dsns]:
    """A migrated database on any server."""
    name = f"zerosum_guards_{worker_id}"
    async with migrated_database(any_server, name) as superuser_dsn:
        yield Dsns(any_server.dsn(name), superuser_dsn)


@pytest.fixture
async def admin(any_database: Dsns) -> AsyncIterator[Connection]:
    """The superuser: bound by no policy, but by triggers and constraints."""
    async with connected(any_database.superuser) as connection:
        yield connection


@pytest.fixture
async def service_role(any_database: Dsns) -> AsyncIterator[Connection]:
    """What an attacker has who has taken over the service: its role, and any SQL he likes."""
    async with connected(any_database.service) as connection:
        yield connection


@pytest.fixture(scope="session")
async def _kept_service_role(any_database: Dsns) -> AsyncIterator[Connection]:
    async with connected(any_database.service) as connection:
        yield connection


@pytest.fixture
async def work(_kept_service_role: Connection) -> AsyncIterator[Connection]:
    """A transaction of the service, in which no ledger is set yet. Nothing of it stays: one connection does for all."""
    transaction = _kept_service_role.transaction()
    await transaction.start()
    yield _kept_service_role
    await transaction.rollback()
