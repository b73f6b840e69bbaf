"""Whole stories against the running service, with both kinds of client."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.python_client.conftest import Place, blocking
from zerosum.client import AsyncClient, Client, credit, debit
from zerosum.client.refusals import AccountExists, IdempotencyKeyReused, InsufficientFunds, KeyNotFound


def _story(client: Client) -> tuple[Decimal, ...]:
    alice = client.accounts.open("customers:alice", currency="USD", type="liability", name="Alice")
    client.accounts.open("customers:bob", currency="USD", type="liability", min_available=None)
    paid_in = client.payments.create(type="deposit", amount=Decimal("100"), currency="USD", to=alice.code)
    paid = client.payments.create(
        type="transfer", amount="12.34", currency="USD", from_=alice.id, to="customers:bob", with_balances=True
    )
    refund = client.payments.refund(paid.id, amount="2.34", reason="Returned")
    hold = client.holds.place(from_=alice.code, to="customers:bob", amount=50, currency="USD")
    hold = client.holds.capture(hold.id, amount="42.50", final=True)
    entry = client.entries.post(
        reason="A fee", postings=[debit(alice.code, "0.10", "USD"), credit("customers:bob", "0.10", "USD")]
    )
    client.entries.reverse(entry.id, reason="Not this one")
    balance = client.accounts.balance(alice.code, min_version=hold.account_versions[alice.id])
    assert client.accounts.change(alice.code, name=None, max_available=1000).name is None
    assert [one.id for one in client.payments.list(account=alice.code, page_size=1, order="asc")][:2] == [
        paid_in.id,
        paid.id,
    ]
    [total] = client.reports.trial_balance().currencies
    return paid.balances[0].available, refund.amount, hold.captured, balance.available, total.difference


async def test_a_day_with_the_blocking_client(place: Place) -> None:
    told = await blocking(place, _story)
    assert told == (Decimal("87.66"), Decimal("2.34"), Decimal("42.50"), Decimal("47.50"), Decimal(0))


async def test_the_same_calls_are_awaited_with_the_other(client: AsyncClient) -> None:
    await client.accounts.open("customers:carol", currency="JPY", type="liability")
    for number in range(3):
        await client.payments.create(
            type="deposit", amount=number + 1, currency="JPY", to="customers:carol", metadata={"number": str(number)}
        )
    listed = [payment.amount async for payment in client.payments.list(account="customers:carol", page_size=2)]
    assert listed == [3, 2, 1]
    [found] = [one async for one in client.payments.list(metadata={"number": "1"})]
    assert (found.amount, found.raw["amount"]) == (Decimal(2), "2")


async def test_what_is_done_once_is_done_once_in_this_process_and_the_next(place: Place, client: AsyncClient) -> None:
    await client.accounts.open("customers:dora", currency="USD", type="liability")
    first = await client.payments.create(
        type="deposit", amount="5", currency="USD", to="customers:dora", once="invoice 42"
    )
    again = await blocking(
        place,
        lambda other: other.payments.create(
            type="deposit", amount="5.00", currency="USD", to="customers:dora", once="invoice 42"
        ),
    )
    assert (again.id, first.replayed, again.replayed) == (first.id, False, True)
    with pytest.raises(IdempotencyKeyReused):
        await client.payments.create(type="deposit", amount="6", currency="USD", to="customers:dora", once="invoice 42")
    named = await client.payments.create(
        type="deposit", amount="1", currency="USD", to="customers:dora", once="invoice-43"
    )
    outcome = await client.reports.outcome_of("createPayment:invoice-43")
    assert (outcome.outcome, outcome.resource and outcome.resource.id) == ("posted", named.id)
    with pytest.raises(KeyNotFound):
        await client.reports.outcome_of("createPayment:invoice-44")


async def test_refusals_are_told_by_their_class_with_their_facts(client: AsyncClient) -> None:
    await client.accounts.open("customers:eve", currency="USD", type="liability")
    with pytest.raises(InsufficientFunds) as caught:
        await client.payments.create(type="withdrawal", amount="3", currency="USD", from_="customers:eve")
    refused = caught.value
    assert (refused.available, refused.required, refused.account) == (Decimal(0), Decimal(3), "customers:eve")
    assert (refused.faults[0].pointer, refused.retryable, refused.idempotency_key is None) == ("/from", False, False)
    with pytest.raises(AccountExists):
        await client.accounts.open("customers:eve", currency="USD", type="liability")


async def test_a_rehearsal_writes_nothing(client: AsyncClient) -> None:
    await client.accounts.open("customers:fred", currency="USD", type="liability")
    seen = await client.payments.create(type="deposit", amount="5", currency="USD", to="customers:fred", dry_run=True)
    assert (seen.dry_run, len(seen.balances)) == (True, 2)
    assert (await client.accounts.get("customers:fred")).balance.posted == 0
