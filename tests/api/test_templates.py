"""Templates over HTTP: made in versions, refused unless they always balance, posted as entries are."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import MagicMock

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.ledger.templates.content import read_content
from zerosum.services.proofs.whole_ledger import verify_ledger

SALE = {"price": "100.00", "fee": "2.9", "buyer": "alice", "seller": "bob", "order": "A-1"}


@pytest.fixture
async def market(client: Client) -> Client:
    """Alice has 500.00, and there is an account for fees."""
    for code in ("alice", "bob"):
        await client.open_account(code)
    await client.open_account("revenue:fees", type="revenue")
    await client.deposit("alice", "500")
    return client


async def made(market: Client, **members: Any) -> dict[str, Any]:
    answer = await market.post("/v1/templates", {**MARKETPLACE, **members}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path(of: dict[str, Any]) -> str:
    return f"/v1/templates/{of['name']}/post"


async def posted_balances(market: Client) -> list[str]:
    return [(await market.balance(code))["posted"] for code in ("alice", "bob", "revenue:fees")]


async def test_a_marketplace_sale_is_posted_by_its_template(
    market: Client, database: Database, ledger_id: LedgerId
) -> None:
    template = await made(market)
    assert (template["version"], template["rounding"]) == (1, "half_even")
    assert (await market.get("/v1/templates/marketplace-sale")).json() == template
    entry = (await market.post(path(template), {"parameters": SALE}, key=fresh_key())).json()
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
    assert await posted_balances(market) == ["400.00", "96.80", "3.20"]
    assert (await market.get(f"/v1/journal-entries/{entry['id']}")).json() == entry
    listed = (await market.get("/v1/journal-entries", params={"limit": 1})).json()["data"]
    assert listed == [entry]
    assert not (await verify_ledger(database, ledger_id, lambda *_: None)).breaks


async def test_a_new_version_leaves_the_old_ones_as_they_are(market: Client) -> None:
    first, second = await made(market), await made(market, description="Dearer", rounding="up")
    assert (first["version"], second["version"]) == (1, 2)
    read = "/v1/templates/marketplace-sale"
    assert (await market.get(read)).json() == second
    assert (await market.get(read, params={"version": 1})).json() == first
    refused(await market.get(read, params={"version": 3}), 404, "template_not_found")
    for odd in ("01", "1.0", "+1"):
        refused(await market.get(read, params={"version": odd}), 422, "invalid_parameter", "version")
    other = await made(market, name="another")
    listed = (await market.get("/v1/templates", params={"order": "asc", "limit": 1})).json()
    assert (listed["data"], listed["has_more"]) == ([other], True)
    rest = (await market.get("/v1/templates", params={"cursor": listed["next_cursor"]})).json()
    assert (rest["data"], rest["has_more"]) == ([second], False)
    for version, expected in ((1, 1), (None, 2)):
        asked = {"parameters": SALE} | ({} if version is None else {"version": version})
        entry = (await market.post(path(first), asked, key=fresh_key())).json()
        assert entry["template"]["version"] == expected
    refused(
        await market.post(path(first), {"parameters": SALE, "version": 3}, key=fresh_key()), 404, "template_not_found"
    )


async def test_versions_made_at_once_by_two_processes_are_numbered_without_a_gap(
    neighbours: tuple[Client, Client], database: Database
) -> None:
    clients = neighbours * 6
    versions = [one["version"] for one in await asyncio.gather(*(made(client) for client in clients))]
    assert sorted(versions) == list(range(1, 13))
    ledger_id = LedgerId(parse_id(Prefix.LEDGER, neighbours[0].ledger))
    assert not (await verify_ledger(database, ledger_id, lambda *_: None)).breaks


async def test_a_call_sent_again_is_answered_as_before_whatever_became_of_the_template(market: Client) -> None:
    template, key, asked = await made(market), fresh_key(), {"parameters": SALE}
    entry = (await market.post(path(template), asked, key=key)).json()
    await made(market, parameters={**MARKETPLACE["parameters"], "more": {"type": "text"}})
    again = await market.post(path(template), asked, key=key)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, entry, "true")
    other = {"parameters": {**SALE, "price": "100.01"}}
    refused(await market.post(path(template), other, key=key), 422, "idempotency_key_reused")
    same = {"parameters": {**SALE, "price": "100"}}
    assert (await market.post(path(template), same, key=key)).json() == entry, "the same amount, written otherwise"
    assert await posted_balances(market) == ["400.00", "96.80", "3.20"]


async def test_what_a_version_says_is_read_once(market: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred long amounts take PostgreSQL nothing and this process a tenth of a second."""
    template = await made(market)
    read = MagicMock(wraps=read_content)
    monkeypatch.setattr("zerosum.services.templates.read_content", read)
    for _ in range(3):
        answer = await market.post(path(template), {"parameters": SALE}, key=fresh_key())
        assert answer.status_code == 201
    assert read.call_count <= 1


async def test_a_rehearsal_writes_nothing(market: Client) -> None:
    template = await made(market)
    answer = await market.post(f"{path(template)}?dry_run=true", {"parameters": SALE}, key=fresh_key())
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert answer.json()["template"]["version"] == 1
    assert await posted_balances(market) == ["500.00", "0.00", "0.00"]


async def test_an_entry_by_a_template_is_reversed_like_any_other(market: Client) -> None:
    entry = (await market.post(path(await made(market)), {"parameters": SALE}, key=fresh_key())).json()
    back = await market.post(f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "x"}, key=fresh_key())
    assert back.status_code == 201, back.text
    assert "template" not in back.json()
    assert await posted_balances(market) == ["500.00", "0.00", "0.00"]


REFUSED: tuple[tuple[dict[str, str], str, str, str | None], ...] = (
    ({"price": "0.30"}, "invalid_amount", "/parameters", "/postings/2"),  # 0.31 of 0.30 is the fee
    ({"price": "0"}, "invalid_amount", "/parameters/price", None),
    ({"price": "1.001"}, "amount_too_precise", "/parameters/price", None),
    ({"price": "1" * 21}, "amount_too_large", "/parameters/price", None),
    ({"fee": "100.5"}, "validation_error", "/parameters/fee", None),
    ({"fee": "-1"}, "validation_error", "/parameters/fee", None),
    ({"fee": "05"}, "validation_error", "/parameters/fee", None),
    ({"fee": "1e1"}, "validation_error", "/parameters/fee", None),
    ({"other": "1"}, "unknown_field", "/parameters/other", None),
    ({"seller": "nobody"}, "account_not_found", "/parameters/seller", None),
    ({"seller": "a b"}, "invalid_id", "/parameters/seller", None),
    ({"order": "x" * 496}, "validation_error", "/parameters", None),
    ({"price": "500.01"}, "insufficient_funds", "/parameters/buyer", "/postings/0"),
    ({"seller": "euros"}, "currency_mismatch", "/parameters/seller", "/postings/2"),
)
"""What is given instead, the code, the pointer, and the posting of the template that is at fault."""


async def test_what_does_not_come_out_is_refused_and_nothing_written(market: Client) -> None:
    await market.open_account("euros", currency="EUR")
    template = await made(market)
    for given, code, pointer, posting in REFUSED:
        answer = await market.post(path(template), {"parameters": SALE | given}, key=fresh_key())
        assert refused(answer, 422, code, pointer).get("posting") == posting, given
    assert await posted_balances(market) == ["500.00", "0.00", "0.00"]


async def test_a_parameter_that_is_missing_is_named(market: Client) -> None:
    template = await made(market)
    given = {name: value for name, value in SALE.items() if name != "fee"}
    answer = await market.post(path(template), {"parameters": given}, key=fresh_key())
    refused(answer, 422, "validation_error", "/parameters/fee")


async def test_where_the_template_names_the_account_the_amount_is_pointed_at(market: Client) -> None:
    """A state of the account is nothing that the caller could say otherwise: the posting is named beside."""
    postings = [{"side": "debit", "account": "alice", "amount": "tip + price"}]
    postings.append({"side": "credit", "account": "bob", "amount": "remainder"})
    amount = {"type": "amount", "currency": "USD"}
    template = await made(
        market, name="plain", postings=postings, parameters={"price": amount, "tip": amount}, reason="x"
    )
    call = path(template), {"parameters": {"price": "500", "tip": "0.01"}}
    problem = refused(await market.post(*call, key=fresh_key()), 422, "insufficient_funds", "/parameters/price")
    assert problem["posting"] == "/postings/0"
    await market.post("/v1/accounts/bob/freeze", {"reason": "Asked for"}, key=fresh_key())
    faults = (("", "account_frozen"), ("/parameters/price", "insufficient_funds"))
    problem = refused(await market.post(*call, key=fresh_key()), 409, "account_frozen", *faults)
    assert (problem["posting"], problem["account"]) == ("/postings/1", "bob")


IMPOSSIBLE: tuple[tuple[str, dict[str, str], str], ...] = (
    ("price / fee", {"fee": "0"}, "division_by_zero"),
    ("price / (fee - fee)", {}, "division_by_zero"),
    ("price * 99999999999999999999", {}, "amount_too_large"),
    ("price * fee% / 1000", {"price": "0.01"}, "invalid_amount"),
    ("price - price * 2", {}, "invalid_amount"),
)


async def test_amounts_that_cannot_be_are_refused(market: Client) -> None:
    for amount, given, code in IMPOSSIBLE:
        postings = [
            {"side": "debit", "account": "alice", "amount": amount},
            {"side": "credit", "account": "bob", "amount": "remainder"},
        ]
        names = [name for name in ("price", "fee") if name in amount]
        parameters = {name: MARKETPLACE["parameters"][name] for name in names}
        template = await made(market, reason=None, postings=postings, parameters=parameters)
        asked = {"parameters": {name: (SALE | given)[name] for name in names}}
        answer = await market.post(path(template), asked, key=fresh_key())
        assert refused(answer, 422, code, "/parameters")["posting"] == "/postings/0", amount
    assert await posted_balances(market) == ["500.00", "0.00", "0.00"]


async def test_what_may_not_balance_is_not_made(market: Client) -> None:
    postings = [*MARKETPLACE["postings"][:2], {"side": "credit", "account": "{seller}", "amount": "price * 90%"}]
    body = {**MARKETPLACE, "postings": postings}
    assert refused(await market.post("/v1/templates", body, key=fresh_key()), 422, "unbalanced", "/postings")
    postings[2] = {"side": "credit", "account": "{seller}", "amount": "price ** 2"}
    problem = refused(
        await market.post("/v1/templates", body, key=fresh_key()),
        422,
        "template_invalid",
        "/postings/2/amount",
    )
    assert problem["position"] == 7
    assert (await market.get("/v1/templates")).json()["data"] == []


async def test_a_refused_call_sent_again_is_refused_as_before_whatever_became_of_the_template(market: Client) -> None:
    template = await made(market)
    asked, key = {"parameters": {**SALE, "price": "900"}}, fresh_key()
    first = await market.post(path(template), asked, key=key)
    refused(first, 422, "insufficient_funds", "/parameters/buyer")
    parameters = {**MARKETPLACE["parameters"], "note": {"type": "text"}}
    await made(market, parameters=parameters, reason="Sale {order} {note}")
    again = await market.post(path(template), asked, key=key)
    assert (again.status_code, again.json()["code"]) == (422, "insufficient_funds")
    assert again.headers["idempotency-replayed"] == "true"
    other = {"parameters": {**SALE, "price": "901"}}
    refused(await market.post(path(template), other, key=key), 422, "idempotency_key_reused")


async def test_a_key_that_has_made_a_version_gives_it_again(market: Client) -> None:
    key = fresh_key()
    first = await market.post("/v1/templates", MARKETPLACE, key=key)
    await made(market)
    again = await market.post("/v1/templates", MARKETPLACE, key=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    other = await market.post("/v1/templates", {**MARKETPLACE, "rounding": "up"}, key=key)
    refused(other, 422, "idempotency_key_reused")
    found = (await market.get(f"/v1/idempotency-keys/{key}")).json()
    assert found["resource"] == {"type": "template", "id": "marketplace-sale@1"}
