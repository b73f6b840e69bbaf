"""A database with something of everything in it, filled over HTTP.

It was filled once by revision 646632a, the last one that knew only the schema 0002, and dumped (`make_filled.py`): what
that revision has left behind is what every customer's database will hold. So this must go on running there.
"""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.conftest import Client

NUMBER_OF_FEES = 40


async def fill_shop(client: Client) -> None:
    """Accounts of every type and status, payments of every type, entries, reversals, refusals, keys."""
    await _made(client.post("/v1/currencies", {"code": "POINTS", "exponent": 3, "name": "Points"}))
    await _open_accounts(client)
    await _pay(client)
    await _post_entries(client)
    await _refuse(client)
    await _end_accounts(client)
    await _make_keys(client)


async def fill_clients(client: Client) -> None:
    """Clients in every state, also one who owes, one who is locked, and rows of an import."""
    rows = [
        ("deposit", 1, 1, "100.0000"),
        ("withdrawal", 1, 2, "12.5000"),
        ("deposit", 1, 3, "7.1234"),
        ("dispute", 1, 3, None),  # open to this day
        ("deposit", 2, 4, "50.0001"),
        ("dispute", 2, 4, None),
        ("resolve", 2, 4, None),
        ("deposit", 3, 5, "20"),
        ("deposit", 3, 6, "5"),
        ("dispute", 3, 6, None),
        ("chargeback", 3, 6, None),  # locked, with 20 left
        ("deposit", 4, 7, "10"),
        ("withdrawal", 4, 8, "8"),
        ("dispute", 4, 7, None),
        ("chargeback", 4, 7, None),  # locked, and owes 8
        ("deposit", 5, 9, "10"),
        ("withdrawal", 5, 10, "9"),
        ("dispute", 5, 9, None),  # nine less than nothing is available
    ]
    for place, row in enumerate(rows):
        await _made(client.post("/v1/transactions", _row(*row), key=f"row-{place}"))
    await _refused(client.post("/v1/transactions", _row("deposit", 3, 11, "1"), key="locked"), "client_locked")
    await _refused(client.post("/v1/transactions", _row("withdrawal", 2, 12, "99"), key="poor"), "insufficient_funds")
    await _refused(client.post("/v1/transactions", _row("deposit", 1, 1, "1"), key="again"), "tx_exists")
    await _import(client)


async def _open_accounts(client: Client) -> None:
    for type_ in ("asset", "equity", "revenue", "expense"):
        await client.open_account(f"{type_}:main", type=type_, min_available=None)
    for name in ("alice", "bob", "carol", "dave", "erin"):
        await client.open_account(f"user:{name}", name=name.title(), metadata={"tier": "gold", "näme": "ä\u2028ö"})
    await client.open_account("user:capped", max_available="100.00")
    await client.open_account("user:indebted", min_available="-50.00")
    for currency in ("EUR", "JPY", "KWD", "POINTS"):
        await client.open_account(f"user:{currency}", currency=currency)
        await client.open_account(f"user:{currency}:other", currency=currency)


async def _pay(client: Client) -> None:
    await _paid(client, "d-1", "deposit", "1000.00", to="user:alice", reference="order 1", description="The first one")
    await _paid(client, "d-2", "deposit", "60.00", to="user:capped")
    await _paid(client, "t-1", "transfer", "250.10", from_="user:alice", to="user:bob", metadata={"basket": "b-1"})
    await _paid(client, "t-2", "transfer", "45.00", from_="user:indebted", to="user:bob")
    await _paid(
        client, "t-3", "transfer", "10", from_="user:bob", to="user:carol", effective_at="2026-01-31T23:59:59.999999Z"
    )
    await _paid(client, "w-1", "withdrawal", "0.01", from_="user:bob", reference="order 1")
    for currency, amount in (("EUR", "12.34"), ("JPY", "5000"), ("KWD", "1.001"), ("POINTS", "7.125")):
        await _paid(client, f"d-{currency}", "deposit", amount, currency, to=f"user:{currency}")
        await _paid(
            client, f"t-{currency}", "transfer", "1", currency, from_=f"user:{currency}", to=f"user:{currency}:other"
        )
    for place in range(NUMBER_OF_FEES):
        await _paid(client, f"fee-{place}", "transfer", f"0.{place + 1:02}", from_="user:alice", to="revenue:main")
    items = [
        {"idempotency_key": f"bulk-{place}", **_payment("transfer", "1.00", from_="user:bob", to="user:dave")}
        for place in range(5)
    ]
    await _made(client.post("/v1/payments/bulk?mode=atomic", {"items": items}), 200)


async def _post_entries(client: Client) -> None:
    lines = [
        _line("asset:main", "debit", "30.00"),
        _line("expense:main", "debit", "0.50"),
        _line("equity:main", "credit", "30.50"),
        _line("user:EUR", "debit", "1.00", "EUR"),
        _line("user:EUR:other", "credit", "1.00", "EUR"),
    ]
    body = {"reason": "Opening, in two currencies", "postings": lines, "metadata": {"page": "1"}}
    first = await _made(client.post("/v1/journal-entries", body, key="e-1"))
    body = {"reason": "Late", "postings": lines[:3], "effective_at": "2026-02-01T00:00:00Z"}
    second = await _made(client.post("/v1/journal-entries", body, key="e-2"))
    path = f"/v1/journal-entries/{second['id']}/reverse"
    await _made(client.post(path, {"reason": "Posted twice"}, key="r-1"))
    await _refused(client.post(path, {"reason": "Once more"}, key="r-2"), "already_reversed")
    wrong = await _made(client.transfer("user:alice", "user:erin", "3.00", "t-to-reverse"))
    path = f"/v1/journal-entries/{wrong['journal_entry_ids'][0]}/reverse"
    await _made(client.post(path, {"reason": "Wrong payee"}, key="r-3"))
    assert first["reverses"] is None


async def _refuse(client: Client) -> None:
    await _refused(client.transfer("user:carol", "user:bob", "9999", "poor"), "insufficient_funds")
    await _refused(client.pay(_payment("deposit", "41.00", to="user:capped"), "full"), "limit_exceeded")


async def _end_accounts(client: Client) -> None:
    await _paid(client, "empty-1", "transfer", "5.00", from_="user:dave", to="user:bob")
    await _made(client.post("/v1/accounts/user:dave/close", {"reason": "Gone"}), 200)
    await _made(client.post("/v1/accounts/user:erin/freeze", {"reason": "Looked into"}), 200)
    await _made(client.post("/v1/accounts/user:carol/freeze"), 200)
    await _made(client.post("/v1/accounts/user:carol/unfreeze"), 200)
    changed = {"name": "Bob the second", "min_available": "1.00", "max_available": "5000.00", "metadata": {"a": "b"}}
    await _made(client.http.patch("/v1/accounts/user:bob", json=changed), 200)
    await _refused(client.transfer("user:bob", "user:erin", "1", "frozen"), "account_frozen")
    await _refused(client.transfer("user:bob", "user:dave", "1", "closed"), "account_closed")


async def _make_keys(client: Client) -> None:
    for name, scopes in (("reader", ["payments:read"]), ("revoked", ["payments:write"])):
        body = {"ledger": client.ledger, "name": name, "scopes": scopes}
        made = await _made(client.post("/v1/api-keys", body))
    await _made(client.http.delete(f"/v1/api-keys/{made['id']}"), 200)
    (first, *_) = (await client.get("/v1/api-keys", params={"ledger": client.ledger, "order": "asc"})).json()["data"]
    form, authentication = {"grant_type": "client_credentials"}, (first["id"], client.api_key)
    # Makes the first signing key, sealed by the first data key.
    answer = await client.http.post("/v1/oauth/token", data=form, auth=authentication)
    assert answer.status_code == 200, answer.text


async def _import(client: Client) -> None:
    await _made(client.post("/v1/imports", {"name": "2026-11.csv", "sha256": "ab" * 32}), 200)
    items = [
        {"idempotency_key": f"import:2026-11.csv:{place + 2}", **_row("deposit", 10 + place % 7, 100 + place, "1.5")}
        for place in range(30)
    ]
    items.append({"idempotency_key": "import:2026-11.csv:32", **_row("withdrawal", 10, 200, "500")})
    answer = await _made(client.post("/v1/transactions/bulk", {"items": items}), 200)
    assert [result["status"] for result in answer["results"]] == [201] * 30 + [422]


def _row(type_: str, client: int, tx: int, amount: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"type": type_, "client": client, "tx": tx}
    return row if amount is None else {**row, "amount": amount}


def _line(account: str, side: str, amount: str, currency: str = "USD") -> dict[str, str]:
    return {"account": account, "side": side, "amount": amount, "currency": currency}


def _payment(
    type_: str, amount: str, currency: str = "USD", from_: str | None = None, **members: Any
) -> dict[str, Any]:
    given = {} if from_ is None else {"from": from_}
    return {"type": type_, "amount": amount, "currency": currency, **given, **members}


async def _paid(client: Client, key: str, type_: str, amount: str, currency: str = "USD", **members: Any) -> None:
    await _made(client.pay(_payment(type_, amount, currency, **members), key))


async def _made(asking: Any, status: int = 201) -> Any:
    answer: httpx.Response = await asking
    assert answer.status_code == status, answer.text
    return answer.json()


async def _refused(asking: Any, code: str) -> None:
    answer: httpx.Response = await asking
    assert answer.json()["code"] == code, answer.text
