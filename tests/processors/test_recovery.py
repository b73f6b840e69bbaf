"""Wherever somebody dies, and whatever a plug-in does: what is in PostgreSQL says what to do next."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.architecture.sources import TOP
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import (
    client_with,
    completer_of,
    processing_service,
    withdrawn,
)
from zerosum.adapters.clock import now
from zerosum.adapters.processors import (
    BadCallback,
    ProcessorAnswer,
    ProcessorCallback,
    ProcessorOrder,
    ProcessorOutcome,
)
from zerosum.adapters.processors.configured import CallRules, ConfiguredProcessor, ProcessorsFileWrong, read_processors
from zerosum.adapters.processors.routes_file import read_routes
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import ClaimedCall, claim_due_calls
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.processor_calls import call_key
from zerosum.main import Service
from zerosum.services.background.completer import Completer
from zerosum.services.proofs.whole_ledger import verify_ledger


async def claimed_and_dead(database: Database) -> ClaimedCall:
    """As a worker leaves it that dies behind its claim, some time ago."""
    long_ago = now() - timedelta(seconds=1)
    async with database.operator_work() as connection:
        [call] = await claim_due_calls(connection, "sandbox", now(), long_ago, 10)
    return call


async def status_of(client: Client, payment: dict[str, Any]) -> str:
    return str((await client.get(f"/v1/payments/{payment['id']}")).json()["status"])


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_who_dies_before_asking_is_followed_by_one_who_looks_first(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice)
    await claimed_and_dead(database)
    await must_be_right(database, ledger_id)
    assert await completer_of(outside).run_once() == 1
    assert await status_of(alice, payment) == "succeeded"
    assert sandbox.books.figures()["asked"] == 1
    await must_be_right(database, ledger_id)


async def test_who_dies_behind_the_reply_is_followed_by_one_who_asks_for_nothing_twice(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice)
    call = await claimed_and_dead(database)
    order = ProcessorOrder(
        key=call_key(call.ledger_id, call.id),
        payment_id=payment["id"],
        type=call.type,
        amount=render_amount(call.amount),
        currency=call.currency,
    )
    processor = outside.settings.processors()["sandbox"].processor
    await asyncio.to_thread(processor.pay, order)
    assert await status_of(alice, payment) == "processing"
    assert await completer_of(outside).run_once() == 1
    assert await status_of(alice, payment) == "succeeded"
    assert sandbox.books.figures()["asked"] == 1, "it was looked up"
    await must_be_right(database, ledger_id)


async def test_two_workers_ask_for_each_once(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payments = [await withdrawn(alice, "1.00") for _ in range(30)]
    begun = await asyncio.gather(*[completer_of(outside).run_once() for _ in range(3)])
    assert sum(begun) == 30
    assert sandbox.books.figures() | {"asked": 30, "payments": 30} == sandbox.books.figures()
    assert {await status_of(alice, payment) for payment in payments} == {"succeeded"}
    assert (await alice.balance("alice"))["posted"] == "970.00"
    await must_be_right(database, ledger_id)


async def test_a_turn_that_is_cut_off_leaves_nothing_that_the_next_does_not_find(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, reference="sandbox:hangs")
    turn = asyncio.create_task(completer_of(outside).run_once())
    while not sandbox.books.payments:
        await asyncio.sleep(0.01)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    async with database.operator_work() as connection:
        # The claim lapses; nobody waits for that here.
        await connection.exec_driver_sql("update processor_calls set next_at = now() where state = 'sent'")
    await completer_of(outside).run_once()
    assert await status_of(alice, payment) == "succeeded"
    assert sandbox.books.figures()["approved"] == 1
    await must_be_right(database, ledger_id)


@dataclass
class Wild:
    """A plug-in that does as it likes."""

    pays: Any = None
    asked: int = 0

    def pay(self, order: ProcessorOrder) -> ProcessorAnswer:
        self.asked += 1
        answer: ProcessorAnswer = self.pays(order)
        return answer

    def look_up(self, key: str) -> ProcessorAnswer:
        return ProcessorAnswer(outcome=ProcessorOutcome.ABSENT)

    def parse_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProcessorCallback:
        raise BadCallback("never")


def wild_completer(service: Service, pays: Any, **rules: Any) -> tuple[Completer, Wild]:
    wild = Wild(pays)
    given = {"timeout_seconds": 0.2, "attempts_max": 3, "backoff_seconds": 0.01, "backoff_seconds_max": 0.01}
    given |= {"breaker_failures": 0, **rules}
    configured = ConfiguredProcessor(name="sandbox", kind="wild", processor=wild, rules=CallRules(**given))
    return Completer(service.database, service.committer, configured, now), wild


async def until_parked(client: Client, completer: Completer, payment: dict[str, Any]) -> dict[str, Any]:
    for _ in range(30):
        await completer.run_once()
        call: dict[str, Any] = (await client.get(f"/v1/processor-calls/{payment['id']}")).json()
        if call["state"] == "parked":
            break
        await asyncio.sleep(0.02)
    assert call["state"] == "parked"
    return call


def _exits(_: ProcessorOrder) -> ProcessorAnswer:
    sys.exit(3)


def _raises(_: ProcessorOrder) -> ProcessorAnswer:
    raise ValueError("no such thing")


def _more(order: ProcessorOrder) -> ProcessorAnswer:
    return ProcessorAnswer(outcome=ProcessorOutcome.APPROVED, amount="20.01")


def _nonsense(order: ProcessorOrder) -> ProcessorAnswer:
    return ProcessorAnswer(outcome=ProcessorOutcome.APPROVED, amount="a lot")


@pytest.mark.parametrize(
    ("pays", "error", "asked"),
    [
        (_exits, "RuntimeError", 3),
        (_raises, "ValueError", 3),
        (lambda _: None, "the plug-in's answer is no answer", 3),
        (_more, "more was approved than was asked for", 1),
        (_nonsense, "the approved amount is no amount in USD: invalid_amount", 1),
    ],
)
async def test_a_plug_in_that_fails_ends_with_a_person_and_nothing_is_paid(
    pays: Any, error: str, asked: int, alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice)
    completer, wild = wild_completer(outside, pays)
    call = await until_parked(alice, completer, payment)
    assert (call["last_error"], wild.asked) == (error, asked)
    assert (await alice.balance("alice"))["held"] == "20.00"
    await must_be_right(database, ledger_id)


async def test_a_processor_that_does_not_know_its_keys_is_never_asked_twice(alice: Client, outside: Service) -> None:
    payment = await withdrawn(alice)
    completer, wild = wild_completer(outside, _raises, repeats_safely=False)
    call = await until_parked(alice, completer, payment)
    assert (wild.asked, call["last_error"]) == (1, "the processor knows nothing of it, and must not be asked twice")


async def test_a_plug_in_that_hangs_keeps_the_turn_no_longer_than_its_time(alice: Client, outside: Service) -> None:
    hung = threading.Event()

    def hang(_: ProcessorOrder) -> ProcessorAnswer:
        hung.wait(10)
        return ProcessorAnswer(outcome=ProcessorOutcome.APPROVED)

    payments = [await withdrawn(alice, "1.00") for _ in range(4)]
    completer, wild = wild_completer(outside, hang, at_once=2)
    begun_at = time.monotonic()
    await completer.run_once()
    assert time.monotonic() - begun_at < 5
    assert wild.asked == 2, "its threads are bounded, too"
    assert await completer.run_once() == 0, "all its places are taken: nothing more is claimed"
    hung.set()
    other = completer_of(outside)
    for _ in range(40):
        await other.run_once()
        states = {await status_of(alice, payment) for payment in payments}
        if states == {"succeeded"}:
            break
        await asyncio.sleep(0.02)
    assert states == {"succeeded"}


def sample_plug_in(folder: Path) -> None:
    """The one of the page, as a package that is installed."""
    page = (TOP / "docs" / "changing" / "processor.md").read_text(encoding="utf-8")
    [code] = re.findall(r"   ```python\n(.*?)   ```\n", page, re.DOTALL)
    (folder / "acme_processor.py").write_text(re.sub(r"(?m)^   ", "", code), encoding="utf-8")
    info = folder / "acme_processor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-processor\nVersion: 1.0\n", encoding="utf-8")
    entry = re.search(r'(?m)^   acme = "(.*)"$', page)
    assert entry is not None
    (info / "entry_points.txt").write_text(f"[zerosum.processors]\nacme = {entry[1]}\n", encoding="utf-8")


async def test_the_sample_of_the_page_is_a_processor(
    test_database: TestDatabase,
    servers: Servers,
    tmp_path: Path,
    ledger_id: LedgerId,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample_plug_in(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "processors.toml"
    file.write_text('[processors.payouts]\nkind = "acme"\nlimit = 50\n', encoding="utf-8")
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        payments = [await withdrawn(client, amount, processor="payouts") for amount in ("50.00", "50.01")]
        await completer_of(service, "payouts").run_once()
        found = [(await client.get(f"/v1/payments/{payment['id']}")).json() for payment in payments]
        assert [(one["status"], one["failure_reason"]) for one in found] == [
            ("succeeded", None),
            ("failed", "over_limit"),
        ]
        await must_be_right(database, ledger_id)
        await client.http.aclose()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[processors.a]\nkind = 'http'", "processors.a.base_url: Field required"),
        ("[processors.a]\nkind = 'nothing'", "processors.a.kind is one of http, iso20022, sandbox"),
        ("[processors.internal]\nkind = 'http'", "and not `internal` or `auto`"),
        ("[processors.a]\nkind = 'http'\nbase_url = 'https://a'", "secret or secret_file is missing"),
        ("[processors.a]\nkind = 'http'\nbase_url = 'http://a.example'\nsecret = 'x'", "must be https"),
        ("[processors.a]\nkind = 'http'\nbase_url = 'https://a'\nsecret = 'short'", "at least 16 bytes"),
        ("[processors.a]\nkind = 'http'\nbase_ulr = 'https://a'", "processors.a.base_url: Field required"),
        ("[processors.a]\nkind = 'http'\ntimeout_seconds = 0", "processors.a.timeout_seconds"),
        ("nothing = 1", "has the tables `processors` and `routes`, and not nothing"),
        ("routes = []", "has no table `processors`"),
        ("not toml", "processors.toml: "),
    ],
)
def test_a_file_that_is_wrong_is_told_of_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProcessorsFileWrong) as raised:
        read_processors(file)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


ROUTED = """
[processors.first]
kind = "http"
base_url = "http://127.0.0.1:9"
secret = "a secret of nobody else"

[processors.second]
kind = "http"
base_url = "http://127.0.0.1:9"
secret = "a secret of nobody else"

[[routes]]
name = "small"
amount_below = "10"
accounts = ["alice"]
processors = ["first"]

[[routes]]
name = "withdrawals"
types = ["withdrawal"]
weights = { first = 1, second = 1 }
"""


async def test_a_payment_that_leaves_the_choice_to_the_routes_tells_which_has_chosen(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId, database: Database
) -> None:
    file = tmp_path / "processors.toml"
    file.write_text(ROUTED, encoding="utf-8")
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        small = await withdrawn(client, "9.99", processor="auto")
        assert (small["processor"], small["to_code"]) == ("first", "clearing:first:USD")
        call = (await client.get(f"/v1/processor-calls/{small['id']}")).json()
        assert (call["processor"], call["route"]) == ("first", "small")
        named = await withdrawn(client, "1.00", processor="second")
        assert (await client.get(f"/v1/processor-calls/{named['id']}")).json()["route"] is None
        chosen = {(await withdrawn(client, "10.00", processor="auto"))["processor"] for _ in range(12)}
        assert chosen == {"first", "second"}
        body = {"type": "withdrawal", "amount": "12.00", "currency": "USD", "from": "alice", "processor": "auto"}
        first, again = await client.pay(body, "k"), await client.pay(body, "k")
        assert first.json() == again.json()
        refused(await client.pay({**body, "processor": first.json()["processor"]}, "k"), 422, "idempotency_key_reused")
        came = {"type": "deposit", "amount": "12.00", "currency": "USD", "to": "alice", "processor": "auto"}
        refused(await client.pay(came), 422, "no_route", "/processor")
        await must_be_right(database, ledger_id)
        await client.http.aclose()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = 'x'", "routes.2: it has either processors or weights"),
        ("name = 'x'\nprocessors = ['first']\nweights = { first = 1 }", "it has either processors or weights"),
        ("name = 'x'\nprocessors = ['third']", "routes.2: there is no processor third"),
        ("name = 'small'\nprocessors = ['first']", "two routes are called small"),
        ("name = 'x'\nprocessors = ['first']\namount_from = 10", "routes.2.amount_from: an amount is a text"),
        ("name = 'x'\nprocessors = ['first']\ntypes = ['transfer']", "a transfer stays in the ledger"),
        ("name = 'x'\nprocessors = ['first']\ntimes = ['always']", "times: a time is written like 08:00-17:30"),
        ("name = 'x'\nprocessors = ['first']\ntime_zone = 'UTC'", "a time zone goes with times"),
        (
            "name = 'x'\nprocessors = ['first']\ntimes = ['08:00-09:00']\ntime_zone = 'Mars'",
            "a time zone is a name such",
        ),
        ("name = 'x'\nprocessors = ['first']\nweight = 1", "routes.2.weight"),
        ("name = 'x'\nweights = { first = 0 }", "routes.2.weights.first"),
    ],
)
def test_a_route_that_is_wrong_is_told_of_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    file.write_text(f"{ROUTED}\n[[routes]]\n{text}\n", encoding="utf-8")
    with pytest.raises(ProcessorsFileWrong) as raised:
        read_routes(file, read_processors(file))
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
