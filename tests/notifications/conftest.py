"""A service that sends mails, and mailers for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.api.conftest import Client, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from tests.notifications.mail_server import MailServer, mail_server
from tests.webhooks.conftest import Clock, until
from zerosum.adapters.clock import now
from zerosum.adapters.mail_client import MailClient
from zerosum.adapters.mail_server import MailServer as MailAddress
from zerosum.api.schemas.events import event_body
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.notifications.limits import MailLimits
from zerosum.services.notifications.mailer import Mailer

SENDER = "alerts@example.com"
PER_LEDGER = 50

MakeMailer = Callable[..., Mailer]


@pytest.fixture(scope="session")
async def mailing_service(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    running = Service(service_settings(test_database, servers))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(mailing_service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(mailing_service, ledger_id)
    yield made
    await made.http.aclose()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailer_of(database: Database, ledger_id: LedgerId) -> MakeMailer:
    """A mailer that sees this test's ledger alone."""

    def make(server: MailServer, clock: Any = now, **limits: Any) -> Mailer:
        allowed = MailLimits(
            **{"recipient_domains": frozenset({"example.com"}), "per_ledger_and_hour": PER_LEDGER, **limits}
        )
        client = MailClient(MailAddress.parse(server.url), SENDER)
        return Mailer(database, client, allowed, event_body, clock, only=[ledger_id])

    return make


async def notification_of(client: Client, **members: Any) -> dict[str, Any]:
    body = {
        "name": "Money came",
        "event_types": ["payment.succeeded"],
        "recipients": ["ann@example.com"],
        "subject": "{data.amount} {data.currency}",
        "text": "At {created_at} {resource.id} paid {data.amount} {data.currency}.",
        **members,
    }
    answer = await client.post("/v1/notifications", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def mails_of(client: Client, notification: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/notifications/{notification['id']}/mails", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def turns(mailer: Mailer, server: MailServer, number: int) -> None:
    """Until so many mails have come: what was committed is in the feed once nothing older runs."""

    async def look() -> int:
        await mailer.run_once()
        return len(server.taken)

    await until(look, lambda came: came >= number)
