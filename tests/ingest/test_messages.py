"""What a message may be, and what becomes of each kind that cannot be carried out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.conftest import Client, fresh_key
from tests.architecture.sources import TOP
from tests.ingest.ground import deposit, desk_of
from zerosum.api.message_commands import message_commands
from zerosum.domain.errors import DomainError
from zerosum.domain.messages import Message, MessageOutcome, OutcomeKind, Partition
from zerosum.main import Service
from zerosum.services.committing.submission import Prepared

USD = {"currency": "USD"}


def message(content: Any, place: str = "1", *, is_named: bool = True, **members: Any) -> Message:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Message(
        partition=Partition("test", "payments"),
        place=place,
        is_named_for_ever=is_named,
        body=body,
        body_bytes=members.pop("body_bytes", len(body)),
        **members,
    )


async def carried_out(service: Service, client: Client, one: Message) -> MessageOutcome:
    desk = desk_of(service, client)
    try:
        reading = desk.read(one)
    except DomainError as refusal:
        return desk.refused(one, refusal)
    return (await desk.carry_out([reading]))[0]


async def answer(service: Service, client: Client, content: Any, place: str) -> dict[str, Any]:
    outcome = await carried_out(service, client, message(content, place))
    assert outcome.kind is OutcomeKind.DONE, outcome.answer
    made: Any = outcome.answer["data"]
    return dict(made)


async def test_every_command_is_carried_out(service: Service, client: Client) -> None:
    a, b = [(await client.open_account())["code"] for _ in range(2)]
    euros = (await client.open_account(currency="EUR"))["code"]
    done = set()

    async def send(content: dict[str, Any]) -> dict[str, Any]:
        done.add(content["command"])
        return await answer(service, client, content, f"{client.ledger}-{len(done)}-{content['command']}")

    payment = await send(deposit(a, "100.00"))
    await send({"command": "refund", "payment": payment["id"], "amount": "1.00", "reason": "Returned"})
    line = {"amount": "1.00", **USD}
    postings = [{"account": a, "side": "debit", **line}, {"account": b, "side": "credit", **line}]
    entry = await send({"command": "journal_entry", "reason": "fee", "postings": postings})
    hold = await send({"command": "hold", "from": a, "to": b, "amount": "10.00", **USD})
    await send({"command": "increment", "hold": hold["id"], "amount": "5.00"})
    await send({"command": "extend", "hold": hold["id"], "expires_at": hold["expires_at"]})
    captured = await send({"command": "capture", "hold": hold["id"], "amount": "2.00"})
    assert captured["remaining"] == "13.00"
    assert (await send({"command": "void", "hold": hold["id"]}))["remaining"] == "0.00"
    rate = {"rate": "0.9", "rate_source": "test", "rate_at": "2026-11-28T15:00:00Z"}
    exchange = {"command": "exchange", "from": a, "to": euros, "amount": "10.00", "to_currency": "EUR", **USD, **rate}
    await send(exchange)
    await send({"command": "client_transaction", "type": "deposit", "client": 1, "tx": 1, "amount": "1.5"})
    reversed_ = await send({"command": "reversal", "journal_entry": entry["id"], "reason": "Posted twice"})
    assert reversed_["reverses"] == entry["id"]
    template = {
        "name": f"fee-{client.ledger[-8:]}",
        "parameters": {"fee": {"type": "amount", "currency": "USD"}},
        "postings": [
            {"side": "debit", "account": a, "amount": "fee"},
            {"side": "credit", "account": b, "amount": "remainder"},
        ],
    }
    assert (await client.post("/v1/templates", template, key=fresh_key())).status_code == 201
    post = {"command": "template_post", "template": template["name"], "parameters": {"fee": "2.00"}, "reason": "Fee"}
    assert (await send(post))["template"]["version"] == 1
    paid = [(await client.deposit(a, "5.00"))["id"] for _ in range(2)]
    won, lost = [
        await send({"command": "dispute", "payment": one, "reason": "fraudulent", "idempotency_key": one})
        for one in paid
    ]
    evidence = await send({"command": "dispute_evidence", "dispute": won["id"], "text": "Delivered"})
    assert len(evidence["evidence"]) == 1
    assert (await send({"command": "dispute_resolve", "dispute": won["id"]}))["status"] == "won"
    await send({"command": "dispute_escalate", "dispute": won["id"], "stage": "arbitration"})
    fee = {"amount": "1.00", "to": b}
    assert (await send({"command": "dispute_chargeback", "dispute": lost["id"], "fee": fee}))["status"] == "lost"
    assert done == set(message_commands(service.services))


async def test_the_key_is_that_of_the_api(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    body = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": a}
    over_http = await client.pay(body, "same")
    outcome = await carried_out(service, client, message(deposit(a, "5.00", "same")))
    assert (outcome.kind, outcome.is_replay) == (OutcomeKind.DONE, True)
    assert outcome.answer["data"] == over_http.json()
    assert (await client.balance(a))["posted"] == "5.00"


async def test_a_plain_payment_goes_past_its_model_and_comes_to_the_same(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    desk = desk_of(service, client)
    for number in range(2):  # What the first has opened is in memory with the second.
        await carried_out(service, client, message(deposit(a), f"{client.ledger}-{number}"))
    plain = {**deposit(a, "5.00", "straight"), "reference": "r 1"}
    reading = desk.read(message(plain))
    assert isinstance(reading.order, Prepared)
    more = desk.read(message({**plain, "idempotency_key": "more", "metadata": {"a": "b"}}))
    assert not isinstance(more.order, Prepared)
    [first, second] = await desk.carry_out([reading, more])
    body = {name: text for name, text in plain.items() if name not in ("command", "idempotency_key")}
    assert first.answer["data"] == (await client.pay(body, "straight")).json()
    assert second.answer["data"] == (await client.pay({**body, "metadata": {"a": "b"}}, "more")).json()
    assert (await client.balance(a))["posted"] == "12.00"
    [again, other] = await desk.carry_out([desk.read(message(one)) for one in (plain, {**plain, "amount": "6.00"})])
    assert (again.kind, again.is_replay, again.answer["data"]) == (OutcomeKind.DONE, True, first.answer["data"])
    assert other.refusal is not None
    assert other.refusal.code == "idempotency_key_reused"


async def test_a_row_of_a_client_file_needs_no_command(service: Service, client: Client) -> None:
    made = await answer(service, client, {"type": "deposit", "client": 7, "tx": 70, "amount": "1.5"}, "row")
    assert (made["client"], made["amount"]) == (7, "1.5000")


@pytest.mark.parametrize("is_structured", [True, False])
async def test_a_cloud_event_is_named_by_its_source_and_id(
    service: Service, client: Client, is_structured: bool
) -> None:
    a = (await client.open_account())["code"]
    for place, id_ in (("1", "e1"), ("2", "e1"), ("3", "e2")):
        if is_structured:
            event = {"specversion": "1.0", "id": id_, "source": "/shop", "type": "paid", "data": deposit(a)}
            one = message(event, place)
        else:
            headers = {"ce-specversion": "1.0", "ce-id": id_, "ce-source": "/shop"}
            one = message(deposit(a), place, headers=headers)
        assert (await carried_out(service, client, one)).is_replay is (place == "2")
    assert (await client.balance(a))["posted"] == "2.00"


async def test_pointers_are_those_of_the_message(service: Service, client: Client) -> None:
    bad = {**deposit("a"), "amount": 1.5, "wrong": 1}
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid", "data": bad}
    for content, place in ((bad, ""), (event, "/data")):
        outcome = await carried_out(service, client, message(content))
        problem: Any = outcome.answer["problem"]
        assert {fault["pointer"] for fault in problem["errors"]} == {f"{place}/amount", f"{place}/wrong"}


DEPOSIT = deposit("customers:alice")

POISON: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{", "malformed_json"),
    "nothing": (b"", "malformed_json"),
    "no UTF-8": (b'{"a": "\xff"}', "invalid_encoding"),
    "a list": ([1], "validation_error"),
    "NUL": ({**DEPOSIT, "reference": "a\x00b"}, "invalid_string"),
    "the same member twice": (b'{"command": "payment", "command": "payment"}', "duplicate_key"),
    "too deep": (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "too_deep"),
    "no command": ({"amount": "1"}, "validation_error"),
    "an unknown command": ({**DEPOSIT, "command": "fly"}, "unknown_command"),
    "a command that is no text": ({**DEPOSIT, "command": 1}, "unknown_command"),
    "a higher version": ({**DEPOSIT, "schema_version": 2}, "unsupported_version"),
    "another ledger": ({**DEPOSIT, "ledger": "led_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"}, "wrong_ledger"),
    "a key that is no text": ({**DEPOSIT, "idempotency_key": 1}, "idempotency_key_invalid"),
    "a key with blanks": ({**DEPOSIT, "idempotency_key": "a b"}, "idempotency_key_invalid"),
    "an unknown member": ({**DEPOSIT, "wrong": 1}, "unknown_field"),
    "an amount that is a number": ({**DEPOSIT, "amount": 1.0}, "invalid_amount"),
    "an amount in words": ({**DEPOSIT, "amount": "one"}, "invalid_amount"),
    "a negative amount": ({**DEPOSIT, "amount": "-1"}, "invalid_amount"),
    "an override": ({**DEPOSIT, "override_closed_period": {"reason": "x"}}, "forbidden"),
    "a forced reversal": (
        {"command": "reversal", "journal_entry": "je_1", "reason": "x", "force": True},
        "forbidden",
    ),
    "a forced fee": (
        {"command": "dispute_chargeback", "dispute": "dp_1", "fee": {"amount": "1", "to": "a", "force": True}},
        "forbidden",
    ),
    "a template without a name": ({"command": "template_post", "template": "A b"}, "validation_error"),
    "a capture of nothing": ({"command": "capture"}, "validation_error"),
    "a capture of something else": ({"command": "capture", "hold": "pay_1"}, "invalid_id"),
    "an event without data": ({"specversion": "1.0", "id": "1", "source": "s"}, "validation_error"),
    "an event of another version": ({"specversion": "2", "data": DEPOSIT}, "unsupported_version"),
    "an event without a source": ({"specversion": "1.0", "id": "1", "data": DEPOSIT}, "validation_error"),
}  # fmt: skip


@pytest.mark.parametrize("kind", POISON)
async def test_poison_is_told_with_a_code(service: Service, client: Client, kind: str) -> None:
    await client.open_account("customers:alice")
    content, code = POISON[kind]
    outcome = await carried_out(service, client, message(content))
    problem: Any = outcome.answer["problem"]
    assert (outcome.kind, outcome.answer["status"], problem["code"]) == (OutcomeKind.POISON, "dead", code)


async def test_one_key_with_another_content_is_poison(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    assert (await carried_out(service, client, message(deposit(a, "1.00", "k")))).kind is OutcomeKind.DONE
    outcome = await carried_out(service, client, message(deposit(a, "2.00", "k")))
    assert (outcome.kind, outcome.refusal and outcome.refusal.code) == (OutcomeKind.POISON, "idempotency_key_reused")
    assert (await client.balance(a))["posted"] == "1.00"


async def test_what_nothing_names_needs_a_key(service: Service, client: Client) -> None:
    outcome = await carried_out(service, client, message(DEPOSIT, is_named=False))
    assert outcome.refusal is not None
    assert outcome.refusal.code == "idempotency_key_missing"


async def test_what_is_too_large_is_not_even_read(service: Service, client: Client) -> None:
    outcome = await carried_out(service, client, message(DEPOSIT, body_bytes=2_000_000))
    assert outcome.refusal is not None
    assert outcome.refusal.code == "body_too_large"


async def test_the_books_refuse_and_that_is_an_answer(service: Service, client: Client) -> None:
    outcome = await carried_out(service, client, message(deposit("nobody:here")))
    assert (outcome.kind, outcome.answer["status"]) == (OutcomeKind.REFUSED, "refused")


def test_a_derived_key_is_of_one_message_only() -> None:
    def key(*words: str) -> str | None:
        input_, topic, partition, place = words
        body = {"partition": Partition(input_, topic, partition), "place": place}
        return Message(is_named_for_ever=True, body=b"", body_bytes=0, **body).derived_key  # type: ignore[arg-type]

    keys = [
        key("a", "b", "0", "1"),
        key("a", "b", "0", "11"),
        key("a", "b:0", "1", "1"),
        key("a:b", "0", "1", "1"),
        key("a", "b", "0", "ü"),
        key("a", "b" * 300, "0", "1"),
        key("a", "b" * 301, "0", "1"),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "ingest a:b:0:1"
    assert all(made is not None and len(made) <= 255 and made.isascii() and made.isprintable() for made in keys)


def test_the_asyncapi_page_knows_every_command(service: Service) -> None:
    page = yaml.safe_load((Path(TOP) / "docs" / "asyncapi.yaml").read_text())
    schemas = page["components"]["schemas"]
    assert set(schemas["Command"]["properties"]["command"]["enum"]) == set(message_commands(service.services))
    assert {operation["action"] for operation in page["operations"].values()} == {"send", "receive"}
