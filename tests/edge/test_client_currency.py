"""A ledger has one currency of clients, with four places, whoever asks and whatever the setting says since."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, make_client, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


def deposit(client: int, tx: int, amount: str = "5") -> dict[str, Any]:
    return {"type": "deposit", "client": client, "tx": tx, "amount": amount}


@pytest.fixture(scope="module")
async def in_euro(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    """Another process of the same service, after the setting was changed."""
    running = Service(service_settings(test_database, servers, client_currency="EUR"))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def euro_client(in_euro: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(in_euro, ledger_id)
    yield made
    await made.http.aclose()


@pytest.fixture
async def other_process(in_euro: Service, framework_service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    """With the same setting, but nothing of the ledger in memory."""
    made = await make_client(framework_service, ledger_id)
    yield made
    await made.http.aclose()


async def test_a_currency_with_other_places_is_refused_the_same_from_every_process(
    client: Client, other_process: Client
) -> None:
    defined = await client.post("/v1/currencies", {"code": "XTS", "exponent": 2})
    assert defined.status_code == 201
    for caller in (client, other_process, client):
        for body in (deposit(1, 1, "1.2345"), deposit(1, 1, "1.50"), {"type": "dispute", "client": 1, "tx": 1}):
            for query in ("", "?dry_run=true"):
                answer = await caller.post(f"/v1/transactions{query}", body, key=fresh_key())
                refused(answer, 409, "currency_exists", facts={"currency": "XTS", "places": 2})
            items = {"items": [{**body, "idempotency_key": fresh_key()}]}
            refused(await caller.post("/v1/transactions/bulk", items), 409, "currency_exists")
        trial = await caller.get("/v1/trial-balance")
        assert (trial.status_code, trial.json()["accounts"]) == (200, [])
        assert (await caller.get("/v1/clients")).json()["data"] == []


async def test_a_currency_cannot_get_other_places_once_clients_count_in_it(client: Client) -> None:
    assert (await client.post("/v1/transactions", deposit(1, 1), key=fresh_key())).status_code == 201
    answer = await client.post("/v1/currencies", {"code": "XTS", "exponent": 2})
    refused(answer, 409, "currency_exists", facts={"currency": "XTS", "places": 4})


async def test_a_ledger_goes_on_in_the_currency_it_began_with(client: Client, euro_client: Client) -> None:
    assert (await client.post("/v1/transactions", deposit(1, 1), key=fresh_key())).status_code == 201
    rehearsed = await euro_client.post("/v1/transactions?dry_run=true", deposit(2, 2), key=fresh_key())
    assert (rehearsed.status_code, rehearsed.json()["currency"]) == (200, "XTS")
    made = await euro_client.post("/v1/transactions", deposit(2, 2, "5.1234"), key=fresh_key())
    assert (made.status_code, made.json()["currency"], made.json()["amount"]) == (201, "XTS", "5.1234")
    bulk = {"items": [{**deposit(3, 3), "idempotency_key": fresh_key()}]}
    (result,) = (await euro_client.post("/v1/transactions/bulk", bulk)).json()["results"]
    assert (result["status"], result["data"]["currency"]) == (201, "XTS")
    refused(await euro_client.post("/v1/transactions", deposit(4, 4, "-1"), key=fresh_key()), 422, "invalid_amount")
    accounts = (await client.get("/v1/accounts")).json()["data"]
    assert {(one["code"].partition(":")[0], one["currency"]) for one in accounts} == {
        ("clients", "XTS"),
        ("clearing", "XTS"),
    }
    assert (await client.get("/v1/trial-balance")).status_code == 200


async def test_a_ledger_that_began_in_an_iso_currency_keeps_its_places(client: Client, euro_client: Client) -> None:
    assert (await euro_client.post("/v1/transactions", deposit(1, 1, "5.50"), key=fresh_key())).status_code == 201
    finer = await client.post("/v1/transactions", deposit(2, 2, "0.001"), key=fresh_key())
    refused(finer, 422, "amount_too_precise", "/amount")
    made = await client.post("/v1/transactions", deposit(2, 2, "0.01"), key=fresh_key())
    assert (made.status_code, made.json()["currency"]) == (201, "EUR")


async def test_two_processes_that_begin_a_ledger_at_once_begin_it_in_one_currency(
    client: Client, euro_client: Client
) -> None:
    sent = [
        caller.post("/v1/transactions", deposit(10 * index + number, 10 * index + number), key=fresh_key())
        for number in range(5)
        for index, caller in enumerate((client, euro_client))
    ]
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.json()["currency"] for answer in answers}) == 1


async def test_a_client_of_another_ledger_says_nothing_about_this_one(
    client: Client, euro_client: Client, in_euro: Service
) -> None:
    assert (await client.post("/v1/transactions", deposit(1, 1), key=fresh_key())).status_code == 201
    other = await in_euro.services.ledgers.create("another")
    stranger = replace(await make_client(in_euro, LedgerId(other.id)))
    made = await stranger.post("/v1/transactions", deposit(1, 1), key=fresh_key())
    assert (made.status_code, made.json()["currency"]) == (201, "EUR")
    await stranger.http.aclose()
