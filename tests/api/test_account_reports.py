"""The chart of accounts added up: by branch at any instant, as balance sheet, income statement and cash movements."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused

ACCOUNTS = {
    "bank:main": "asset",
    "bank:reserve": "asset",
    "customers:eu:ann": "liability",
    "customers:eu:bob": "liability",
    "customers:us:carl": "liability",
    "owners": "equity",
    "sales:fees": "revenue",
    "costs:rent": "expense",
}
IN_OCTOBER, IN_NOVEMBER = "2025-10-10T00:00:00Z", "2025-11-10T00:00:00Z"
NOVEMBER = {"from": "2025-11-01", "to": "2025-12-01"}


async def post(client: Client, debit: str, credit: str, amount: str, effective_at: str) -> None:
    lines = [
        {"account": account, "side": side, "amount": amount, "currency": "USD"}
        for account, side in ((debit, "debit"), (credit, "credit"))
    ]
    body = {"reason": "x", "postings": lines, "effective_at": effective_at}
    answer = await client.post("/v1/journal-entries", body, key=fresh_key())
    assert answer.status_code == 201, answer.text


async def a_business(client: Client) -> None:
    for code, type_ in ACCOUNTS.items():
        await client.open_account(code, type=type_, min_available=None)
    await client.open_account("bank:euro", type="asset", currency="EUR", min_available=None)
    await post(client, "bank:main", "owners", "1000", IN_OCTOBER)
    await post(client, "bank:main", "customers:eu:ann", "100", IN_OCTOBER)
    await post(client, "bank:main", "customers:us:carl", "70", IN_OCTOBER)
    await post(client, "customers:eu:ann", "sales:fees", "10", IN_OCTOBER)
    await post(client, "customers:eu:ann", "customers:eu:bob", "30", IN_NOVEMBER)
    await post(client, "customers:eu:bob", "sales:fees", "5", IN_NOVEMBER)
    await post(client, "costs:rent", "bank:main", "400", IN_NOVEMBER)
    await post(client, "bank:reserve", "bank:main", "200", IN_NOVEMBER)


async def report(client: Client, path: str, **parameters: str) -> Any:
    answer = await client.get(f"/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def balances(client: Client, **parameters: str) -> list[tuple[str, str, int, str]]:
    tree = await report(client, "account-tree", **parameters)
    return [(one["branch"], one["currency"], one["accounts"], one["balance"]) for one in tree["branches"]]


async def test_branches_are_what_their_accounts_come_to_at_any_instant(client: Client) -> None:
    await a_business(client)
    assert await balances(client) == [
        ("bank:", "EUR", 1, "0.00"),
        ("bank:", "USD", 2, "770.00"),
        ("costs:", "USD", 1, "400.00"),
        ("customers:", "USD", 3, "155.00"),
        ("owners", "USD", 1, "1000.00"),
        ("sales:", "USD", 1, "15.00"),
    ]
    assert await balances(client, prefix="customers:") == [
        ("customers:eu:", "USD", 2, "85.00"),
        ("customers:us:", "USD", 1, "70.00"),
    ]
    october = {"prefix": "customers:eu:", "as_of": "2025-10-31"}
    assert await balances(client, **october) == [
        ("customers:eu:ann", "USD", 1, "90.00"),
        ("customers:eu:bob", "USD", 1, "0.00"),
    ]
    assert await balances(client, prefix="customers_eu") == []


async def test_what_is_written_later_does_not_change_what_was_known_then(client: Client) -> None:
    await a_business(client)
    known = (await report(client, "account-tree"))["as_of"]
    before = await balances(client, recorded_as_of=known, as_of="2025-11-30")
    await post(client, "bank:main", "customers:eu:bob", "9", IN_OCTOBER)
    await client.open_account("customers:eu:dan")
    assert await balances(client, recorded_as_of=known, as_of="2025-11-30") == before
    assert ("customers:", "USD", 4, "164.00") in await balances(client, as_of="2025-11-30")


async def test_the_balance_sheet_balances_in_each_currency(client: Client) -> None:
    await a_business(client)
    sheet = await report(client, "balance-sheet")
    assert sheet["currencies"] == [
        {"currency": "EUR", "assets": "0.00", "liabilities": "0.00", "equity": "0.00", "net_income": "0.00"},
        {"currency": "USD", "assets": "770.00", "liabilities": "155.00", "equity": "1000.00", "net_income": "-385.00"},
    ]
    assert {line["type"] for line in sheet["lines"]} == {"asset", "liability", "equity"}
    october = (await report(client, "balance-sheet", as_of="2025-10-31"))["currencies"][1]
    assert (october["assets"], october["net_income"]) == ("1170.00", "10.00")


async def test_income_and_cash_are_those_of_the_span(client: Client) -> None:
    await a_business(client)
    income = await report(client, "income-statement", **NOVEMBER)
    assert income["currencies"] == [
        {"currency": "USD", "revenue": "5.00", "expenses": "400.00", "net_income": "-395.00"}
    ]
    cash = await report(client, "cash-movements", **NOVEMBER)
    assert cash["currencies"][1] == {
        "currency": "USD",
        "opening": "1170.00",
        "inflow": "200.00",
        "outflow": "600.00",
        "closing": "770.00",
    }
    [line] = [one for one in cash["lines"] if one["currency"] == "USD"]
    assert (line["branch"], line["opening"], line["change"], line["closing"]) == (
        "bank:", "1170.00", "-400.00", "770.00",
    )  # fmt: skip


async def test_a_span_that_is_none_is_refused(client: Client) -> None:
    for path in ("income-statement", "cash-movements"):
        answer = await client.get(f"/v1/{path}", params={"from": "2025-12-01", "to": "2025-11-01"})
        refused(answer, 422, "invalid_parameter", "from")
