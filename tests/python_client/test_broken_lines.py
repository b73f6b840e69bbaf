"""What is lost on the way is asked again under the same key, and done once."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.python_client.conftest import AT_ONCE, CUT, NEVER, Line, Place, blocking
from zerosum.client import NO_RETRIES, AsyncClient, Client, ClientCredentials, Retries
from zerosum.client.errors import OutcomeUnknown, UnexpectedAnswer, Unreachable
from zerosum.client.models.payments import Payment
from zerosum.client.refusals import RateLimited

PAYMENTS = b"POST /v1/payments "
DEPOSIT: dict[str, Any] = {"type": "deposit", "amount": "5", "currency": "USD", "to": "customers:gina"}


def said(status: int, code: str, *, retryable: bool, retry_after: int | None = None) -> bytes:
    """A problem, as the service writes it."""
    body = json.dumps({"code": code, "detail": f"{code}.", "status": status, "retryable": retryable}).encode()
    wait = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    return f"HTTP/1.1 {status} X\r\n{wait}Content-Length: {len(body)}\r\n\r\n".encode() + body


def keys_of(line: Line) -> list[str]:
    requests = [one for one in line.seen if one.startswith(PAYMENTS)]
    return [found[1].decode() for one in requests if (found := re.search(rb"(?i)idempotency-key: (\S+)", one))]


@pytest.fixture
async def wallet(client: AsyncClient) -> str:
    return (await client.accounts.open("customers:gina", currency="USD", type="liability")).code


async def posted(client: AsyncClient) -> int:
    return int((await client.accounts.get("customers:gina")).balance.posted)


UNKNOWN = said(504, "outcome_unknown", retryable=True)
A_GATEWAYS = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n<html"


@pytest.mark.parametrize("loss", [CUT, UNKNOWN, A_GATEWAYS], ids=["cut", "504", "gateway"])
async def test_a_payment_whose_answer_is_lost_is_made_exactly_once(
    client: AsyncClient, wallet: str, place: Place, line: Line, loss: bytes
) -> None:
    line.instead = [(PAYMENTS, loss), (PAYMENTS, loss)]
    paid = await blocking(place, lambda cut: cut.payments.create(**DEPOSIT), url=line.url)
    assert (paid.replayed, line.instead, await posted(client)) == (True, [], 5)
    keys = keys_of(line)
    assert (len(keys), len(set(keys))) == (3, 1)


PROGRAM = """
import sys
from zerosum.client import Client

with Client(sys.argv[1], sys.argv[2]) as client:
    paid = client.payments.create(type="deposit", amount=5, currency="USD", to="customers:gina", once="invoice-42")
    print(paid.replayed)
"""


async def test_a_program_that_is_killed_while_it_pays_and_started_again_pays_once(
    client: AsyncClient, wallet: str, place: Place, line: Line
) -> None:
    line.instead = [(PAYMENTS, NEVER)]
    command = (sys.executable, "-c", PROGRAM, line.url, place.api_key)
    killed = await asyncio.create_subprocess_exec(*command)
    await asyncio.wait_for(line.is_waiting.wait(), 30)
    killed.kill()
    await killed.wait()
    again = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    told, _ = await asyncio.wait_for(again.communicate(), 30)
    assert (told, await posted(client), set(keys_of(line))) == (b"True\n", 5, {"createPayment:invoice-42"})


async def test_where_nobody_can_say_it_is_told_with_the_key_that_tells_later(
    client: AsyncClient, wallet: str, place: Place, line: Line
) -> None:
    line.instead = [(PAYMENTS, CUT)]
    async with AsyncClient(line.url, place.api_key, retries=NO_RETRIES) as cut:
        with pytest.raises(OutcomeUnknown) as caught:
            await cut.payments.create(**DEPOSIT)
        key = caught.value.idempotency_key
        assert key is not None
        assert key in str(caught.value)
        paid = await cut.payments.create(**DEPOSIT, idempotency_key=key)
    assert (paid.replayed, await posted(client)) == (True, 5)


async def test_an_answer_that_did_not_look_the_key_up_settles_nothing(
    client: AsyncClient, wallet: str, place: Place, line: Line
) -> None:
    """The first attempt has paid; that the second one was turned away at the door does not undo it."""

    def pay(cut: Client) -> Payment:
        return cut.payments.create(**DEPOSIT)

    async def turned_away(answer: bytes, retries: Retries) -> None:
        line.instead = [(PAYMENTS, CUT), (PAYMENTS, answer)]
        with pytest.raises(OutcomeUnknown):
            await blocking(place, pay, url=line.url, retries=retries)

    await turned_away(said(401, "unauthenticated", retryable=False), AT_ONCE)
    await turned_away(said(429, "rate_limited", retryable=True, retry_after=90), AT_ONCE)
    assert await posted(client) == 10


async def test_it_waits_as_it_is_told_and_not_beyond_its_time(
    client: AsyncClient, wallet: str, place: Place, line: Line
) -> None:
    line.refused = [(PAYMENTS, said(429, "rate_limited", retryable=True, retry_after=0))] * 3
    paid = await blocking(place, lambda cut: cut.payments.create(**DEPOSIT), url=line.url)
    assert (paid.replayed, len(keys_of(line)), await posted(client)) == (False, 4, 5)
    line.refused = [(PAYMENTS, said(429, "rate_limited", retryable=True, retry_after=3600))]
    with pytest.raises(RateLimited):
        await blocking(place, lambda cut: cut.payments.create(**DEPOSIT), url=line.url)
    assert await posted(client) == 5


async def test_where_nothing_listens_nothing_was_done(place: Place) -> None:
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(Unreachable):
        await blocking(place, lambda away: away.payments.create(**DEPOSIT), url=nowhere)
    stories: list[Callable[[Client], object]] = [
        lambda away: away.accounts.get("x"),
        lambda away: list(away.accounts.list()),
    ]
    for story in stories:
        with pytest.raises(Unreachable):
            await blocking(place, story, url=nowhere)


async def test_what_is_no_service_of_this_kind_is_told(place: Place, line: Line) -> None:
    line.refused = [(b"GET /v1/accounts", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")]
    with pytest.raises(UnexpectedAnswer):
        await blocking(place, lambda cut: cut.accounts.get("x"), url=line.url)


async def test_tokens_are_renewed_when_they_are_refused(place: Place, client: AsyncClient, line: Line) -> None:
    await client.accounts.open("customers:hugo", currency="USD", type="liability")
    credentials = ClientCredentials(place.key_id, place.api_key, "accounts:read")
    line.instead = [(b"GET /v1/accounts", said(401, "unauthenticated", retryable=False))]
    async with AsyncClient(line.url, credentials=credentials, retries=AT_ONCE) as made:
        assert (await made.accounts.get("customers:hugo")).currency == "USD"
        assert (await made.accounts.get("customers:hugo")).currency == "USD"
    asked = [one.split(b" ")[1] for one in line.seen]
    token, account = b"/v1/oauth/token", b"/v1/accounts/customers%3Ahugo"
    assert asked == [token, account, token, account, account]
