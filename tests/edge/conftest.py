"""The services and clients of the HTTP tests, for attacks on the edge; and clients who administer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import (
    Client,
    client,
    either_client,
    framework_port,
    framework_service,
    make_client,
    service,
    service_port,
    stranger,
)
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.main import Service

__all__ = ["client", "either_client", "framework_port", "framework_service", "service", "service_port", "stranger"]


@pytest.fixture
async def admin(service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(service, ledger_id, TENANT_SCOPES)
    yield made
    await made.http.aclose()


@pytest.fixture
async def operator(service: Service) -> AsyncIterator[Client]:
    made = await make_client(service, SERVICE_LEDGER, [Scope.OPERATOR])
    yield made
    await made.http.aclose()
