"""What callers may rely on about money: floors, amounts, times, currencies and codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.domain.errors import AmountTooPrecise
from zerosum.domain.money import Currency, parse_amount, parse_signed_amount, render_amount
from zerosum.ingest.client_files.rows import AMOUNT_TOO_PRECISE, read_amount

USD = {"currency": "USD"}


# --- Floors and ceilings ---------------------------------------------------------------------------------------------


async def test_a_minimum_balance_begins_empty_and_only_what_lowers_it_is_refused(client: Client) -> None:
    opened = await client.open_account("deposit", min_available="100")
    assert (opened["min_available"], opened["balance"]["available"]) == ("100.00", "0.00")
    await client.open_account("bob")
    await client.deposit("deposit", "60")
    under = await client.transfer("deposit", "bob", "0.01")
    problem = refused(under, 422, "insufficient_funds", "/from")
    assert (problem["available"], problem["min_available"]) == ("60.00", "100.00")
    await client.deposit("deposit", "40.50")
    assert (await client.transfer("deposit", "bob", "0.50")).status_code == 201
    refused(await client.transfer("deposit", "bob", "0.01"), 422, "insufficient_funds", "/from")
    assert (await client.get("/v1/integrity")).json()["is_intact"]


async def test_a_floor_may_be_raised_above_the_balance_and_a_ceiling_set_below_it(client: Client) -> None:
    await client.open_account("a")
    await client.open_account("b")
    await client.deposit("a", "10")
    path = "/v1/accounts/a"
    raised = await client.http.patch(path, json={"min_available": "10.01"})
    assert (raised.status_code, raised.json()["min_available"]) == (200, "10.01")
    refused(await client.transfer("a", "b", "1"), 422, "insufficient_funds", "/from")
    await client.deposit("a", "0.01")
    lowered = await client.http.patch(path, json={"min_available": None, "max_available": "5"})
    assert (lowered.status_code, lowered.json()["max_available"]) == (200, "5.00")
    more = await client.pay({"type": "deposit", "amount": "0.01", "to": "a", **USD})
    refused(more, 422, "limit_exceeded", "/to")
    assert (await client.transfer("a", "b", "1")).status_code == 201


# --- Amounts ---------------------------------------------------------------------------------------------------------


def lines(amount: str) -> list[dict[str, str]]:
    return [
        {"account": code, "side": side, "amount": amount, **USD} for code, side in (("a", "debit"), ("b", "credit"))
    ]


ORDERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/v1/payments": lambda amount: {"type": "deposit", "amount": amount, "to": "a", **USD},
    "/v1/journal-entries": lambda amount: {"reason": "x", "postings": lines(amount)},
    "/v1/transactions": lambda amount: {"type": "deposit", "client": 1, "tx": 1, "amount": amount},
}


@pytest.mark.parametrize("path", ORDERS)
async def test_zeros_at_the_end_of_an_amount_make_no_other_request(client: Client, path: str) -> None:
    for code in ("a", "b"):
        await client.open_account(code, min_available=None)
    key, order = fresh_key(), ORDERS[path]
    first = await client.post(path, order("1.5"), key=key)
    assert first.status_code == 201, first.text
    for amount in ("1.50", "1.500", "1.50000", "1.5" + "0" * 17):
        again = await client.post(path, order(amount), key=key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true"), amount
        assert again.json() == first.json()
    finer = "1.50001" if path == "/v1/transactions" else "1.505"
    answer = await client.post(path, order(finer), key=fresh_key())
    pointer = "/postings/0/amount" if path == "/v1/journal-entries" else "/amount"
    problem: dict[str, Any] = refused(answer, 422, "amount_too_precise", pointer)
    assert problem["places"] == (4 if path == "/v1/transactions" else 2)


async def test_zeros_at_the_end_of_a_limit_are_no_precision(client: Client) -> None:
    opened = await client.open_account(currency="JPY", min_available="-5.000", max_available="7.0")
    assert (opened["min_available"], opened["max_available"]) == ("-5", "7")


CURRENCIES = st.builds(Currency, st.just("ABC"), st.integers(0, 18))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(CURRENCIES, st.integers(1, 10**38 - 1), st.data())
def test_every_amount_means_the_same_with_any_zeros_at_its_end(
    currency: Currency, units: int, data: st.DataObject
) -> None:
    units %= 10 ** (20 + currency.exponent)
    whole, rest = divmod(max(units, 1), 10**currency.exponent)
    fraction = f"{rest:0{currency.exponent}}" if currency.exponent else ""
    fraction += "0" * data.draw(st.integers(0, 18 - currency.exponent))
    text = f"{whole}.{fraction}" if fraction else str(whole)
    amount = parse_amount(text, currency)
    canonical = parse_amount(render_amount(amount), currency)
    assert (amount, amount.as_tuple().exponent) == (canonical, -currency.exponent)
    assert int(render_amount(amount).replace(".", "")) == max(units, 1)
    assert parse_signed_amount(f"-{text}", currency, pointer="/x") == amount.copy_negate()
    if len(fraction) < 18:
        finer = f"{whole}.{fraction:0<{currency.exponent}}1"
        with pytest.raises(AmountTooPrecise):
            parse_amount(finer, currency)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 10**24 - 1), st.integers(0, 14))
def test_a_file_reads_an_amount_as_the_api_does(units: int, zeros: int) -> None:
    text = f"{units // 10_000}.{units % 10_000:04}{'0' * zeros}"
    amount = parse_amount(text, Currency("XTS", 4))
    assert read_amount(text.encode()) == units == int(render_amount(amount).replace(".", ""))
    assert read_amount(f"{text}1".encode()) == AMOUNT_TOO_PRECISE


# --- Codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["clearing:internal:EUR", "clearing:", "clients:all", "disputes:1", "holds:2", "zerosum:x"]
)
async def test_codes_the_service_gives_to_its_own_accounts_cannot_be_taken(client: Client, code: str) -> None:
    answer = await client.post("/v1/accounts", {"code": code, "currency": "USD", "type": "expense"})
    refused(answer, 422, "code_reserved", "/code")
    assert code not in answer.json()["detail"]


async def test_the_service_opens_them_itself_and_callers_read_them(client: Client) -> None:
    await client.open_account("w", currency="EUR")
    await client.deposit("w", "1", "EUR")
    assert (await client.balance("clearing:internal:EUR"))["posted"] == "1.00"
    named = await client.get("/v1/accounts", params={"code_prefix": "clearing:"})
    assert [one["code"] for one in named.json()["data"]] == ["clearing:internal:EUR"]


async def test_only_the_whole_prefix_is_reserved(client: Client) -> None:
    for code in ("clearing", "Clearing:internal:EUR", "clearings:1", "my:clearing:x", "holds"):
        assert (await client.open_account(code))["code"] == code
