"""Bulk calls over HTTP, both ways and both modes: payments and journal entries."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import check_problem, refused


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


def deposit(amount: str = "1", to: str = "a", key: str | None = None, **members: Any) -> dict[str, Any]:
    key = key or fresh_key()
    return {"type": "deposit", "amount": amount, "currency": "USD", "to": to, "idempotency_key": key, **members}


def withdrawal(amount: str, from_: str = "a", key: str | None = None) -> dict[str, Any]:
    key = key or fresh_key()
    return {"type": "withdrawal", "amount": amount, "currency": "USD", "from": from_, "idempotency_key": key}


async def bulk(client: Client, items: Any, mode: str | None = None) -> httpx.Response:
    parameters = {} if mode is None else {"mode": mode}
    return await client.post("/v1/payments/bulk", {"items": items}, params=parameters)


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    """One for each item, in order, each with a payment or a problem."""
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    assert [result["index"] for result in found] == list(range(len(found)))
    for result in found:
        assert result.keys() - {"replayed"} in ({"index", "status", "data"}, {"index", "status", "problem"})
        assert result.get("replayed", True) is True
        if "problem" in result:
            check_problem(result["problem"], result["status"], result["problem"]["code"])
    return found


def codes(answer: httpx.Response) -> list[int | str]:
    """Of each result its status, or the code of its problem."""
    return [result["problem"]["code"] if "problem" in result else result["status"] for result in results(answer)]


async def is_untouched(client: Client, account: str) -> bool:
    return bool((await client.balance(account))["version"] == 0)


# --- Both modes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_each_item_is_a_payment_of_its_own(client: Client, mode: str) -> None:
    await client.open_account("a")
    answer = await bulk(client, [deposit("1"), deposit("2"), withdrawal("3")], mode)
    made = [result["data"] for result in results(answer)]
    assert [(one["type"], one["amount"]) for one in made] == [
        ("deposit", "1.00"),
        ("deposit", "2.00"),
        ("withdrawal", "3.00"),
    ]
    assert [one["account_versions"][made[0]["to"]] for one in made] == [1, 2, 3]
    for one in made:
        assert (await client.get(f"/v1/payments/{one['id']}")).json() == one


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_items_sent_again_are_replayed(client: Client, mode: str) -> None:
    await client.open_account("a")
    items = [deposit("1"), deposit("2")]
    first, again = await bulk(client, items, mode), await bulk(client, [*items, deposit("3")], mode)
    assert [result.get("replayed") for result in results(first)] == [None, None]
    assert [result.get("replayed") for result in results(again)] == [True, True, None]
    assert [result["data"] for result in results(again)[:2]] == [result["data"] for result in results(first)]
    assert (await client.balance("a"))["posted"] == "6.00"


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_an_item_repeated_in_one_call_is_paid_once(client: Client, mode: str) -> None:
    await client.open_account("a")
    item = deposit("1")
    found = results(await bulk(client, [item, deposit("2"), item], mode))
    assert found[0]["data"] == found[2]["data"]
    assert [result.get("replayed") for result in found] == [None, None, True]
    assert (await client.balance("a"))["posted"] == "3.00"


@pytest.mark.parametrize("mode", ["independent", "atomic"])
@pytest.mark.parametrize("count", [1, 1000])
async def test_one_to_a_thousand_items_are_taken(client: Client, mode: str, count: int) -> None:
    await client.open_account("a")
    found = results(await bulk(client, [deposit("0.01") for _ in range(count)], mode))
    assert {result["status"] for result in found} == {201}
    assert (await client.balance("a"))["version"] == len(found) == count


@pytest.mark.parametrize("mode", ["independent", "atomic"])
@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"items": []}, "validation_error", "/items"),
        ({}, "validation_error", "/items"),
        ({"items": None}, "validation_error", "/items"),
        ({"items": {}}, "validation_error", "/items"),
        ({"items": "x"}, "validation_error", "/items"),
        ({"items": [1], "mode": "atomic"}, "unknown_field", "/mode"),
        ({"items": [{}] * 1001}, "too_many_items", "/items"),
    ],
)
async def test_a_bulk_call_is_a_list_of_items(client: Client, mode: str, body: Any, code: str, pointer: str) -> None:
    answer = await client.post("/v1/payments/bulk", body, params={"mode": mode})
    refused(answer, 422, code, pointer, facts={})


@pytest.mark.parametrize("mode", ["", "Atomic", "all", "true"])
async def test_there_are_two_modes(client: Client, mode: str) -> None:
    await client.open_account("a")
    refused(await bulk(client, [deposit()], mode), 422, "invalid_parameter", "mode")
    assert await is_untouched(client, "a")


async def test_independent_is_the_mode_unless_another_is_asked_for(client: Client) -> None:
    await client.open_account("a")
    assert codes(await bulk(client, [withdrawal("1"), deposit()])) == ["insufficient_funds", 201]


async def test_a_bulk_call_needs_no_key_of_its_own_and_ignores_one(client: Client) -> None:
    await client.open_account("a")
    item = deposit()
    for key in (None, "x", "a b", item["idempotency_key"]):
        answer = await client.post("/v1/payments/bulk", {"items": [item]}, key=key)
        assert codes(answer) == [201]
    assert (await client.balance("a"))["version"] == 1


async def test_items_and_single_calls_share_their_keys(client: Client) -> None:
    await client.open_account("a")
    item = deposit()
    (result,) = results(await bulk(client, [item]))
    key = item.pop("idempotency_key")
    single = await client.pay(item, key)
    assert (single.headers["idempotency-replayed"], single.json()) == ("true", result["data"])


async def test_quotes_around_a_key_are_no_part_of_it_in_an_item_either(client: Client) -> None:
    await client.open_account("a")
    item = deposit()
    key = item.pop("idempotency_key")
    assert (await client.pay(item, f'"{key}"')).status_code == 201
    (result,) = results(await bulk(client, [{**item, "idempotency_key": f'"{key}"'}]))
    assert result["replayed"] is True


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_a_bulk_body_may_be_larger_than_a_single_one_but_not_endless(client: Client, mode: str) -> None:
    await client.open_account("a")
    items = [deposit("0.01", description="x" * 500, reference="y" * 500) for _ in range(1000)]
    assert len(results(await bulk(client, items, mode))) == 1000
    large = [deposit(metadata={str(n): "x" * 500 for n in range(10)}) for _ in range(1000)]
    refused(await bulk(client, large, mode), 413, "body_too_large")


# --- Independent -----------------------------------------------------------------------------------------------------

BAD_ITEMS: list[tuple[Any, int, str, list[str]]] = [
    (None, 422, "validation_error", [""]),
    (5, 422, "validation_error", [""]),
    ([], 422, "validation_error", [""]),
    ({}, 422, "validation_error", ["/type", "/amount", "/currency", "/idempotency_key"]),
    (deposit() | {"idempotency_key": ""}, 422, "validation_error", ["/idempotency_key"]),
    (deposit() | {"idempotency_key": "a b"}, 422, "validation_error", ["/idempotency_key"]),
    (deposit() | {"idempotency_key": "k" * 256}, 422, "validation_error", ["/idempotency_key"]),
    (deposit() | {"idempotency_key": None}, 422, "validation_error", ["/idempotency_key"]),
    (deposit(x=1), 422, "unknown_field", ["/x"]),
    (deposit("0"), 422, "invalid_amount", ["/amount"]),
    (deposit(1), 422, "invalid_amount", ["/amount"]),  # type: ignore[arg-type]
    (deposit("0.001"), 422, "amount_too_precise", ["/amount"]),
    (deposit(currency="XXX"), 422, "invalid_currency", ["/currency"]),
    (deposit(to="nobody"), 422, "account_not_found", ["/to"]),
    (deposit(to="frozen"), 409, "account_frozen", ["/to"]),
    (withdrawal("100"), 422, "insufficient_funds", ["/from"]),
    (deposit() | {"to": None}, 422, "validation_error", ["/to"]),
]


async def open_accounts(client: Client) -> None:
    await client.open_account("a")
    await client.open_account("frozen")
    await client.post("/v1/accounts/frozen/freeze")


@pytest.mark.parametrize(("item", "status", "code", "pointers"), BAD_ITEMS)
async def test_one_bad_item_does_not_hold_up_its_neighbours(
    client: Client, item: Any, status: int, code: str, pointers: list[str]
) -> None:
    await open_accounts(client)
    found = results(await bulk(client, [deposit("1"), item, deposit("2")], "independent"))
    assert [result["status"] for result in found] == [201, status, 201]
    check_problem(found[1]["problem"], status, code, tuple(f"/items/1{pointer}" for pointer in pointers))
    assert "index" not in found[1]["problem"]
    assert (await client.balance("a"))["posted"] == "3.00"


async def test_it_is_answered_with_200_though_every_item_was_refused(client: Client) -> None:
    await client.open_account("a")
    assert codes(await bulk(client, [withdrawal("1"), {}])) == ["insufficient_funds", "validation_error"]


async def test_an_item_with_the_key_of_another_is_refused(client: Client) -> None:
    await client.open_account("a")
    item = deposit("1")
    other = item | {"amount": "2"}
    found = results(await bulk(client, [item, other, item]))
    assert [result["status"] for result in found] == [201, 422, 201]
    check_problem(found[1]["problem"], 422, "idempotency_key_reused")
    assert codes(await bulk(client, [other])) == ["idempotency_key_reused"]


async def test_a_refused_item_is_replayed_as_refused(client: Client) -> None:
    await client.open_account("a")
    item = withdrawal("1")
    first = results(await bulk(client, [item, item]))
    assert [result.get("replayed") for result in first] == [None, True]
    await client.deposit("a", "5")
    (again,) = results(await bulk(client, [item]))
    assert (again["problem"]["code"], again["replayed"]) == ("insufficient_funds", True)
    key = item.pop("idempotency_key")
    single = await client.pay(item, key)
    refused(single, 422, "insufficient_funds", "/from")
    assert single.headers["idempotency-replayed"] == "true"


# --- Atomic ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("item", "status", "code", "pointers"), BAD_ITEMS)
async def test_one_bad_item_stops_all(client: Client, item: Any, status: int, code: str, pointers: list[str]) -> None:
    await open_accounts(client)
    good = deposit("1")
    answer = await bulk(client, [good, item, deposit("2")], "atomic")
    problem = refused(answer, status, code, *(f"/items/1{pointer}" for pointer in pointers))
    assert problem["index"] == 1
    assert await is_untouched(client, "a")
    missing = await client.get(f"/v1/idempotency-keys/{good['idempotency_key']}")
    refused(missing, 404, "idempotency_key_not_found")


async def test_what_stopped_all_is_judged_afresh_the_next_time(client: Client) -> None:
    await client.open_account("a")
    items = [withdrawal("1"), deposit("1")]
    refused(await bulk(client, items, "atomic"), 422, "insufficient_funds", members=["index", "available"])
    await client.deposit("a", "1")
    assert codes(await bulk(client, items, "atomic")) == [201, 201]


async def test_the_items_are_judged_in_their_order(client: Client) -> None:
    await client.open_account("a")
    assert codes(await bulk(client, [deposit("1"), withdrawal("1")], "atomic")) == [201, 201]
    problem = refused(await bulk(client, [withdrawal("1"), deposit("1")], "atomic"), 422, "insufficient_funds")
    assert problem["index"] == 0


async def test_an_item_with_the_key_of_another_stops_all(client: Client) -> None:
    await client.open_account("a")
    item = deposit("1")
    answer = await bulk(client, [item, item | {"amount": "2"}], "atomic")
    assert refused(answer, 422, "idempotency_key_reused")["index"] == 1
    assert await is_untouched(client, "a")


async def test_an_item_refused_before_stops_all(client: Client) -> None:
    await client.open_account("a")
    item = withdrawal("1")
    await bulk(client, [item], "independent")
    answer = await bulk(client, [deposit("5"), item], "atomic")
    assert refused(answer, 422, "insufficient_funds")["index"] == 1
    assert await is_untouched(client, "a")


# --- Journal entries -------------------------------------------------------------------------------------------------


def entry(amount: str = "1", key: str | None = None, **change: Any) -> dict[str, Any]:
    lines = [
        {"account": "a", "side": "debit", "amount": amount, "currency": "USD"},
        {"account": "b", "side": "credit", "amount": amount, "currency": "USD", **change},
    ]
    return {"reason": "test", "postings": lines, "idempotency_key": key or fresh_key()}


async def post_entries(client: Client, items: Any, mode: str) -> httpx.Response:
    return await client.post("/v1/journal-entries/bulk", {"items": items}, params={"mode": mode})


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_entries_come_in_bulk_as_well(client: Client, mode: str) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    item = entry("2")
    found = results(await post_entries(client, [entry("1"), item, item], mode))
    assert [(result["status"], result.get("replayed")) for result in found] == [(201, None), (201, None), (201, True)]
    for result in found:
        assert (await client.get(f"/v1/journal-entries/{result['data']['id']}")).json() == result["data"]
    assert (await client.balance("b"))["posted"] == "3.00"


@pytest.mark.parametrize(
    ("item", "code", "pointer"),
    [
        (entry(amount="2", key="k") | {"reason": ""}, "validation_error", "/items/1/reason"),
        (entry(amount="1.001"), "amount_too_precise", "/items/1/postings/0/amount"),
        (entry(account="nobody"), "account_not_found", "/items/1/postings/1/account"),
        (entry(side="debit"), "unbalanced", "/items/1/postings"),
        (entry() | {"postings": []}, "validation_error", "/items/1/postings"),
    ],
)
async def test_a_bad_entry_is_pointed_at_in_both_modes(client: Client, item: Any, code: str, pointer: str) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    found = results(await post_entries(client, [entry(), item], "independent"))
    assert found[0]["status"] == 201
    check_problem(found[1]["problem"], 422, code, (pointer,))
    answer = await post_entries(client, [entry(), item], "atomic")
    assert refused(answer, 422, code, pointer)["index"] == 1
    assert (await client.balance("b"))["version"] == 1
