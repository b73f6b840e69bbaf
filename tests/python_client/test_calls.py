"""Whole stories against the running service, with both kinds of client."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.api.conftest import service_settings
from tests.api.serving import served
from tests.conftest import Servers, TestDatabase
from tests.python_client.conftest import Place, blocking
from zerosum.adapters.clock import now
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.client import Amount, AsyncClient, Client, NewEntry, Retries, credit, debit
from zerosum.client.refusals import AccountExists, IdempotencyKeyReused, InsufficientFunds, KeyNotFound, RateLimited
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


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


async def test_an_exchange_a_template_and_a_payment_for_later(client: AsyncClient) -> None:
    for code, currency in (("dollars", "USD"), ("euros", "EUR"), ("seller", "USD")):
        await client.accounts.open(code, currency=currency, type="liability")
    await client.accounts.open("revenue:fees", currency="USD", type="revenue")
    await client.payments.create(type="deposit", amount=500, currency="USD", to="dollars")
    exchange = await client.exchanges.create(
        from_="dollars", to="euros", amount=100, currency="USD", to_currency="EUR",
        rate=Decimal("0.9"), rate_source="desk", rate_at=now(),
    )  # fmt: skip
    assert (exchange.bought, (await client.exchanges.get(exchange.id)).difference) == (Decimal(90), exchange.difference)
    template = await client.templates.make(**MARKETPLACE)
    sale: dict[str, Amount] = {
        "price": Decimal("100.00"),
        "fee": "2.9",
        "buyer": "dollars",
        "seller": "seller",
        "order": "A-1",
    }
    entry = await client.templates.post(template.name, sale)
    assert entry.template is not None
    assert (entry.template.version, entry.postings[0].amount) == (1, Decimal(100))
    later = await client.scheduled_payments.create(
        type="withdrawal", amount=1, currency="USD", from_="dollars", execute_at=now() + timedelta(days=2),
        rule="FREQ=MONTHLY;COUNT=3", time_zone="Europe/Berlin", once="rent",
    )  # fmt: skip
    assert (await client.scheduled_payments.take_off(later.id)).status == "cancelled"
    assert [one.id async for one in client.scheduled_payments.list(account="dollars")] == [later.id]


async def test_a_dispute_from_notice_to_chargeback(client: AsyncClient) -> None:
    await client.accounts.open("shop", currency="USD", type="liability")
    sale = await client.payments.create(type="deposit", amount=30, currency="USD", to="shop")
    dispute = await client.payments.dispute(sale.id, reason="fraudulent", provider_case_id="case-1")
    await client.disputes.add_evidence(dispute.id, text="Signed for")
    lost = await client.disputes.charge_back(dispute.id, note="No use")
    assert (lost.status, len(lost.evidence), [one.id async for one in client.disputes.list(payment=sale.id)]) == (
        "lost",
        1,
        [dispute.id],
    )


async def test_items_of_a_bulk_call_keep_their_keys(client: AsyncClient) -> None:
    for code in ("a", "b"):
        await client.accounts.open(code, currency="USD", type="liability", min_available=None)
    entries = [
        NewEntry(reason="one", postings=[debit("a", "1", "USD"), credit("b", "1", "USD")]),
        NewEntry(reason="crooked", postings=[debit("a", "1", "USD"), credit("b", "2", "USD")]),
    ]
    first, again = [(await client.entries.post_many(entries)).results for _ in range(2)]
    assert [one.refused and one.refused.code for one in first] == [None, "unbalanced"]
    assert first[0].data is not None
    assert again[0].data is not None
    assert (again[0].replayed, again[0].data.id) == (True, first[0].data.id)
    assert (await client.accounts.get("a")).balance.posted == -1


async def test_a_real_rate_limit_is_waited_out(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    """The service says when, in whole seconds: of four calls a second the fifth has to wait."""
    service = Service(service_settings(test_database, servers, rate_limit_per_principal="4/s"))
    await service.start()
    _, text = await service.services.api_keys.create(ledger_id, "test", ["accounts:read"])
    async with served(service) as port, AsyncClient(f"http://127.0.0.1:{port}", text) as client:
        assert [[one async for one in client.accounts.list()] for _ in range(6)] == [[]] * 6
    async with (
        served(service) as port,
        AsyncClient(f"http://127.0.0.1:{port}", text, retries=Retries(seconds_max=0)) as hasty,
    ):
        with pytest.raises(RateLimited):  # noqa: PT012 - one of them
            for _ in range(20):
                [one async for one in hasty.accounts.list()]
    await service.stop()


LOADED = """
import sys, zerosum.client
rooms = {name for name in sys.modules if name.startswith("zerosum.") and not name.startswith("zerosum.client")}
print(sorted(rooms | ({"pydantic", "sqlalchemy", "fastapi", "orjson", "redis"} & set(sys.modules))))
"""


def test_it_loads_nothing_of_the_service() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
