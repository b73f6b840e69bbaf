"""The service and a caller, as in the tests of the API."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.api.conftest import Client, make_client
from tests.api.conftest import client as client
from tests.api.conftest import service as service
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


@pytest.fixture
async def new_ledger(service: Service) -> AsyncIterator[Callable[[], Awaitable[tuple[Client, LedgerId]]]]:
    """Makes ledgers, each with a caller."""
    made: list[Client] = []

    async def make() -> tuple[Client, LedgerId]:
        ledger_id = LedgerId((await service.services.ledgers.create("another")).id)
        made.append(await make_client(service, ledger_id))
        return made[-1], ledger_id

    yield make
    for one in made:
        await one.http.aclose()
