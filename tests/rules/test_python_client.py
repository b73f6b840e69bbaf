"""The Python client where a rule holds a payment: whoever goes on as if it were paid is stopped."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from tests.api.conftest import Client
from tests.api.serving import served
from tests.cli.command import zerosum
from zerosum.client import AsyncClient, NewPayment, PaymentInReview
from zerosum.main import Service


async def test_a_held_payment_is_raised_and_paid_when_somebody_else_approves(
    judging: Service, holding: str, alice: Client, people: list[Client]
) -> None:
    async with served(judging) as port:
        url = f"http://127.0.0.1:{port}"
        async with AsyncClient(url, alice.api_key) as payer, AsyncClient(url, people[0].api_key) as approver:
            order = NewPayment(type="transfer", amount=200, currency="USD", from_="alice", to="bob")
            with pytest.raises(PaymentInReview) as caught:
                await payer.payments.create(
                    type="transfer", amount=200, currency="USD", from_="alice", to="bob", once="rent"
                )
            review = caught.value.review
            assert (review.status, review.rule) == ("in_review", "large transfers")
            done = await approver.reviews.approve(review.id, reason="Known.")
            assert done.payment_id is not None
            assert (await payer.payments.get(done.payment_id)).status == "succeeded"
            said = await asyncio.to_thread(
                zerosum, "pay", "--from", "alice", "--to", "bob", "--amount", "200", "--currency", "USD", "--key", "c",
                environment={"ZEROSUM_URL": url, "ZEROSUM_TOKEN": alice.api_key},
            )  # fmt: skip
            assert (said.code, json.loads(said.out)["status"]) == (4, "in_review"), said
            assert re.fullmatch(r"zerosum: .*large transfers.*is in review\)\n", said.err)
            [held] = (await payer.payments.create_many([order])).results
            assert (held.payment, held.refused, held.review and held.review.status) == (None, None, "in_review")
