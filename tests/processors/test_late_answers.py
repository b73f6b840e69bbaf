"""Whoever stands still while he asks, and hears an answer once the payment was moved, pays nothing twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import Servers, TestDatabase
from tests.processors.test_callbacks import told
from tests.processors.test_moves import Ground, ground, later
from zerosum.adapters.clock import now
from zerosum.adapters.processors import Processor, ProcessorAnswer, ProcessorOrder
from zerosum.db.queries.processor_calls import claim_due_calls
from zerosum.domain.identifiers import LedgerId
from zerosum.services.background.completer import Completer

BEHIND = later(120)
"""The clock of the others, when the claim of the one who stands still has lapsed, and nothing of his is on its way."""


class Slow:
    """A processor on the way to which a request stands still until it may go on."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self.parse_callback = processor.parse_callback
        self.asked = threading.Event()
        self.goes_on = threading.Event()

    def pay(self, order: ProcessorOrder) -> ProcessorAnswer:
        self.asked.set()
        self.goes_on.wait(20)
        return self._processor.pay(order)

    def look_up(self, key: str) -> ProcessorAnswer:
        self.asked.set()
        return self._processor.look_up(key)


class SlowToTell(Slow):
    """What it finds when it is asked, it tells much later."""

    def look_up(self, key: str) -> ProcessorAnswer:
        found = self._processor.look_up(key)
        self.asked.set()
        self.goes_on.wait(20)
        return found


@asynccontextmanager
async def one_stands_still(here: Ground) -> AsyncIterator[dict[str, Any]]:
    """A payment that was moved to beta while somebody asks acme for it; behind it, he has acme's answer."""
    payment = await here.paid()
    outside = here.service.settings.processors()["acme"]
    slow = Slow(outside.processor)
    asked = replace(outside, processor=slow, rules=outside.rules.model_copy(update={"timeout_seconds": 20.0}))
    turn = asyncio.create_task(Completer(here.service.database, here.service.committer, asked, now).run_once())
    try:
        assert await asyncio.to_thread(slow.asked.wait, 10)
        await here.turn("acme", BEHIND)
        assert (await here.call_of(payment))["processor"] == "beta", "acme knew nothing of it"
        yield payment
    finally:
        slow.goes_on.set()
        await turn


async def test_a_late_approval_is_not_the_next_ones_and_nobody_is_asked_any_more(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path) as here:
        async with one_stands_still(here) as payment:
            pass
        call = await here.call_of(payment)
        assert (call["processor"], call["state"]) == ("beta", "parked")
        assert call["last_error"] == "acme, which it was moved away from, says that it has carried it out after all"
        assert [(one["told"], one["effect"]) for one in call["callbacks"]] == [("approved", "contradicts")]
        await here.turn("beta", BEHIND)
        assert here.beta.books.payments == {}
        assert (await here.payment(payment))["status"] == "processing"
        await here.must_be_right()


async def test_a_late_decline_does_not_end_what_the_next_one_is_asked_for(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        async with one_stands_still(here) as payment:
            pass
        assert (await here.payment(payment))["status"] == "processing"
        await here.turn("beta", BEHIND)
        done = await here.payment(payment)
        assert (done["status"], done["processor"]) == ("succeeded", "beta")
        await here.must_be_right()


async def test_a_late_word_that_decides_nothing_does_not_disturb_who_asks_the_next_one(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, pending=1.0) as here:
        async with one_stands_still(here) as payment, here.service.database.operator_work() as connection:
            assert len(await claim_due_calls(connection, "beta", BEHIND(), later(600)(), 10)) == 1
        call = await here.call_of(payment)
        assert (call["processor"], call["state"], call["attempts"]) == ("beta", "sent", 1)


async def test_a_dispute_at_the_one_that_was_left_says_that_it_was_paid_there(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment, key = await here.asked_of_beta()
        dispute = {"case_id": "case-1", "reason": "not received"}
        answer = await told(here.client, payment, "approved", processor="acme", key=key, dispute=dispute)
        assert answer.json() == {"effect": "contradicts"}
        await here.turn("beta")
        assert ((await here.call_of(payment))["state"], here.beta.books.payments) == ("parked", {})


async def test_who_has_stood_still_until_others_may_be_at_it_sends_nothing(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, route=("acme",)) as here:
        payment = await here.paid()
        async with here.service.database.operator_work() as connection:
            await claim_due_calls(connection, "acme", now(), now(), 10)
        outside = here.service.settings.processors()["acme"]
        slow = Slow(outside.processor)
        slow.goes_on.set()
        asked = replace(outside, processor=slow)
        stood_still = Completer(
            here.service.database,
            here.service.committer,
            asked,
            lambda: BEHIND() if slow.asked.is_set() else now(),
        )
        await stood_still.run_once(lambda: not slow.asked.is_set())
        assert here.acme.books.payments == {}
        assert (await here.call_of(payment))["last_error"] == "it was too late to send it"
        await here.turn("acme", later(240))
        assert (await here.payment(payment))["status"] == "succeeded"


async def test_what_one_who_has_died_may_have_sent_last_is_waited_for(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    """He may have stood still, and sent it shortly before his claim lapsed."""
    async with ground(test_database, servers, ledger_id, tmp_path) as here:
        payment = await here.paid()
        async with here.service.database.operator_work() as connection:
            await claim_due_calls(connection, "acme", now(), later(14)(), 10)
        await here.turn("acme", later(15))
        call = await here.call_of(payment)
        assert (call["processor"], call["last_error"]) == ("acme", "the processor knows nothing of it")
        await here.turn("acme", later(27))
        assert (await here.call_of(payment))["moves"] == [], "as long as a claim lasts, it may be on its way"
        await here.turn("acme", later(29))
        assert [move["why"] for move in (await here.call_of(payment))["moves"]] == ["absent"]
        await here.must_be_right()


async def test_that_nothing_was_there_is_of_the_moment_at_which_it_was_asked(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    """What arrives between the look and the answer is not known to whoever hears the answer late."""
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules={"timeout_seconds": 10.0}) as here:
        payment = await here.paid()
        async with here.service.database.operator_work() as connection:
            await claim_due_calls(connection, "acme", now(), later(30)(), 10)
        outside = here.service.settings.processors()["acme"]
        slow = SlowToTell(outside.processor)
        asked = replace(outside, processor=slow)

        def clock() -> datetime:
            return later(70 if slow.asked.is_set() else 50)()

        turn = asyncio.create_task(here.turn_with(asked, clock))
        assert await asyncio.to_thread(slow.asked.wait, 10)
        slow.goes_on.set()
        await turn
        call = await here.call_of(payment)
        assert (call["processor"], call["moves"]) == ("acme", [])
        assert call["last_error"] == "the processor knows nothing of it"


async def test_a_word_that_comes_while_the_next_one_is_looked_up_is_heeded(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment, key = await here.asked_of_beta()
        slow = SlowToTell(here.service.settings.processors()["beta"].processor)
        asked = replace(here.service.settings.processors()["beta"], processor=slow)
        turn = asyncio.create_task(here.turn_with(asked))
        assert await asyncio.to_thread(slow.asked.wait, 10)
        answer = await told(here.client, payment, "approved", processor="acme", key=key)
        assert answer.json() == {"effect": "contradicts"}
        slow.goes_on.set()
        await turn
        assert ((await here.call_of(payment))["state"], here.beta.books.payments) == ("parked", {})
