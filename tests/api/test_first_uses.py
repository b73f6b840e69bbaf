"""Whatever names an account that the chart allows opens it in its own transaction, or says truly why it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.api.scheduling import SOON, run_at, scheduled
from tests.api.test_statement_lines import span
from zerosum.adapters.clock import now
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

RULES: list[dict[str, Any]] = [
    {"pattern": "customers:**", "type": "liability"},
    {"pattern": "revenue:*", "type": "revenue", "currency": "USD"},
]
MOVED: dict[str, Any] = {"amount": "100", "currency": "USD", "from": "rich", "to": "customers:shop"}
SPLITS = [{"to": "revenue:fees", "percent": "3"}, {"to": "customers:courier", "amount": "5"}]
REST = [*SPLITS, {"to": "customers:cook", "remainder": True}]
SALE = {"price": "100.00", "fee": "2.9", "buyer": "rich", "seller": "customers:bob", "order": "A-1"}
SOLD: dict[str, Any] = {
    "from": "rich", "to": "customers:eve:eur", "amount": "100", "currency": "USD", "to_currency": "EUR",
    "rate": "0.9", "rate_source": "ECB", "rate_at": "2026-01-02T15:00:00Z",
}  # fmt: skip
LATER = {"type": "transfer", **MOVED, "execute_at": (now() + timedelta(hours=1)).isoformat()}
NO_RULE = "would open one whose code matches customers:**, revenue:*."


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture(autouse=True)
async def ground(client: Client) -> None:
    answer = await client.http.put("/v1/chart", json={"rules": RULES})
    assert answer.status_code == 200, answer.text
    await client.open_account("rich", min_available=None)
    assert (await client.post("/v1/templates", MARKETPLACE, key=fresh_key())).status_code == 201


async def codes(client: Client) -> list[str]:
    answer = await client.get("/v1/accounts", params={"limit": 200})
    found = sorted(account["code"] for account in answer.json()["data"])
    return [code for code in found if code.partition(":")[0] in ("customers", "revenue")]


async def sent(client: Client, path: str, body: dict[str, Any]) -> Any:
    return await client.post(path, body, key=fresh_key())


CALLS = [
    (
        "/v1/payments",
        {"type": "transfer", **MOVED, "splits": SPLITS},
        ["customers:courier", "customers:shop", "revenue:fees"],
    ),
    (
        "/v1/payments",
        {"type": "transfer", **{name: MOVED[name] for name in ("amount", "currency", "from")}, "splits": REST},
        ["customers:cook", "customers:courier", "revenue:fees"],
    ),
    (
        "/v1/payments",
        {"type": "withdrawal", "amount": "100", "currency": "USD", "from": "rich", "splits": SPLITS},
        ["customers:courier", "revenue:fees"],
    ),
    ("/v1/exchanges", SOLD, ["customers:eve:eur"]),
    ("/v1/templates/marketplace-sale/post", {"parameters": SALE}, ["customers:bob", "revenue:fees"]),
    ("/v1/scheduled-payments", LATER, ["customers:shop"]),
    (
        "/v1/scheduled-payments",
        {**LATER, "recurrence": {"rule": "FREQ=MONTHLY;COUNT=3", "time_zone": "Europe/Berlin"}},
        ["customers:shop"],
    ),
]


@pytest.mark.parametrize(("path", "body", "opened"), CALLS)
async def test_it_opens_what_the_chart_allows(
    client: Client, database: Database, ledger_id: LedgerId, path: str, body: dict[str, Any], opened: list[str]
) -> None:
    rehearsed = await client.post(path, body, key=fresh_key(), params={"dry_run": "true"})
    assert rehearsed.status_code == 200, rehearsed.text
    assert await codes(client) == []
    answer = await sent(client, path, body)
    assert answer.status_code == 201, answer.text
    assert await codes(client) == opened
    assert (await sent(client, path, body)).status_code == 201
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_what_is_scheduled_for_it_is_paid_to_it_when_it_is_due(client: Client, service: Service) -> None:
    due = now() + SOON
    made = await scheduled(client, **MOVED, execute_at=due.isoformat())
    assert await codes(client) == ["customers:shop"]
    await run_at(service, due + SOON)
    assert (await client.get(f"/v1/scheduled-payments/{made['id']}")).json()["status"] == "completed"
    assert (await client.balance("customers:shop"))["posted"] == "100.00"
    (line,) = (await client.get("/v1/accounts/customers:shop/statement", params=span())).json()["lines"]
    assert line["scheduled_payment_id"] == made["id"]


async def test_payments_in_one_call_open_those_of_their_splits_together_or_none(client: Client) -> None:
    split = {"type": "transfer", **MOVED, "splits": SPLITS}
    poor = {"type": "transfer", **MOVED, "from": "customers:shop", "to": "rich", "amount": "1000"}
    items = [{**one, "idempotency_key": fresh_key()} for one in (split, poor)]
    answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": "atomic"})
    assert answer.json()["code"] == "insufficient_funds", answer.text
    assert await codes(client) == []
    answer = await client.post("/v1/payments/bulk", {"items": items[:1]}, params={"mode": "atomic"})
    assert answer.status_code == 200, answer.text
    assert await codes(client) == ["customers:courier", "customers:shop", "revenue:fees"]


async def test_a_capture_opens_those_who_get_a_part_of_it(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    hold = (await sent(client, "/v1/holds", MOVED)).json()
    path = f"/v1/holds/{hold['id']}/capture"
    answer = await sent(client, path, {"splits": [{"to": "customers.typo", "amount": "1"}]})
    missing = refused(answer, 422, "account_not_found", "/splits/0/to")
    assert missing["detail"].endswith(NO_RULE)
    answer = await sent(client, path, {"splits": SPLITS, "amount": "500"})
    assert answer.json()["code"] == "amount_exceeds_hold"
    assert await codes(client) == ["customers:shop"]
    answer = await sent(client, path, {"splits": SPLITS})
    assert answer.status_code == 200, answer.text
    assert await codes(client) == ["customers:courier", "customers:shop", "revenue:fees"]
    assert (await client.balance("customers:courier"))["posted"] == "5.00"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


@pytest.mark.parametrize(("path", "body", "pointer"), [
    ("/v1/payments", {"type": "transfer", **MOVED, "splits": [{"to": "typo", "amount": "1"}]}, "/splits/0/to"),
    ("/v1/exchanges", {**SOLD, "to": "typo"}, "/to"),
    ("/v1/templates/marketplace-sale/post", {"parameters": {**SALE, "seller": "typo"}}, "/parameters/seller"),
    ("/v1/scheduled-payments", {**LATER, "to": "typo"}, "/to"),
])  # fmt: skip
async def test_what_no_rule_opens_is_told_with_the_rules(
    client: Client, path: str, body: dict[str, Any], pointer: str
) -> None:
    missing = refused(await sent(client, path, body), 422, "account_not_found", pointer)
    assert missing["detail"].endswith(NO_RULE)
    assert await codes(client) == []


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/payments", {"type": "transfer", **MOVED, "currency": "EUR", "splits": SPLITS}),
    ("/v1/exchanges", {**SOLD, "to": "revenue:x"}),
    ("/v1/scheduled-payments", {**LATER, "currency": "EUR", "to": "revenue:x"}),
])  # fmt: skip
async def test_a_code_of_another_currency_is_explained(client: Client, path: str, body: dict[str, Any]) -> None:
    await client.open_account("customers:rich-eur", currency="EUR", min_available=None)
    if body["currency"] == "EUR":
        body = {**body, "from": "customers:rich-eur"}
    answer = refused(await sent(client, path, body), 422, "currency_mismatch")
    assert ":eur behind it" in answer["detail"]
    assert await codes(client) == ["customers:rich-eur"]


async def test_what_the_dispute_costs_goes_to_an_account_that_there_is(client: Client) -> None:
    paid = (await sent(client, "/v1/payments", {"type": "transfer", **MOVED})).json()
    dispute = (await sent(client, f"/v1/payments/{paid['id']}/dispute", {"reason": "fraudulent"})).json()
    body = {"fee": {"amount": "15", "to": "revenue:fees"}}
    answer = await sent(client, f"/v1/disputes/{dispute['id']}/chargeback", body)
    missing = refused(answer, 422, "account_not_found", "/fee/to")
    assert "A fee opens none" in missing["detail"]
    assert "open it before" in missing["detail"]
