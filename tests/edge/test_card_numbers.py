"""Card numbers: found however they are written, refused wherever a text is taken, repeated nowhere."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key, make_client, over_socket, service_settings
from tests.api.reading import check_problem, refused
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.card_numbers import ISSUERS, holds_card_number

# Numbers that card networks publish for trying things out.
PUBLISHED = [
    "4111111111111111",
    "4012888888881881",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "3530111333300000",
    "30569309025904",
    "38520000023237",
    "6200000000000005",
]
PAN = PUBLISHED[0]
SECONDS_MAX = 0.05


@pytest.fixture(scope="module")
async def refusing(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    running = Service(service_settings(test_database, servers, refuse_card_numbers=True))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def careful(refusing: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(refusing, ledger_id)
    yield made
    await made.http.aclose()


# --- What is found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", PUBLISHED)
def test_published_numbers_are_found_in_every_writing(number: str) -> None:
    fours = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    for text in (
        number,
        fours,
        fours.replace(" ", "-"),
        "-".join(number),
        f"card {fours}, paid",
        f"{fours} 12/29",
        f"{fours} 12 29 123",
        f"order 12 {number}",
        f"x{number}y",
        number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
        "\u200b".join(number),
        f"{number[:6]}\u00ad{number[6:]}",
        f"+{number}.",
        fours.replace(" ", "\u00a0"),
    ):
        assert holds_card_number(text), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",
        "411111111111111",
        "41111111111111111",
        "4111  1111  1111  1111",
        "4111/1111/1111/1111",
        "1234567890123",
        "0000000000000000",
        "9999999999999995",
        "5018000000000009",
        "99" + PAN,
        PAN + "0" * 10,
        "2026-11-21T09:30:00.123456Z",
        "01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90",
        "41111111-1111-1111-0000-000000000000",
        "DE89 3704 0044 0532 0130 00",
        "+49 30 123456-78",
    ],
)
def test_other_numbers_are_none(text: str) -> None:
    assert not holds_card_number(text)


def luhn_digit(digits: str) -> str:
    """Written anew: the digit that makes the sum end in 0."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    issuer = draw(st.sampled_from(ISSUERS))
    beginning = str(draw(st.integers(int(issuer.low), int(issuer.high))))
    length = draw(st.sampled_from(issuer.lengths))
    rest = draw(st.text("0123456789", min_size=length - 1 - len(beginning), max_size=length - 1 - len(beginning)))
    return beginning + rest + luhn_digit(beginning + rest)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(card_numbers(), st.data())
def test_every_number_a_network_could_give_out_is_found_and_none_with_a_wrong_check_digit(
    number: str, data: st.DataObject
) -> None:
    separators = data.draw(st.lists(st.sampled_from(["", "", " ", "-"]), min_size=len(number), max_size=len(number)))
    written = "".join(digit + separator for digit, separator in zip(number, separators, strict=True))
    assert holds_card_number(f"{data.draw(st.sampled_from(['', 'x ', 'no. ', '(']))}{written}")
    wrong = number[:-1] + str((int(number[-1]) + data.draw(st.integers(1, 9))) % 10)
    assert not holds_card_number(wrong)


@pytest.mark.parametrize("text", ["4" * 2000, "4 " * 1000, "4-" * 1000, "4111 1111 1111 1112 " * 100, "a" * 2000])
def test_looking_costs_no_time(text: str) -> None:
    seconds = []
    for _ in range(5):
        begun = time.process_time()
        holds_card_number(text)
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 10 * SECONDS_MAX


# --- Where it is refused ---------------------------------------------------------------------------------------------


def payment(**members: Any) -> dict[str, Any]:
    return {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", **members}


def entry(**members: Any) -> dict[str, Any]:
    lines = [{"account": code, "side": side, "amount": "1", "currency": "USD"} for code, side in SIDES]
    return {"reason": "x", "postings": lines, **members}


SIDES = (("a", "credit"), ("b", "debit"))
SPACED = "4111 1111 1111 1111"
NEW = {"currency": "USD", "type": "liability"}
PLACES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/v1/payments", payment(description=f"card {SPACED}"), "/description"),
    ("POST", "/v1/payments", payment(reference=PAN), "/reference"),
    ("POST", "/v1/payments", payment(metadata={"pan": PAN}), "/metadata/pan"),
    ("POST", "/v1/payments", payment(metadata={"amount": PAN}), "/metadata/amount"),
    ("POST", "/v1/payments", payment(metadata={f"card {PAN}": "x"}), "/metadata"),
    ("POST", "/v1/payments", payment(**{PAN: "x"}), ""),
    ("POST", "/v1/payments?dry_run=true", payment(description=PAN), "/description"),
    ("POST", "/v1/journal-entries", entry(reason=SPACED), "/reason"),
    ("POST", "/v1/journal-entries", entry(metadata={"pan": PAN}), "/metadata/pan"),
    ("POST", "/v1/journal-entries/je_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90/reverse", {"reason": PAN}, "/reason"),
    ("POST", "/v1/accounts", {"code": f"cards:{PAN}", **NEW}, "/code"),
    ("POST", "/v1/accounts", {"code": "c", "name": SPACED, **NEW}, "/name"),
    ("POST", "/v1/accounts", {"code": "c", "metadata": {"x": SPACED}, **NEW}, "/metadata/x"),
    ("PATCH", "/v1/accounts/a", {"name": PAN}, "/name"),
    ("PATCH", "/v1/accounts/a", {"metadata": {"x": PAN}}, "/metadata/x"),
    ("POST", "/v1/accounts/a/freeze", {"reason": PAN}, "/reason"),
    ("POST", "/v1/currencies", {"code": "ABC", "exponent": 2, "name": PAN}, "/name"),
    ("POST", "/v1/ledgers", {"name": PAN}, "/name"),
    ("POST", "/v1/imports", {"name": PAN, "sha256": "0" * 64}, "/name"),
]


@pytest.mark.parametrize(("method", "path", "body", "pointer"), PLACES)
async def test_every_text_that_is_kept_is_looked_at(
    careful: Client,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: dict[str, Any],
    pointer: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    await careful.open_account("a")
    headers = {"Idempotency-Key": fresh_key()}
    answer = await careful.http.request(method, path, json=body, headers=headers)
    refused(answer, 422, "pan_not_allowed", pointer)
    for number in (PAN, SPACED):
        assert number not in answer.text
        assert number not in caplog.text
    usual = await client.http.request(method, path, json=body, headers=headers)
    assert "pan_not_allowed" not in usual.text


async def test_none_gets_in_over_a_connection_whose_requests_could_go_express(
    refusing: Service, ledger_id: LedgerId
) -> None:
    async with AsyncExitStack() as stack:
        client = await over_socket(stack, refusing, ledger_id)
        await client.open_account("a")
        await client.deposit("a", "1")
        body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", "description": PAN}
        refused(await client.pay(body), 422, "pan_not_allowed", "/description")


async def test_none_gets_in_where_all_that_a_payment_names_is_known(careful: Client) -> None:
    await careful.open_account("a")
    body, key = payment(), fresh_key()
    for _ in range(2):  # What opens the clearing account does not go straight.
        assert (await careful.post("/v1/payments", body, key=fresh_key())).status_code == 201
    refused(
        await careful.post("/v1/payments", body | {"reference": PAN}, key=key), 422, "pan_not_allowed", "/reference"
    )
    items = [payment(description=SPACED, idempotency_key=key)]
    (result,) = (await careful.post("/v1/payments/bulk", {"items": items})).json()["results"]
    check_problem(result["problem"], 422, "pan_not_allowed", ("/items/0/description",))
    assert (await careful.balance("a"))["posted"] == "2.00"


async def test_an_item_of_a_bulk_call_is_refused_by_itself(careful: Client) -> None:
    await careful.open_account("a")
    items = [{**payment(**members), "idempotency_key": fresh_key()} for members in ({}, {"reference": PAN}, {})]
    answer = await careful.post("/v1/payments/bulk", {"items": items})
    first, second, third = answer.json()["results"]
    assert (first["status"], second["status"], third["status"]) == (201, 422, 201)
    check_problem(second["problem"], 422, "pan_not_allowed", ("/items/1/reference",))
    assert PAN not in answer.text


async def test_names_of_accounts_amounts_and_keys_are_no_texts(careful: Client, client: Client) -> None:
    code = f"cards:{PAN}"
    await client.open_account(code, currency="JPY")  # From before the setting was made.
    body = {"type": "deposit", "amount": PAN, "currency": "JPY", "to": code}
    made = await careful.post("/v1/payments", body, key=PAN)
    assert (made.status_code, made.json()["amount"]) == (201, PAN)
    items = [{**body, "idempotency_key": f"{PAN}-2"}]
    (result,) = (await careful.post("/v1/payments/bulk", {"items": items})).json()["results"]
    assert result["status"] == 201
    assert (await careful.balance(code))["posted"] == str(2 * int(PAN))


async def test_a_refused_text_leaves_its_key_free(careful: Client) -> None:
    await careful.open_account("a")
    key = fresh_key()
    refused(await careful.post("/v1/payments", payment(reference=PAN), key=key), 422, "pan_not_allowed", "/reference")
    assert (await careful.post("/v1/payments", payment(reference="1"), key=key)).status_code == 201
