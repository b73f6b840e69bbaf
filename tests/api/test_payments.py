"""Payments over HTTP, both ways: transfers, deposits and withdrawals; read and list."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


def payment(type_: str, **members: Any) -> dict[str, Any]:
    """A payment of one dollar, with `from_` for from."""
    parties = {"from": members.pop("from_")} if "from_" in members else {}
    return {"type": type_, "amount": "1", "currency": "USD", **parties, **members}


async def test_a_deposit_and_a_transfer_move_money(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100")
    answer = await client.transfer("alice", "bob", "12.5")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["amount"], made["from_code"], made["to_code"]) == ("12.50", "alice", "bob")
    assert (await client.balance("alice"))["available"] == "87.50"
    assert (await client.balance("bob"))["available"] == "12.50"
    assert (await client.balance("clearing:internal:USD"))["posted"] == "100.00"


async def test_a_payment_is_answered_whole(client: Client) -> None:
    alice, bob = await client.open_account("alice"), await client.open_account("bob")
    await client.deposit("alice", "20")
    said = {"reference": "invoice 1", "description": "Lunch", "metadata": {"order": "A-1"}}
    body = payment("transfer", from_="alice", to=bob["id"], **said, effective_at="2026-01-01T00:00:00.5Z")
    answer = await client.pay(body)
    made = answer.json()
    assert re.fullmatch("pay_[0-9a-f-]{36}", made["id"])
    assert made == said | {
        "id": made["id"],
        "type": "transfer",
        "status": "succeeded",
        "amount": "1.00",
        "currency": "USD",
        "from": alice["id"],
        "from_code": "alice",
        "to": bob["id"],
        "to_code": "bob",
        "processor": "internal",
        "refunded": "0.00",
        "disputed": "0.00",
        "journal_entry_ids": made["journal_entry_ids"],
        "account_versions": {alice["id"]: 2, bob["id"]: 1},
        "effective_at": "2026-01-01T00:00:00.500000Z",
        "created_at": made["created_at"],
    }
    assert (await client.get(f"/v1/payments/{made['id']}")).json() == made
    entry = (await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}")).json()
    assert (entry["metadata"], entry["effective_at"]) == (made["metadata"], made["effective_at"])


async def test_what_is_not_said_is_null_or_empty(client: Client) -> None:
    await client.open_account("alice")
    nulls = {"reference": None, "description": None, "effective_at": None, "metadata": None, "from": None}
    made = (await client.pay(payment("deposit", to="alice", **nulls))).json()
    assert (made["reference"], made["description"], made["metadata"]) == (None, None, {})
    assert made["effective_at"] == made["created_at"]


async def test_a_withdrawal_goes_out_through_the_clearing_account(client: Client) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "5")
    made = (await client.pay(payment("withdrawal", from_="alice", amount="5"))).json()
    assert (made["from_code"], made["to_code"]) == ("alice", "clearing:internal:USD")
    clearing = (await client.get("/v1/accounts/clearing:internal:USD")).json()
    assert (clearing["type"], clearing["min_available"], clearing["balance"]["posted"]) == ("asset", None, "0.00")
    assert (await client.balance("alice"))["posted"] == "0.00"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1500"), ("KWD", "1.005"), ("CLF", "0.0001")])
async def test_each_currency_has_its_own_places_and_clearing_account(
    client: Client, currency: str, amount: str
) -> None:
    await client.open_account("a", currency=currency)
    made = await client.deposit("a", amount, currency)
    assert (made["amount"], made["from_code"]) == (amount, f"clearing:internal:{currency}")


async def test_the_largest_amount_is_exact(client: Client) -> None:
    await client.open_account("a")
    amount = "99999999999999999999.99"
    assert (await client.deposit("a", amount))["amount"] == amount
    assert (await client.balance("a"))["posted"] == amount
    over = await client.pay(payment("deposit", to="a", amount="0.01"))
    refused(over, 422, "balance_overflow", "/from", "/to", members=["account", "currency"])
    assert (await client.balance("a"))["posted"] == amount


async def test_a_balance_may_be_emptied_but_not_overdrawn(client: Client) -> None:
    alice = await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "10")
    facts = {
        "account": "alice",
        "account_id": alice["id"],
        "account_code": "alice",
        "currency": "USD",
        "available": "10.00",
        "required": "10.01",
        "min_available": "0.00",
    }
    refused(await client.transfer("alice", "bob", "10.01"), 422, "insufficient_funds", "/from", facts=facts)
    assert (await client.transfer("alice", "bob", "10")).status_code == 201
    refused(await client.transfer("alice", "bob", "0.01"), 422, "insufficient_funds", "/from")


async def test_a_floor_below_zero_is_a_credit_line(client: Client) -> None:
    await client.open_account("alice", min_available="-5")
    await client.open_account("bob")
    assert (await client.transfer("alice", "bob", "5")).status_code == 201
    refused(await client.transfer("alice", "bob", "0.01"), 422, "insufficient_funds", "/from")


async def test_a_ceiling_is_kept(client: Client) -> None:
    bob = await client.open_account("bob", max_available="5")
    facts = {"account": "bob", "account_id": bob["id"], "account_code": "bob"}
    facts |= {"currency": "USD", "available": "0.00", "incoming": "5.01", "max_available": "5.00"}
    over = await client.pay(payment("deposit", to="bob", amount="5.01"))
    refused(over, 422, "limit_exceeded", "/to", facts=facts)
    await client.deposit("bob", "5")


POOR = ("/from", "insufficient_funds")
"""Told beside what else stands in the way."""


@pytest.mark.parametrize(
    ("body", "status", "code", "pointers"),
    [
        (payment("transfer", from_="alice", to="alice"), 422, "same_account", ["/to"]),
        (payment("transfer", to="bob"), 422, "validation_error", ["/from"]),
        (payment("transfer", from_="alice"), 422, "validation_error", ["/to"]),
        (payment("deposit", from_="alice", to="bob"), 422, "validation_error", ["/from"]),
        (payment("deposit"), 422, "validation_error", ["/to"]),
        (payment("withdrawal", from_="alice", to="bob"), 422, "validation_error", ["/to"]),
        (payment("withdrawal"), 422, "validation_error", ["/from"]),
        (payment("deposit", from_="", to="bob"), 422, "validation_error", ["/from"]),
        (payment("refund", from_="alice", to="bob"), 422, "validation_error", ["/type"]),
        (payment("transfer", from_="alice", to="nobody"), 422, "account_not_found", ["/to"]),
        (payment("transfer", from_="nobody", to="bob"), 422, "account_not_found", ["/from"]),
        (payment("transfer", from_="acc_x", to="bob"), 422, "invalid_id", ["/from"]),
        (payment("transfer", from_="alice", to="' or 1=1--"), 422, "invalid_id", ["/to"]),
        (payment("transfer", from_="alice", to="x" * 200), 422, "invalid_id", ["/to"]),
        (payment("transfer", from_="alice", to="euro"), 422, "currency_mismatch", ["/to", POOR]),
        (payment("transfer", from_="alice", to="bob", currency="EUR"), 422, "currency_mismatch", ["/from", "/to"]),
        (payment("transfer", from_="alice", to="bob", currency="XXX"), 422, "invalid_currency", ["/currency"]),
        (payment("transfer", from_="alice", to="frozen"), 409, "account_frozen", ["/to", POOR]),
        (payment("transfer", from_="closed", to="bob"), 409, "account_closed", ["/from", POOR]),
        (payment("transfer", from_="alice", to="bob", is_admin=True), 422, "unknown_field", ["/is_admin"]),
        (payment("transfer", from_="alice", to="bob", ledger="x"), 422, "unknown_field", ["/ledger"]),
        (payment("transfer", from_="alice", to="bob", status="failed"), 422, "unknown_field", ["/status"]),
        (payment("transfer", from_="alice", to="bob", reference="x" * 501), 422, "validation_error", ["/reference"]),
        (payment("transfer", from_="alice", to="bob", description=""), 422, "validation_error", ["/description"]),
        (payment("transfer", from_="alice", to="bob", effective_at="soon"), 422, "validation_error", ["/effective_at"]),
        (payment("transfer", from_="alice", to="bob") | {"from_": "bob"}, 422, "unknown_field", ["/from_"]),
    ],
)
async def test_what_cannot_be_paid_is_refused_where_it_is_wrong(
    client: Client, body: dict[str, Any], status: int, code: str, pointers: list[str]
) -> None:
    for name in ("alice", "bob", "frozen", "closed"):
        await client.open_account(name)
    await client.open_account("euro", currency="EUR")
    await client.post("/v1/accounts/frozen/freeze")
    await client.post("/v1/accounts/closed/close")
    refused(await client.pay(body), status, code, *pointers)
    assert (await client.balance("bob"))["version"] == 0


async def test_two_names_of_one_account_are_one_account(client: Client) -> None:
    alice = await client.open_account("alice")
    refused(await client.transfer("alice", alice["id"], "1"), 422, "same_account", "/to")


@pytest.mark.parametrize("effective_at", ["1970-01-01T00:00:00.000000Z", "1999-12-31T23:59:59.999999Z"])
async def test_a_payment_may_be_effective_at_any_time_that_has_passed(client: Client, effective_at: str) -> None:
    await client.open_account("a")
    made = (await client.pay(payment("deposit", to="a", effective_at=effective_at))).json()
    assert made["effective_at"] == effective_at
    assert (await client.get(f"/v1/payments/{made['id']}")).json() == made
    assert await all_pages(client, "/v1/payments") == [made]


@pytest.mark.parametrize(
    "effective_at",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00Z"],
)
async def test_the_ends_of_time_are_no_moments(client: Client, effective_at: str) -> None:
    """To PostgreSQL's driver they mean infinity: what was effective then could never be read again."""
    await client.open_account("a")
    answer = await client.pay(payment("deposit", to="a", effective_at=effective_at))
    refused(answer, 422, "validation_error", "/effective_at")


async def test_a_custom_currency_is_paid_in_once_it_is_defined(client: Client) -> None:
    body = payment("deposit", to="a", currency="POINTS", amount="0.000001")
    refused(await client.pay(body), 422, "invalid_currency", "/currency")
    await client.post("/v1/currencies", {"code": "POINTS", "exponent": 6})
    await client.open_account("a", currency="POINTS")
    assert (await client.pay(body)).json()["amount"] == "0.000001"


# --- Read and list ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payment_id", "status", "code"),
    [
        ("pay_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 404, "payment_not_found"),
        ("je_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 422, "invalid_id"),
        ("pay_x", 422, "invalid_id"),
        ("bulk", 422, "invalid_id"),
    ],
)
async def test_what_is_not_there_is_not_found(client: Client, payment_id: str, status: int, code: str) -> None:
    refused(await client.get(f"/v1/payments/{payment_id}"), status, code, facts={})


async def test_an_entry_that_is_no_payment_is_not_found_as_one(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    lines = [
        {"account": account, "side": side, "amount": "1", "currency": "USD"}
        for account, side in (("a", "debit"), ("b", "credit"))
    ]
    entry = await client.post("/v1/journal-entries", {"reason": "x", "postings": lines}, key=fresh_key())
    payment_id = entry.json()["id"].replace("je_", "pay_")
    refused(await client.get(f"/v1/payments/{payment_id}"), 404, "payment_not_found")


async def test_payments_are_listed_newest_first_and_narrowed(client: Client) -> None:
    await client.open_account("a")
    await client.open_account("b")
    await client.open_account("e", currency="EUR")
    made = [
        (await client.pay(body)).json()
        for body in (
            payment("deposit", to="a", amount="9", effective_at="2026-03-01T00:00:00Z", metadata={"k": "1"}),
            payment("deposit", to="e", currency="EUR", effective_at="2026-01-01T00:00:00Z", metadata={"k": "2"}),
            payment("transfer", from_="a", to="b", effective_at="2026-02-01T00:00:00Z"),
            payment("withdrawal", from_="b", effective_at="2026-02-01T00:00:00Z", metadata={"k": "1"}),
        )
    ]
    path = "/v1/payments"
    assert await all_pages(client, path, limit=3) == made[::-1]
    assert await all_pages(client, path, limit=1, order="asc") == made
    for parameters, wanted in (
        ({"type": "deposit"}, [1, 0]),
        ({"currency": "EUR"}, [1]),
        ({"status": "succeeded"}, [3, 2, 1, 0]),
        ({"status": "refunded"}, []),
        ({"from": "2026-02-01T00:00:00Z"}, [3, 2, 0]),
        ({"to": "2026-02-01T00:00:00Z"}, [1]),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:00.000001Z"}, [3, 2]),
        ({"metadata[k]": "1"}, [3, 0]),
        ({"metadata[k]": "1", "type": "withdrawal"}, [3]),
        ({"metadata[none]": ""}, []),
    ):
        found = await all_pages(client, path, limit=1, **parameters)
        assert found == [made[place] for place in wanted], parameters
