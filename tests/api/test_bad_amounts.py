"""Every bad amount on every place that takes one: refused there, by the same code, in no time, and nothing moves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import check_problem, refused
from tests.at_length import some

TIMES_MAX = 10
"""What a monstrous amount may cost, in times of a short one that is refused alike. Making its digits costs more."""

TRIES = 5
"""The quickest counts: what is measured is our work, not a garbage collection in between."""

MARK = "AMOUNT-HERE"
"""Stands in a body where the JSON text of the amount belongs."""


@dataclass(frozen=True)
class Place:
    """Somewhere an amount is taken. `pointer` is where a refusal must point."""

    name: str
    method: str
    path: str
    body: Callable[[str], Any]
    pointer: str
    is_limit: bool = False
    is_item: bool = False


def transfer(currency: str, **members: Any) -> dict[str, Any]:
    return {"type": "transfer", "amount": MARK, "currency": currency, "from": "a", "to": "b", **members}


def entry(currency: str) -> dict[str, Any]:
    line = {"amount": MARK, "currency": currency}
    postings = [{"account": "a", "side": "debit", **line}, {"account": "b", "side": "credit", **line}]
    return {"reason": "x", "postings": postings}


def item(body: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{**body, "idempotency_key": fresh_key()}]}


def limit(name: str) -> Callable[[str], Any]:
    return lambda currency: {"code": "c", "currency": currency, "type": "asset", "min_available": None, name: MARK}


PLACES = [
    Place("transfer", "POST", "/v1/payments", transfer, "/amount"),
    Place(
        "deposit",
        "POST",
        "/v1/payments",
        lambda currency: {"type": "deposit", "amount": MARK, "currency": currency, "to": "b"},
        "/amount",
    ),
    Place(
        "withdrawal",
        "POST",
        "/v1/payments",
        lambda currency: {"type": "withdrawal", "amount": MARK, "currency": currency, "from": "a"},
        "/amount",
    ),
    Place("rehearsal", "POST", "/v1/payments?dry_run=true", transfer, "/amount"),
    Place(
        "item", "POST", "/v1/payments/bulk", lambda currency: item(transfer(currency)), "/items/0/amount", is_item=True
    ),
    Place(
        "atomic item",
        "POST",
        "/v1/payments/bulk?mode=atomic",
        lambda currency: item(transfer(currency)),
        "/items/0/amount",
    ),
    Place("entry", "POST", "/v1/journal-entries", entry, "/postings/0/amount"),
    Place(
        "entry item",
        "POST",
        "/v1/journal-entries/bulk",
        lambda currency: item(entry(currency)),
        "/items/0/postings/0/amount",
        is_item=True,
    ),
    Place("floor", "POST", "/v1/accounts", limit("min_available"), "/min_available", is_limit=True),
    Place("ceiling", "POST", "/v1/accounts", limit("max_available"), "/max_available", is_limit=True),
    Place("new floor", "PATCH", "/v1/accounts/a", lambda _: {"min_available": MARK}, "/min_available", is_limit=True),
    Place("new ceiling", "PATCH", "/v1/accounts/a", lambda _: {"max_available": MARK}, "/max_available", is_limit=True),
]

# The JSON text of each bad amount, and its code. In USD, which has two places.
NOT_JSON = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 5000]
INVALID = [
    *("100", "10.5", "1e2", "-0", "0", "0.30000000000000004", "true", "false", "1E-5"),
    *('"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '"inf"', '"nan123"'),
    *('"1e2"', '"1E+1000000"', '"1e-400"', '"1e999999999999999999"', '"1E5"'),
    *('"-0"', '"-0.00"', '"--1"', '"+1"', '"01"', '"00"', '"0x10"', '"1."', '".5"', '"1,00"', '"1.2.3"', '""', '"-"'),
    *('"1_000"', '" 1 "', '"1 "', '" 1"', '"1 000"', '"1\\t"', '"1\\n"', '"$1"', '"1USD"', '"one"', '"null"'),
    *('"١٢"', '"１２"', '"1٫5"', '"½"', '"Ⅷ"', '"−1"', '"1\u200b"'),
    *(
        '"0.' + "1" * 19 + '"',
        '"1.' + "0" * 19 + '"',
        '"1.' + "0" * 10_000 + '"',
        '"0.' + "1" * 41 + '"',
        '"' + "9" * 5000 + '"',
        '"0.' + "0" * 5000 + '1"',
    ),
]
INVALID_ABOVE_ZERO = ['"0"', '"0.00"', '"-1"', '"-0.01"']
"""Only where an amount must be above zero: a limit may be zero or less."""
TOO_PRECISE = ['"10.005"', '"0.001"', '"10.5001"', '"1.' + "0" * 17 + '1"']
TOO_LARGE = ['"1' + "0" * 20 + '"', '"' + "9" * 21 + '"', '"' + "9" * 50 + '.00"']
NO_VALUE = ["[]", "{}", '["1"]', '{"amount":"1"}']

ROWS = [
    *((text, 400, "malformed_json") for text in NOT_JSON),
    *((text, 422, "invalid_amount") for text in INVALID),
    *((text, 422, "amount_too_precise") for text in TOO_PRECISE),
    *((text, 422, "amount_too_large") for text in TOO_LARGE),
    *((text, 422, "validation_error") for text in NO_VALUE),
]


async def send(client: Client, place: Place, text: str, currency: str = "USD") -> httpx.Response:
    body = json.dumps(place.body(currency)).replace(f'"{MARK}"', text)
    headers = {"Content-Type": "application/json", "Idempotency-Key": fresh_key()}
    return await client.http.request(place.method, place.path, content=body.encode(), headers=headers)


def check(answer: httpx.Response, place: Place, status: int, code: str) -> None:
    """The refusal of this place, wherever the answer carries it."""
    if place.is_item and status == 422:
        (result,) = answer.json()["results"]
        assert result["status"] == status
        problem = result["problem"]
        check_problem(problem, status, code)
    else:
        problem = refused(answer, status, code)
    if status == 422:
        assert place.pointer in [fault["pointer"] for fault in problem["errors"]]


@pytest.fixture
async def books(client: Client) -> Client:
    """Two accounts, the first with money in it."""
    await client.open_account("a")
    await client.open_account("b")
    await client.deposit("a", "1000")
    return client


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
async def test_bad_amounts_are_refused_everywhere(books: Client, place: Place) -> None:
    for text, status, code in ROWS:
        answer = await send(books, place, text)
        check(answer, place, status, code)
        value = text.strip('"')
        assert len(value) < 6 or value not in answer.text, f"{text[:40]} is repeated"
    assert [(await books.balance(code))["version"] for code in ("a", "b")] == [1, 0]
    refused(await books.get("/v1/accounts/c"), 404, "account_not_found")


@pytest.mark.parametrize("place", [place for place in PLACES if not place.is_limit], ids=lambda place: place.name)
async def test_an_amount_is_above_zero_and_there(books: Client, place: Place) -> None:
    for text in INVALID_ABOVE_ZERO:
        check(await send(books, place, text), place, 422, "invalid_amount")
    check(await send(books, place, "null"), place, 422, "validation_error")
    missing = json.dumps(place.body("USD")).replace(f'"amount": "{MARK}", ', "").replace(f'"amount": "{MARK}"', "")
    assert MARK not in missing
    headers = {"Content-Type": "application/json", "Idempotency-Key": fresh_key()}
    answer = await books.http.request(place.method, place.path, content=missing.encode(), headers=headers)
    check(answer, place, 422, "validation_error")


@pytest.mark.parametrize("place", [place for place in PLACES if not place.is_limit], ids=lambda place: place.name)
@pytest.mark.parametrize(
    ("currency", "text", "code"),
    [
        ("JPY", '"10.5"', "amount_too_precise"),
        ("JPY", '"10.01"', "amount_too_precise"),
        ("KWD", '"1.2345"', "amount_too_precise"),
        ("CLF", '"1.00001"', "amount_too_precise"),
    ],
)
async def test_each_currency_has_its_places(books: Client, place: Place, currency: str, text: str, code: str) -> None:
    check(await send(books, place, text, currency), place, 422, code)


async def test_limits_have_the_places_of_their_currency(client: Client) -> None:
    for place in PLACES:
        if place.method == "POST" and place.is_limit:
            check(await send(client, place, '"1.5"', "JPY"), place, 422, "amount_too_precise")
            check(await send(client, place, '"-1.5"', "JPY"), place, 422, "amount_too_precise")


@pytest.mark.parametrize("text", ['"0"', '"0.00"', '"-1"', '"-99999999999999999999.99"', "null"])
async def test_a_limit_may_be_zero_or_less_or_null(client: Client, text: str) -> None:
    for name in ("min_available", "max_available"):
        code = f"{name}:{len(text)}"
        body = json.dumps({"code": code, "currency": "USD", "type": "asset", "min_available": None, name: MARK})
        headers = {"Content-Type": "application/json"}
        answer = await client.http.post(
            "/v1/accounts", content=body.replace(f'"{MARK}"', text).encode(), headers=headers
        )
        assert answer.status_code == 201, answer.text


MONSTERS = [
    '"1E+1000000"',
    '"1e999999999999999999"',
    '"' + "9" * 5000 + '"',
    '"' + "9" * 30_000 + '"',
    "9" * 4000,
    '"0.' + "0" * 30_000 + '1"',
    '"' + " " * 30_000 + '1"',
    '"' + "١" * 10_000 + '"',
]
MONSTERS_ONE_IN = 3
"""No divisor of their number, so that each comes at some place, and each place sees some."""


@pytest.mark.parametrize(
    ("place", "text"),
    some(product(PLACES, MONSTERS), MONSTERS_ONE_IN),
    ids=lambda one: one.name if isinstance(one, Place) else one[:12],
)
async def test_a_monstrous_amount_costs_no_time(books: Client, place: Place, text: str) -> None:
    plain, spent = [], []
    for _ in range(TRIES):
        started = time.process_time()
        check(await send(books, place, '"x"'), place, 422, "invalid_amount")
        plain.append(time.process_time() - started)
        started = time.process_time()
        answer = await send(books, place, text)
        spent.append(time.process_time() - started)
        check(answer, place, 422, "invalid_amount")
    assert min(spent) < TIMES_MAX * min(plain)


@pytest.mark.parametrize("text", ["0.01", "1", "1.0", "1.00", "1.000", "1.500000000000000000", "999.99"])
async def test_good_amounts_are_taken_everywhere(books: Client, text: str) -> None:
    for place in PLACES[:8]:
        await books.deposit("a", "1000")
        answer = await send(books, place, f'"{text}"')
        assert answer.status_code in (200, 201), answer.text
        assert "problem" not in answer.text
