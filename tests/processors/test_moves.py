"""A payment goes on to the next processor of its route once the first has surely not carried it out, and never else."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import QUICK, SECRET, client_with, processing_service, sandbox_running, withdrawn
from tests.processors.test_callbacks import told
from zerosum.adapters.clock import now
from zerosum.cli.sandbox import server as sandbox_server
from zerosum.cli.sandbox.behaviour import Chances
from zerosum.cli.sandbox.server import Sandbox
from zerosum.console.pages.payment_life import steps_of
from zerosum.db.queries.processor_calls import claim_due_calls
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.outside import live_processors
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.completer import Completer
from zerosum.services.committing.committer import Committer
from zerosum.services.payment_lives import PaymentLives
from zerosum.services.processor_moves import Mover
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.outside_processors import Outside

NOWHERE = "http://127.0.0.1:9"

TECHNICAL = ["refused_by_sandbox"]
"""How the sandbox declines: `acme` calls that a technical reason."""


class Dying:
    """The committer of somebody who dies before it commits, or before he hears that it has."""

    def __init__(self, committer: Committer, dice: random.Random) -> None:
        self._committer = committer
        self._dice = dice
        self.died = [0, 0]

    async def carry_out(self, command: Any) -> Any:
        self._may_die(0)
        outcome = await self._committer.carry_out(command)
        self._may_die(1)
        return outcome

    def _may_die(self, place: int) -> None:
        if self._dice.random() < 0.25:
            self.died[place] += 1
            raise ConnectionAbortedError("the worker is gone")


@dataclass
class Ground:
    """Two processors in one route, `acme` before `beta`."""

    service: Service
    client: Client
    ledger_id: LedgerId
    acme: Sandbox
    beta: Sandbox

    async def turn(self, name: str, clock: Callable[[], datetime] = now, committer: Any = None) -> int:
        return await self.completer(name, clock, committer).run_once()

    def completer(self, name: str, clock: Callable[[], datetime] = now, committer: Any = None) -> Completer:
        return self.completer_of(live_processors(self.service.settings).processors[name], clock, committer)

    async def turn_with(self, outside: Outside, clock: Callable[[], datetime] = now, committer: Any = None) -> int:
        return await self.completer_of(outside, clock, committer).run_once()

    def completer_of(self, outside: Outside, clock: Callable[[], datetime], committer: Any = None) -> Completer:
        service, by = self.service, committer or self.service.committer
        accounts = bare_accounts(service.database, clock)
        mover = Mover(service.database, by, accounts, live_processors(service.settings), clock)
        return Completer(service.database, by, outside, clock, mover=mover)

    async def paid(self, **members: Any) -> dict[str, Any]:
        return await withdrawn(self.client, processor="auto", **members)

    async def asked_of_beta(self) -> tuple[dict[str, Any], str]:
        """A payment that acme has declined and somebody who has died has begun to ask beta for; its key with acme."""
        payment = await self.paid()
        await self.turn("acme")
        async with self.service.database.operator_work() as connection:
            await claim_due_calls(connection, "beta", now(), now() - timedelta(seconds=1), 10)
        return payment, (await self.call_of(payment))["moves"][0]["key"]

    async def call_of(self, payment: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/processor-calls/{payment['id']}")).json()
        return found

    async def payment(self, payment: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/payments/{payment['id']}")).json()
        return found

    async def must_be_right(self) -> None:
        assert (await verify_ledger(self.service.database, self.ledger_id, lambda *_: None)).breaks == []

    async def posted(self) -> str:
        return str((await self.client.balance("alice"))["posted"])


@asynccontextmanager
async def ground(
    database: TestDatabase,
    servers: Servers,
    ledger_id: LedgerId,
    folder: Path,
    *,
    acme_url: str | None = None,
    acme_rules: dict[str, Any] | None = None,
    route: Sequence[str] = ("acme", "beta"),
    stuck_below: str | None = None,
    **acme: Any,
) -> AsyncIterator[Ground]:
    with sandbox_running(chances=Chances(**acme)) as first, sandbox_running() as second:
        shared = {"kind": "sandbox", "secret": SECRET, **QUICK}
        rules = {"technical_reasons": TECHNICAL, **(acme_rules or {})}
        processors = {
            "acme": {**shared, "base_url": acme_url or first.url, **rules},
            "beta": {**shared, "base_url": second.url},
        }
        routes: list[dict[str, Any]] = [{"name": "both", "processors": list(route)}]
        if stuck_below is not None:
            processors["gamma"] = {**shared, "base_url": second.url, "paused": True}
            routes.insert(0, {"name": "small", "amount_below": stuck_below, "processors": ["acme", "gamma"]})
        file = folder / "processors.json"
        file.write_text(json.dumps({"processors": processors, "routes": routes}), encoding="utf-8")
        async with processing_service(database, servers, file) as service:
            client = await client_with(service, ledger_id)
            yield Ground(service, client, ledger_id, first, second)
            await client.http.aclose()
            async with service.database.work(SERVICE_LEDGER) as connection:
                # The next test's processors are called the same.
                await connection.exec_driver_sql(
                    "update processor_health set consecutive_failures = 0, paused_until = null, approved = 0, "
                    "attempts = 0, approved_before = 0, attempts_before = 0"
                )


def later(seconds: float) -> Callable[[], datetime]:
    return lambda: now() + timedelta(seconds=seconds)


async def test_what_was_declined_for_a_technical_reason_is_carried_out_by_the_next(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment = await here.paid()
        assert (await here.call_of(payment))["routing"]["next"] == ["beta"]
        await here.turn("acme")
        await here.must_be_right()
        call = await here.call_of(payment)
        assert (call["processor"], call["state"], call["attempts"], call["sent_at"]) == ("beta", "proposed", 0, None)
        [move] = call["moves"]
        assert (move["processor"], move["to"], move["why"], move["told"], move["attempts"]) == (
            "acme", "beta", "declined", "refused_by_sandbox", 1,
        )  # fmt: skip
        assert call["key"] == move["key"] + "-2"
        assert (await here.payment(payment))["status"] == "processing"
        await here.turn("beta")
        done = await here.payment(payment)
        assert (done["status"], done["processor"], done["to_code"]) == ("succeeded", "beta", "clearing:beta:USD")
        assert done["journal_entry_ids"][1] == move["journal_entry_id"]
        assert await here.posted() == "980.00"
        assert set(here.beta.books.payments) == {call["key"]}
        clearing = [(await here.client.balance(f"clearing:{name}:USD")) for name in ("acme", "beta")]
        assert [(one["posted"], one["held"]) for one in clearing] == [("0.00", "0.00"), ("-20.00", "0.00")]
        await here.must_be_right()


async def test_its_life_tells_all_that_were_asked(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        await here.turn("beta")
        life = PaymentLives(here.service.database)
        steps = steps_of(await life.get(Caller(ledger_id, "test"), parse_id(Prefix.PAYMENT, payment["id"])))
        told = [step.title for step in steps if step.kind != "entry"]
        assert told == [
            "To be carried out by acme",
            "acme was asked",
            "acme has not carried it out: beta is asked",
            "beta was asked",
            "beta: approved",
        ]
        entries = [step.title for step in steps if step.kind == "entry"]
        assert entries == ["Payment proposed", "Payment moved", "Payment approved"]


async def test_the_first_answer_stays_what_it_was(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    body = {"type": "deposit", "amount": "7.00", "currency": "USD", "to": "alice", "processor": "auto"}
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        first = await here.client.pay(body, "once")
        await here.turn("acme")
        await here.turn("beta")
        assert (await here.payment(first.json()))["from_code"] == "clearing:beta:USD"
        again = await here.client.pay(body, "once")
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.json()["processor"] == "acme"
        assert await here.posted() == "1007.00"
        back = await here.client.post(f"/v1/payments/{first.json()['id']}/refund", {"amount": "2.00"}, key="back")
        assert back.status_code == 201, back.text
        await here.turn("beta")
        assert await here.posted() == "1005.00"
        assert (await here.client.balance("clearing:beta:USD"))["posted"] == "5.00"
        await here.must_be_right()


async def test_what_was_never_sent_goes_on_and_what_may_have_been_sent_does_not(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, acme_url=NOWHERE) as here:
        payment = await here.paid()
        await here.turn("acme")
        [move] = (await here.call_of(payment))["moves"]
        assert (move["why"], move["told"]) == ("not_sent", "ConnectError")
        await here.turn("beta")
        assert (await here.payment(payment))["status"] == "succeeded"
        lost = await here.paid()
        async with here.service.database.operator_work() as connection:
            # Somebody has died in the middle of asking: at the next attempt no connection says nothing of that one.
            await claim_due_calls(connection, "acme", now(), now() - timedelta(seconds=1), 10)
        await here.turn("acme")
        call = await here.call_of(lost)
        assert (call["processor"], call["state"], call["moves"]) == ("acme", "unknown", [])
        await here.must_be_right()


async def test_one_that_knows_nothing_of_it_is_left_once_nothing_can_be_on_its_way(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, never=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        await here.turn("acme", later(5))
        call = await here.call_of(payment)
        assert (call["processor"], call["last_error"]) == ("acme", "the processor knows nothing of it")
        assert here.acme.books.figures()["asked"] == 0, "and it was not sent again"
        await here.turn("acme", later(20))
        [move] = (await here.call_of(payment))["moves"]
        assert move["why"] == "absent"
        await here.turn("beta", later(20))
        assert (await here.payment(payment))["status"] == "succeeded"
        await here.must_be_right()


async def test_what_nobody_knows_and_what_the_next_would_decline_too_stays_where_it_is(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules={"technical_reasons": []}) as here:
        declined, silent = await here.paid(reference="sandbox:declined"), await here.paid(reference="sandbox:silent")
        for seconds in (0, 20, 3600):
            await here.turn("acme", later(seconds))
        assert ((await here.payment(declined))["status"], (await here.payment(silent))["status"]) == (
            "failed",
            "processing",
        )
        assert (await here.call_of(silent))["moves"] == []
        assert here.beta.books.payments == {}


@pytest.mark.parametrize("id_member", ["id", "none"], ids=["with an id of its own", "without"])
async def test_one_that_has_had_it_and_knows_nothing_of_it_now_may_have_done_it(
    test_database: TestDatabase,
    servers: Servers,
    ledger_id: LedgerId,
    tmp_path: Path,
    id_member: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have thrown away what is old, or lost its memory."""
    monkeypatch.setattr(sandbox_server, "PENDING_SECONDS", 3600.0)
    rules = {"members": {"id": id_member}}
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules=rules, pending=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        await here.turn("acme", later(5))
        here.acme.books.payments.clear()
        for seconds in (20, 40, 3600):
            await here.turn("acme", later(seconds))
        call = await here.call_of(payment)
        assert (call["processor"], call["state"], call["moves"]) == ("acme", "unknown", [])
        assert call["last_error"] == "the processor has had it, and knows nothing of it now"
        assert (here.acme.books.payments, here.beta.books.payments) == ({}, {})


async def test_one_that_has_called_back_about_it_may_have_done_it(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, never=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        assert (await told(here.client, payment, "pending", processor="acme")).json() == {"effect": "noted"}
        for seconds in (20, 3600):
            await here.turn("acme", later(seconds))
        call = await here.call_of(payment)
        assert (call["processor"], call["moves"]) == ("acme", [])
        assert call["last_error"] == "the processor has had it, and knows nothing of it now"


async def test_what_must_not_be_asked_twice_is_not_asked_elsewhere_for_want_of_an_answer(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    rules = {"repeats_safely": False}
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules=rules, never=1.0) as here:
        payment = await here.paid()
        for seconds in (0, 20, 3600):
            await here.turn("acme", later(seconds))
        call = await here.call_of(payment)
        assert (call["processor"], call["moves"]) == ("acme", [])
        assert call["last_error"] == "the processor knows nothing of it, and must not be asked twice"


async def test_a_processor_that_keeps_what_it_was_given_is_left_by_nothing(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    rules = {"fails_over": False}
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules=rules, declined=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        assert (await here.payment(payment))["status"] == "failed"


async def test_what_waits_for_one_that_is_left_alone_and_was_not_asked_for_goes_on(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    rules = {"breaker_failures": 1, "breaker_seconds": 600, "at_once": 1}
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules=rules, fails=1.0) as here:
        payments = [await here.paid(amount="1.00") for _ in range(3)]
        await here.turn("acme")
        await here.turn("acme")
        calls = [await here.call_of(payment) for payment in payments]
        assert [(call["processor"], call["state"]) for call in calls] == [
            ("acme", "unknown"),
            ("beta", "proposed"),
            ("beta", "proposed"),
        ]
        assert {call["moves"][0]["why"] for call in calls[1:]} == {"not_sent"}
        await here.turn("beta")
        assert await here.posted() == "998.00"
        await here.must_be_right()


async def test_many_that_cannot_go_on_do_not_hide_one_that_can(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    rules = {"breaker_failures": 1, "breaker_seconds": 600, "at_once": 1}
    async with ground(
        test_database, servers, ledger_id, tmp_path, acme_rules=rules, stuck_below="2.00", fails=1.0
    ) as here:
        out = {"type": "withdrawal", "amount": "1.00", "currency": "USD", "from": "alice", "processor": "auto"}
        items = [out | {"idempotency_key": f"stuck-{number}"} for number in range(151)]
        assert (await here.client.post("/v1/payments/bulk", {"items": items})).status_code == 200
        last = await here.paid(amount="5.00")
        worker = here.completer("acme")
        for _ in range(2):
            await worker.run_once()
        assert (await here.call_of(last))["processor"] == "acme", "a page of those that cannot was looked at"
        await worker.run_once()
        assert (await here.call_of(last))["processor"] == "beta"


async def test_a_person_who_has_looked_at_the_one_that_was_left_settles_nothing(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment = await here.paid()
        await here.turn("acme")
        path = f"/v1/processor-calls/{payment['id']}/settle"
        said = {"outcome": "declined", "reason": "Not there.", "processor": "acme"}
        refused(await here.client.post(path, said, key=fresh_key()), 409, "processor_call_moved")
        assert (await here.payment(payment))["status"] == "processing"
        said |= {"outcome": "approved", "processor": "beta"}
        assert (await here.client.post(path, said, key=fresh_key())).status_code == 200
        log = (await here.client.get("/v1/audit-log?type=processor_call.settled")).json()["data"]
        assert [one["facts"]["processor"] for one in log if one["resource"] == payment["id"]] == ["beta"]
        await here.must_be_right()


async def test_one_that_cannot_be_moved_holds_up_no_other(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    class Failing:
        """The committer, for which the first is too much."""

        def __init__(self, committer: Committer) -> None:
            self._committer = committer
            self.failed = 0

        async def carry_out(self, command: Any) -> Any:
            if not self.failed:
                self.failed = 1
                raise LookupError("something is wrong with it")
            return await self._committer.carry_out(command)

    rules = {"breaker_failures": 1, "breaker_seconds": 600, "at_once": 1}
    async with ground(test_database, servers, ledger_id, tmp_path, acme_rules=rules, fails=1.0) as here:
        payments = [await here.paid(amount="1.00") for _ in range(3)]
        await here.turn("acme")
        await here.turn("acme", committer=Failing(here.service.committer))
        calls = [await here.call_of(payment) for payment in payments]
        assert [call["processor"] for call in calls] == ["acme", "acme", "beta"]


async def test_what_the_first_tells_afterwards_pays_nothing_twice(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        unsent, sent = await here.paid(amount="1.00"), await here.paid(amount="2.00")
        await here.turn("acme")
        keys = [(await here.call_of(payment))["moves"][0]["key"] for payment in (unsent, sent)]
        declined = await told(here.client, unsent, "declined", processor="acme", key=keys[0])
        assert declined.json() == {"effect": "confirms"}
        approved = await told(here.client, unsent, "approved", processor="acme", key=keys[0])
        assert approved.json() == {"effect": "contradicts"}
        call = await here.call_of(unsent)
        assert (call["state"], call["next_at"]) == ("parked", None)
        assert call["last_error"] == "acme, which it was moved away from, says that it has carried it out after all"
        await here.turn("beta")
        assert set(here.beta.books.payments) == {(await here.call_of(sent))["key"]}
        assert (await here.payment(unsent))["status"] == "processing"
        late = await told(here.client, sent, "approved", processor="acme", key=keys[1])
        assert late.json() == {"effect": "contradicts"}
        assert (await here.payment(sent))["status"] == "succeeded"
        assert await here.posted() == "998.00"
        stranger = await told(here.client, sent, "approved", processor="beta", key=keys[1])
        assert stranger.status_code == 404
        await here.must_be_right()
        body = {"outcome": "declined", "reason": "acme has paid it, and that is booked by hand."}
        settled = await here.client.post(f"/v1/processor-calls/{unsent['id']}/settle", body, key="by-hand")
        assert (settled.status_code, settled.json()["state"]) == (200, "declined")
        await here.must_be_right()


async def test_one_that_was_asked_for_already_is_not_sent_again_once_the_first_says_it_has_paid(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment, key = await here.asked_of_beta()
        assert (await told(here.client, payment, "approved", processor="acme", key=key)).status_code == 200
        assert (await here.call_of(payment))["state"] == "sent", "who is asking is not disturbed"
        await here.turn("beta")
        assert (await here.call_of(payment))["state"] == "parked"
        assert here.beta.books.payments == {}
        await here.must_be_right()


async def test_a_decline_that_is_called_back_is_moved_by_the_worker(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment = await here.paid()
        noted = await told(here.client, payment, "declined", processor="acme", reason=TECHNICAL[0])
        assert noted.json() == {"effect": "noted"}
        await here.turn("acme")
        assert (await here.call_of(payment))["processor"] == "beta"


async def test_whoever_dies_and_whoever_comes_at_once_moves_each_once(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    """Three workers for each processor, who die before and behind what they commit; then whatever is left over."""
    chances: dict[str, Any] = {"declined": 0.4, "lost": 0.15, "never": 0.2, "fails": 0.05}
    async with ground(test_database, servers, ledger_id, tmp_path, **chances) as here:
        payments = [await here.paid(amount="1.00") for _ in range(40)]
        dying = Dying(here.service.committer, random.Random(58))
        for round_ in range(30):
            clock = later(100.0 * round_)
            committer = dying if round_ < 12 else here.service.committer
            turns = [here.turn(name, clock, committer) for name in ("acme", "beta") for _ in range(3)]
            begun = await asyncio.gather(*turns)
            # What hangs is over, before a claim of it can lapse: the clock of this test runs ahead of the threads.
            for thread in threading.enumerate():
                if thread.name.startswith("calls of"):
                    await asyncio.to_thread(thread.join, 10)
            if round_ > 12 and not any(begun):
                break
        assert min(dying.died) > 5
        done = [await here.payment(payment) for payment in payments]
        assert {one["status"] for one in done} == {"succeeded"}
        approved = [
            (sandbox, one.payment_id)
            for sandbox, books in (("acme", here.acme.books), ("beta", here.beta.books))
            for one in books.payments.values()
            if one.status == "approved"
        ]
        assert sorted(approved) == sorted((one["processor"], one["id"]) for one in done), "each was carried out once"
        assert {one["processor"] for one in done} == {"acme", "beta"}
        assert await here.posted() == "960.00"
        await here.must_be_right()
