"""What all lists have in common: pages by key, sizes, and cursors nobody can forge."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import all_pages, refused
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

LISTS = [
    "/v1/accounts",
    "/v1/accounts/a/postings",
    "/v1/journal-entries",
    "/v1/payments",
    "/v1/ledgers",
    "/v1/api-keys",
    "/v1/currencies",
    "/v1/trial-balance",
]
ORDERED = [path for path in LISTS if path not in ("/v1/currencies", "/v1/trial-balance")]


async def fill(client: Client) -> None:
    """At least three of everything that is listed."""
    for code in ("a", "b"):
        await client.open_account(code)
    for _ in range(3):
        await client.deposit("a", "1")


async def first_cursor(client: Client, path: str, **parameters: Any) -> str:
    page = await client.get(path, params={"limit": 1, **parameters})
    assert page.status_code == 200, page.text
    cursor = page.json()["next_cursor"]
    assert isinstance(cursor, str)
    return cursor


async def with_cursor(client: Client, path: str, cursor: str, **parameters: Any) -> Any:
    return await client.get(path, params={"cursor": cursor, **parameters})


@pytest.fixture
async def three_ledgers(service: Service, client: Client) -> Client:
    """Also enough to list for an administrator."""
    for _ in range(2):
        await client.post("/v1/ledgers", {"name": "x"})
        await client.post("/v1/api-keys", {"ledger": client.ledger, "name": "x", "scopes": ["admin"]})
    await fill(client)
    return client


# --- Sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "1000000", "abc", "1e3", "1.0", "", " 1", "+1", "1_0", "٣", "9" * 5000]
)
async def test_a_page_has_1_to_200_items(client: Client, limit: str) -> None:
    await client.open_account("a")
    for path in LISTS:
        refused(await client.get(path, params={"limit": limit}), 422, "invalid_parameter", "limit")


@pytest.mark.parametrize("path", LISTS)
async def test_the_smallest_and_the_largest_page_are_fine(three_ledgers: Client, path: str) -> None:
    assert (await three_ledgers.get(path, params={"limit": 200})).status_code == 200
    one = (await three_ledgers.get(path, params={"limit": 1})).json()
    items = one.get("data", one.get("accounts"))
    assert (len(items), one["has_more"]) == (1, True)


async def test_a_page_has_50_items_unless_told_otherwise(client: Client) -> None:
    await client.open_account("a")
    deposit = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
    items = [{**deposit, "idempotency_key": fresh_key()} for _ in range(51)]
    await client.post("/v1/payments/bulk", {"items": items})
    page = (await client.get("/v1/payments")).json()
    assert (len(page["data"]), page["has_more"]) == (50, True)
    rest = (await with_cursor(client, "/v1/payments", page["next_cursor"])).json()
    assert (len(rest["data"]), rest["has_more"], rest["next_cursor"]) == (1, False, None)


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/journal-entries", "/v1/payments"])
async def test_a_list_of_nothing_is_empty(client: Client, path: str) -> None:
    assert (await client.get(path)).json() == {"data": [], "has_more": False, "next_cursor": None}


# --- Cursors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_goes_on_where_the_page_ended_whatever_came_since(three_ledgers: Client, path: str) -> None:
    client = three_ledgers
    before = (await client.get(path, params={"limit": 200})).json()
    items = before.get("data", before.get("accounts"))
    cursor = await first_cursor(client, path)
    await client.deposit("a", "1")
    await client.open_account("zzz")
    rest = (await with_cursor(client, path, cursor, limit=2)).json()
    names = [item.get("id", item.get("account_version", item.get("code"))) for item in items[1:3]]
    found = rest.get("data", rest.get("accounts"))
    assert [item.get("id", item.get("account_version", item.get("code"))) for item in found] == names


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "====",
        "AAAA",
        "é",
        "\U0001f600",
        base64.urlsafe_b64encode(bytes(100)).decode(),
        base64.urlsafe_b64encode(
            bytes(16) + b'{"list":"payments","after":null,"ascending":true,"filters":{}}'
        ).decode(),
        "A" * 5000,
        "01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90",
    ],
)
async def test_what_no_list_has_given_is_no_cursor(client: Client, cursor: str) -> None:
    await client.open_account("a")
    for path in LISTS:
        refused(await with_cursor(client, path, cursor), 400, "invalid_cursor", "cursor", facts={})


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_that_was_changed_is_no_cursor(three_ledgers: Client, path: str) -> None:
    cursor = await first_cursor(three_ledgers, path)
    changed = [cursor[:-1], cursor[1:], cursor[: len(cursor) // 2], cursor + "A", cursor + cursor, cursor.swapcase()]
    changed += [cursor[:place] + ("B" if cursor[place] == "A" else "A") + cursor[place + 1 :] for place in (0, 5, 40)]
    for text in changed:
        refused(await with_cursor(three_ledgers, path, text), 400, "invalid_cursor", "cursor")


@pytest.mark.parametrize("path", [path for path in LISTS if path not in ("/v1/ledgers", "/v1/api-keys")])
async def test_another_ledgers_cursor_is_no_cursor(client: Client, stranger: Client, path: str) -> None:
    for one in (client, stranger):
        await fill(one)
    cursor = await first_cursor(stranger, path)
    assert (await with_cursor(stranger, path, cursor)).status_code == 200
    refused(await with_cursor(client, path, cursor), 400, "invalid_cursor", "cursor")


async def test_a_cursor_belongs_to_its_list(three_ledgers: Client) -> None:
    await three_ledgers.deposit("b", "1")
    await three_ledgers.deposit("b", "1")
    paths = [*LISTS, "/v1/accounts/b/postings"]
    cursors = {path: await first_cursor(three_ledgers, path) for path in paths}
    for path in paths:
        for origin, cursor in cursors.items():
            answer = await with_cursor(three_ledgers, path, cursor)
            if origin == path:
                assert answer.status_code == 200
            else:
                refused(answer, 400, "invalid_cursor", "cursor")


async def test_a_cursor_works_by_the_id_of_the_account_as_by_its_code(client: Client) -> None:
    account = await client.open_account("a")
    await client.deposit("a", "1")
    await client.deposit("a", "1")
    cursor = await first_cursor(client, "/v1/accounts/a/postings")
    answer = await with_cursor(client, f"/v1/accounts/{account['id']}/postings", cursor)
    assert [line["account_version"] for line in answer.json()["data"]] == [1]


async def test_a_cursor_carries_its_filters_and_its_order(client: Client) -> None:
    codes = [f"a{n}" for n in range(4)]
    for code in codes:
        await client.open_account(code, metadata={"k": "v"})
        await client.open_account(code.replace("a", "b"))
    filters = {"code_prefix": "a", "metadata[k]": "v", "order": "asc"}
    cursor = await first_cursor(client, "/v1/accounts", **filters)
    for repeated in ({}, filters, {"order": "asc"}, {"code_prefix": "a", "metadata[k]": "v"}):
        page = (await with_cursor(client, "/v1/accounts", cursor, **repeated)).json()
        assert [account["code"] for account in page["data"]] == codes[1:], repeated
    assert [one["code"] for one in await all_pages(client, "/v1/accounts", limit=1, **filters)] == codes
    for other in (
        {"order": "desc"},
        {"code_prefix": "b"},
        {"code_prefix": "a"},
        {"type": "asset"},
        {**filters, "type": "liability"},
        {**filters, "metadata[k]": "w"},
        {**filters, "order": "desc"},
    ):
        refused(await with_cursor(client, "/v1/accounts", cursor, **other), 400, "invalid_cursor", "cursor")


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        ("/v1/payments", {"type": "deposit", "from": "2020-01-01T00:00:00Z"}),
        ("/v1/journal-entries", {"from": "2020-01-01T00:00:00Z"}),
        ("/v1/trial-balance", {"as_of": "2099-01-01T00:00:00Z"}),
    ],
)
async def test_times_are_filters_too(client: Client, path: str, filters: dict[str, str]) -> None:
    await fill(client)
    cursor = await first_cursor(client, path, **filters)
    assert (await with_cursor(client, path, cursor)).status_code == 200
    assert (await with_cursor(client, path, cursor, **filters)).status_code == 200
    for name in filters:
        other = {**filters, name: "2021-01-01T00:00:00Z" if name != "type" else "transfer"}
        refused(await with_cursor(client, path, cursor, **other), 400, "invalid_cursor", "cursor")


async def test_a_long_filter_still_leads_to_the_next_page(client: Client) -> None:
    value = "x" * 500
    metadata = {f"key{n}": value for n in range(6)}
    for _ in range(2):
        await client.open_account(metadata=metadata)
    filters = {f"metadata[{name}]": value for name in metadata}
    assert len(await all_pages(client, "/v1/accounts", limit=1, **filters)) == 2


async def test_a_cursor_is_good_at_every_worker(
    client: Client, framework_service: Service, ledger_id: LedgerId
) -> None:
    await fill(client)
    cursor = await first_cursor(client, "/v1/payments")
    other = await make_client(framework_service, ledger_id)
    assert (await with_cursor(other, "/v1/payments", cursor)).status_code == 200
    await other.http.aclose()


# --- Parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["", "ASC", "ascending", "1", "asc;drop"])
async def test_there_are_two_orders(client: Client, order: str) -> None:
    await client.open_account("a")
    for path in ORDERED:
        refused(await client.get(path, params={"order": order}), 422, "invalid_parameter", "order")


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ("offset=1", "unknown_parameter", "offset"),
        ("Limit=1", "unknown_parameter", "Limit"),
        ("limit[]=1", "unknown_parameter", "limit[]"),
        ("x", "unknown_parameter", "x"),
        ("=1", "unknown_parameter", ""),
        ("limit=1&limit=2", "invalid_parameter", "limit"),
        ("limit=1&limit=1", "invalid_parameter", "limit"),
        ("cursor=%ff", "invalid_parameter", ""),
        ("cursor=%00", "invalid_string", "cursor"),
        ("ids=1" + "&ids=1" * 1000, "invalid_parameter", ""),
    ],
)
async def test_what_a_list_does_not_know_is_refused(client: Client, query: str, code: str, pointer: str) -> None:
    await client.open_account("a")
    for path in LISTS:
        refused(await client.get(f"{path}?{query}"), 422, code, pointer)


async def test_five_thousand_parameters_are_too_long_an_address(client: Client) -> None:
    refused(await client.get("/v1/payments?" + "ids=1&" * 5000), 414, "uri_too_long")


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/journal-entries"])
@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-31T23:59:59.999999Z"}, "from"),
        ({"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"from": "9999-12-31T23:59:59.999999999Z"}, "from"),
        ({"from": "0000-01-01T00:00:00Z"}, "from"),
        ({"to": "2026-01-01T00:00:00"}, "to"),
        ({"to": "2026-01-01T24:00:00Z"}, "to"),
        ({"to": "2026-06-30T23:59:60Z"}, "to"),
        ({"from": ""}, "from"),
        ({"from": "2026-1-1"}, "from"),
        ({"from": "20260101"}, "from"),
    ],
)
async def test_a_span_of_time_is_whole_forward_and_at_most_a_year(
    client: Client, path: str, parameters: dict[str, str], pointer: str
) -> None:
    refused(await client.get(path, params=parameters), 422, "invalid_parameter", pointer)


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/journal-entries"])
async def test_a_leap_year_and_an_instant_are_spans(client: Client, path: str) -> None:
    for start, end in (("2024-01-01", "2025-01-01"), ("2026-01-01", "2026-01-01")):
        parameters = {"from": f"{start}T00:00:00Z", "to": f"{end}T00:00:00Z"}
        assert (await client.get(path, params=parameters)).status_code == 200


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/accounts", {"type": "wallet"}),
        ("/v1/accounts", {"type": ""}),
        ("/v1/accounts", {"status": "OPEN"}),
        ("/v1/accounts", {"code_prefix": ""}),
        ("/v1/accounts", {"code_prefix": "x" * 129}),
        ("/v1/accounts", {"currency": "x" * 13}),
        ("/v1/payments", {"type": "refund"}),
        ("/v1/payments", {"status": "done"}),
        ("/v1/payments", {"currency": "x" * 13}),
        ("/v1/payments", {"reference": "x" * 501}),
        ("/v1/api-keys", {"ledger": "led_x"}),
        ("/v1/api-keys", {"ledger": ""}),
        ("/v1/trial-balance", {"as_of": "yesterday"}),
    ],
)
async def test_a_filter_with_a_bad_value_is_refused(client: Client, path: str, parameters: dict[str, str]) -> None:
    refused(await client.get(path, params=parameters), 422, "invalid_parameter", *parameters)
