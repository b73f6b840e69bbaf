"""Templates over HTTP: made in versions, refused unless they always balance, posted as entries are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

SALE = {"price": "100.00", "fee": "2.9", "buyer": "alice", "seller": "bob", "order": "A-1"}


@pytest.fixture
async def client(either_client: Client) -> Client:
    """Alice has 500.00, and there is an account for fees."""
    for code in ("alice", "bob"):
        await either_client.open_account(code)
    await either_client.open_account("revenue:fees", type="revenue")
    await either_client.deposit("alice", "500")
    return either_client


async def made(client: Client, **members: Any) -> dict[str, Any]:
    answer = await client.post("/v1/templates", {**MARKETPLACE, **members}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path(of: dict[str, Any]) -> str:
    return f"/v1/templates/{of['name']}/post"


async def posted_balances(client: Client) -> list[str]:
    return [(await client.balance(code))["posted"] for code in ("alice", "bob", "revenue:fees")]


async def test_a_marketplace_sale_is_posted_by_its_template(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    template = await made(client)
    assert (template["version"], template["rounding"]) == (1, "half_even")
    assert (await client.get("/v1/templates/marketplace-sale")).json() == template
    entry = (await client.post(path(template), {"parameters": SALE}, key=fresh_key())).json()
    assert entry["reason"] == "Sale A-1"
    assert entry["template"] == {
        "name": "marketplace-sale",
        "version": 1,
        "parameters": {"buyer": "alice", "fee": "2.9", "order": "A-1", "price": "100.00", "seller": "bob"},
    }
    assert [(line["account_code"], line["side"], line["amount"]) for line in entry["postings"]] == [
        ("alice", "debit", "100.00"),
        ("revenue:fees", "credit", "3.20"),
        ("bob", "credit", "96.80"),
    ]
    assert await posted_balances(client) == ["400.00", "96.80", "3.20"]
    assert (await client.get(f"/v1/journal-entries/{entry['id']}")).json() == entry
    listed = (await client.get("/v1/journal-entries", params={"limit": 1})).json()["data"]
    assert listed == [entry]
    assert not (await verify_ledger(database, ledger_id, lambda *_: None)).breaks


async def test_a_new_version_leaves_the_old_ones_as_they_are(client: Client) -> None:
    first, second = await made(client), await made(client, description="Dearer", rounding="up")
    assert (first["version"], second["version"]) == (1, 2)
    read = "/v1/templates/marketplace-sale"
    assert (await client.get(read)).json() == second
    assert (await client.get(read, params={"version": 1})).json() == first
    refused(await client.get(read, params={"version": 3}), 404, "template_not_found")
    other = await made(client, name="another")
    listed = (await client.get("/v1/templates", params={"order": "asc", "limit": 1})).json()
    assert (listed["data"], listed["has_more"]) == ([other], True)
    rest = (await client.get("/v1/templates", params={"cursor": listed["next_cursor"]})).json()
    assert (rest["data"], rest["has_more"]) == ([second], False)
    for version, expected in ((1, 1), (None, 2)):
        asked = {"parameters": SALE} | ({} if version is None else {"version": version})
        entry = (await client.post(path(first), asked, key=fresh_key())).json()
        assert entry["template"]["version"] == expected
    refused(
        await client.post(path(first), {"parameters": SALE, "version": 3}, key=fresh_key()), 404, "template_not_found"
    )


async def test_versions_made_at_once_are_numbered_without_a_gap(client: Client) -> None:
    versions = [one["version"] for one in await asyncio.gather(*(made(client) for _ in range(12)))]
    assert sorted(versions) == list(range(1, 13))


async def test_a_call_sent_again_is_answered_as_before_whatever_became_of_the_template(client: Client) -> None:
    template, key, asked = await made(client), fresh_key(), {"parameters": SALE}
    entry = (await client.post(path(template), asked, key=key)).json()
    await made(client, parameters={**MARKETPLACE["parameters"], "more": {"type": "text"}})
    again = await client.post(path(template), asked, key=key)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, entry, "true")
    other = {"parameters": {**SALE, "price": "100.01"}}
    refused(await client.post(path(template), other, key=key), 422, "idempotency_key_reused")
    same = {"parameters": {**SALE, "price": "100"}}
    assert (await client.post(path(template), same, key=key)).json() == entry, "the same amount, written otherwise"
    assert await posted_balances(client) == ["400.00", "96.80", "3.20"]


async def test_a_rehearsal_writes_nothing(client: Client) -> None:
    template = await made(client)
    answer = await client.post(f"{path(template)}?dry_run=true", {"parameters": SALE}, key=fresh_key())
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert answer.json()["template"]["version"] == 1
    assert await posted_balances(client) == ["500.00", "0.00", "0.00"]


async def test_an_entry_by_a_template_is_reversed_like_any_other(client: Client) -> None:
    entry = (await client.post(path(await made(client)), {"parameters": SALE}, key=fresh_key())).json()
    back = await client.post(f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "x"}, key=fresh_key())
    assert back.status_code == 201, back.text
    assert "template" not in back.json()
    assert await posted_balances(client) == ["500.00", "0.00", "0.00"]


@pytest.mark.parametrize(
    ("given", "status", "code", "pointer", "posting"),
    [
        ({"price": "0.30"}, 422, "invalid_amount", "/parameters", "/postings/2"),  # 0.31 of 0.30 is the fee
        ({"price": "0"}, 422, "invalid_amount", "/parameters/price", None),
        ({"price": "1.001"}, 422, "amount_too_precise", "/parameters/price", None),
        ({"price": "1" * 21}, 422, "amount_too_large", "/parameters/price", None),
        ({"fee": "100.5"}, 422, "validation_error", "/parameters/fee", None),
        ({"fee": "-1"}, 422, "validation_error", "/parameters/fee", None),
        ({"fee": "1e1"}, 422, "validation_error", "/parameters/fee", None),
        ({"other": "1"}, 422, "unknown_field", "/parameters/other", None),
        ({"seller": "nobody"}, 422, "account_not_found", "/parameters/seller", None),
        ({"seller": "a b"}, 422, "invalid_id", "/parameters/seller", None),
        ({"order": "x" * 496}, 422, "validation_error", "/parameters", None),
        ({"price": "500.01"}, 422, "insufficient_funds", "/parameters/buyer", "/postings/0"),
        ({"seller": "euros"}, 422, "currency_mismatch", "/parameters/seller", "/postings/2"),
    ],
)
async def test_what_does_not_come_out_is_refused_and_nothing_written(
    client: Client, given: dict[str, str], status: int, code: str, pointer: str, posting: str | None
) -> None:
    await client.open_account("euros", currency="EUR")
    template = await made(client)
    problem = refused(
        await client.post(path(template), {"parameters": SALE | given}, key=fresh_key()), status, code, pointer=pointer
    )
    assert problem.get("posting") == posting
    assert await posted_balances(client) == ["500.00", "0.00", "0.00"]


async def test_a_parameter_that_is_missing_is_named(client: Client) -> None:
    template = await made(client)
    given = {name: value for name, value in SALE.items() if name != "fee"}
    answer = await client.post(path(template), {"parameters": given}, key=fresh_key())
    refused(answer, 422, "validation_error", pointer="/parameters/fee")


@pytest.mark.parametrize(
    ("amount", "given", "code"),
    [
        ("price / fee", {"fee": "0"}, "division_by_zero"),
        ("price / (fee - fee)", {}, "division_by_zero"),
        ("price * 99999999999999999999", {}, "amount_too_large"),
        ("price * fee% / 1000", {"price": "0.01"}, "invalid_amount"),
        ("price - price * 2", {}, "invalid_amount"),
    ],
)
async def test_amounts_that_cannot_be_are_refused(
    client: Client, amount: str, given: dict[str, str], code: str
) -> None:
    postings = [
        {"side": "debit", "account": "alice", "amount": amount},
        {"side": "credit", "account": "bob", "amount": "remainder"},
    ]
    names = [name for name in ("price", "fee") if name in amount]
    template = await made(
        client, reason=None, postings=postings, parameters={name: MARKETPLACE["parameters"][name] for name in names}
    )
    parameters = {name: (SALE | given)[name] for name in names}
    answer = await client.post(path(template), {"parameters": parameters}, key=fresh_key())
    assert refused(answer, 422, code, pointer="/parameters")["posting"] == "/postings/0"
    assert await posted_balances(client) == ["500.00", "0.00", "0.00"]


async def test_what_may_not_balance_is_not_made(client: Client) -> None:
    postings = [*MARKETPLACE["postings"][:2], {"side": "credit", "account": "{seller}", "amount": "price * 90%"}]
    body = {**MARKETPLACE, "postings": postings}
    assert refused(await client.post("/v1/templates", body, key=fresh_key()), 422, "unbalanced", pointer="/postings")
    postings[2] = {"side": "credit", "account": "{seller}", "amount": "price ** 2"}
    problem = refused(
        await client.post("/v1/templates", body, key=fresh_key()),
        422,
        "template_invalid",
        pointer="/postings/2/amount",
    )
    assert problem["position"] == 7
    assert (await client.get("/v1/templates")).json()["data"] == []


async def test_a_key_that_has_made_a_version_gives_it_again(client: Client) -> None:
    key = fresh_key()
    first = await client.post("/v1/templates", MARKETPLACE, key=key)
    await made(client)
    again = await client.post("/v1/templates", MARKETPLACE, key=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    other = await client.post("/v1/templates", {**MARKETPLACE, "rounding": "up"}, key=key)
    refused(other, 422, "idempotency_key_reused")
    found = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert found["resource"] == {"type": "template", "id": "marketplace-sale@1"}
