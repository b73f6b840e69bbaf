"""A key stands for one request: another that differs in a single field is refused, whatever the field.

The fields come from the orders themselves, so that one added later cannot be forgotten in the fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.rules.judging import hold_for_review
from zerosum.adapters.clock import now
from zerosum.api.schemas.imports import ImportRequest
from zerosum.domain.errors import IdempotencyKeyReused
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.ledger.account import Side
from zerosum.domain.money import RoundingMode
from zerosum.domain.payments.clients import ClientCommandType
from zerosum.domain.payments.disputes import DisputeStage, DisputeTexts, DisputeVerb
from zerosum.domain.payments.holds import HoldVerb
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, PaymentTexts, PaymentType
from zerosum.domain.payments.processor_calls import CallOutcome
from zerosum.domain.payments.schedules import OnRefusal, Recurrence
from zerosum.main import Service
from zerosum.services.clients import ClientOrder
from zerosum.services.committing.submission import Submission
from zerosum.services.disputes import DisputeChangeOrder, DisputeOrder
from zerosum.services.exchanges import ExchangeOrder
from zerosum.services.holds import HoldChangeOrder, HoldOrder
from zerosum.services.journal import EntryOrder, PostingOrder, ReversalOrder
from zerosum.services.payments import PaymentOrder
from zerosum.services.processor_calls import SettlementOrder
from zerosum.services.refunds import RefundOrder
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.conditions import ConditionOrder
from zerosum.services.requests.personal import PersonalOrder
from zerosum.services.requests.splits import SplitOrder
from zerosum.services.reviews import DecisionOrder
from zerosum.services.scheduled_payments import CancellationOrder, ScheduleOrder
from zerosum.services.templates import TemplateOrder, TemplatePostOrder

KEY = "idempotency_key"
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)

PAYMENT = PaymentOrder(
    idempotency_key="",
    type=PaymentType.TRANSFER,
    amount="1.00",
    currency="USD",
    payer="a",
    payee="b",
    texts=PaymentTexts(*PaymentTexts._fields),
    effective_at=EARLY,
    metadata={"m": "1"},
    splits=(SplitOrder("c", percent="1"),),
)
PAYMENT_CHANGES: Mapping[str, Mapping[str, Any]] = {
    # A payment of another type has other parties: that is what tells them apart.
    "type": {"type": PaymentType.WITHDRAWAL, "payee": None},
    "amount": {"amount": "1.01"},
    "currency": {"currency": "EUR", "payer": "e", "payee": "f", "splits": (SplitOrder("g", percent="1"),)},
    "payer": {"payer": "d"},
    "payee": {"payee": "d"},
    "splits": {"splits": (SplitOrder("c", percent="1.1"),)},
    **{name: {"texts": PAYMENT.texts._replace(**{name: None})} for name in PaymentTexts._fields},
    "effective_at": {"effective_at": LATE},
    "metadata": {"metadata": {"m": "2"}},
    "override_closed_period": {"override_closed_period": "o"},
    "conditions": {"conditions": (ConditionOrder(account="a", available_at_most="0"),)},
    "personal": {"personal": PersonalOrder(subject="s", members={"m": "1"})},
}

LINES = (
    PostingOrder(account="a", side=Side.DEBIT, amount="1.00", currency="USD"),
    PostingOrder(account="b", side=Side.CREDIT, amount="1.00", currency="USD"),
)
ENTRY = EntryOrder(idempotency_key="", reason="r", postings=LINES, effective_at=EARLY, metadata={"m": "1"})
ENTRY_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "reason": {"reason": "s"},
    "postings": {"postings": LINES[::-1]},
    "effective_at": {"effective_at": None},
    "metadata": {"metadata": {"n": "1"}},
    "override_closed_period": {"override_closed_period": "o"},
    "conditions": {"conditions": (ConditionOrder(account="a", available_at_most="0"),)},
    "personal": {"personal": PersonalOrder(subject="s", members={"m": "1"})},
}
LINE_CHANGES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "account": ({"account": "c"}, {}),
    "side": ({"side": Side.CREDIT}, {"side": Side.DEBIT}),
    "amount": ({"amount": "2.00"}, {"amount": "2.00"}),
    "currency": ({"account": "e", "currency": "EUR"}, {"account": "f", "currency": "EUR"}),
}
"""What becomes of both lines: an entry has to balance."""

DEPOSIT = ClientOrder(idempotency_key="", type=ClientCommandType.DEPOSIT, client=1, tx=1, amount="5")
CHARGEBACK = ClientOrder(idempotency_key="", type=ClientCommandType.CHARGEBACK, client=1, tx=1)
CLIENT_CHANGES: Mapping[str, tuple[ClientOrder, Mapping[str, Any]]] = {
    "type": (DEPOSIT, {"type": ClientCommandType.WITHDRAWAL}),
    "client": (DEPOSIT, {"client": 2}),
    "tx": (DEPOSIT, {"tx": 2}),
    "amount": (DEPOSIT, {"amount": "5.0001"}),
    "refuse_negative_total": (CHARGEBACK, {"refuse_negative_total": True}),
}


TEMPLATE = TemplateOrder(
    idempotency_key="",
    name="t",
    content={
        "reason": None,
        "parameters": {"x": {"type": "amount", "currency": "USD"}, "to": {"type": "account"}},
        "postings": [
            {"side": "debit", "account": "a", "amount": "x"},
            {"side": "credit", "account": "{to}", "amount": "x"},
        ],
    },
)
TEMPLATE_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "name": {"name": "u"},
    "parameters": {"parameters": {"x": "1", "to": "c"}},
    "version": {"version": 1},
    "reason": {"reason": "s"},
    "effective_at": {"effective_at": LATE},
    "metadata": {"metadata": {"m": "2"}},
}


def caller_of(client: Client) -> Caller:
    return Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "key_test")


@pytest.fixture
async def ground(client: Client) -> Client:
    for code in ("a", "b", "c", "d"):
        await client.open_account(code, min_available=None)
    for code in ("e", "f", "g"):
        await client.open_account(code, currency="EUR", min_available=None)
    return client


async def must_be_another(client: Client, desk: Submission[Any, Any], order: Any, other: Any) -> None:
    """The same twice is a replay; the other under its key is refused."""
    caller, key = caller_of(client), fresh_key()
    order, other = replace(order, idempotency_key=key), replace(other, idempotency_key=key)
    first, again = await desk.each(caller, [order]), await desk.each(caller, [order])
    assert (_is_replay(first[0]), _is_replay(again[0])) == (False, True)
    for _ in range(2):
        [answer] = await desk.each(caller, [other])
        assert isinstance(answer, IdempotencyKeyReused), answer


def _is_replay(answer: Any) -> bool:
    return bool(answer.is_replay)


def names_of(order: type) -> set[str]:
    return {field.name for field in fields(order)} - {KEY}


def test_every_field_of_every_order_has_a_change_here() -> None:
    told = "is there a change of every field here, and is every field in the fingerprint?"
    assert names_of(PaymentOrder) - {"texts", "processor"} | set(PaymentTexts._fields) == PAYMENT_CHANGES.keys(), told
    assert names_of(SettlementOrder) == SETTLEMENT_CHANGES.keys() | {"id", "is_of_refund"}, told
    assert names_of(EntryOrder) == ENTRY_CHANGES.keys(), told
    assert names_of(PostingOrder) == LINE_CHANGES.keys(), told
    assert names_of(ClientOrder) == CLIENT_CHANGES.keys(), told
    assert names_of(ReversalOrder) == {"original", "reason", "is_forced"}, told
    assert names_of(HoldOrder) - {"texts"} | set(PaymentTexts._fields) == HOLD_CHANGES.keys(), told
    assert names_of(HoldChangeOrder) == {order for order, _ in OF_HOLDS}, told
    assert names_of(ScheduleOrder) - {"payment"} == SCHEDULE_CHANGES.keys(), told
    assert names_of(DecisionOrder) == {"review_id", "reason"}, told
    assert names_of(CancellationOrder) == {"schedule_id"}, told
    assert names_of(RefundOrder) == REFUND_CHANGES.keys() | {"payment_id"}, told
    assert names_of(DisputeOrder) - {"texts"} | set(DisputeTexts._fields) == DISPUTE_CHANGES.keys() | {"payment_id"}, (
        told
    )
    assert names_of(ExchangeOrder) - {"texts"} | set(PaymentTexts._fields) == EXCHANGE_CHANGES.keys(), told
    assert names_of(DisputeChangeOrder) == {name for name, _ in OF_DECISIONS}, told
    assert names_of(TemplatePostOrder) - {"template"} == TEMPLATE_CHANGES.keys(), told
    assert names_of(TemplateOrder) == {"name", "content"}, told
    assert ImportRequest.model_fields.keys() == {"name", "sha256"}, told


@pytest.mark.parametrize("name", PAYMENT_CHANGES)
async def test_another_payment_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    desk = service.services.payments.desk
    await must_be_another(ground, desk, PAYMENT, replace(PAYMENT, **PAYMENT_CHANGES[name]))


SCHEDULED = ScheduleOrder(
    idempotency_key="",
    payment=replace(PAYMENT, effective_at=None),
    execute_at=datetime(2030, 1, 1, 9, tzinfo=UTC),
    recurrence=Recurrence("FREQ=DAILY;COUNT=2", "UTC"),
    on_refusal=OnRefusal.RETRY,
    attempts_max=3,
    retry_seconds=60,
)
SCHEDULE_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "execute_at": {"execute_at": datetime(2030, 1, 2, 9, tzinfo=UTC)},
    "recurrence": {"recurrence": Recurrence("FREQ=DAILY;COUNT=3", "UTC")},
    "on_refusal": {"on_refusal": OnRefusal.SKIP, "attempts_max": None, "retry_seconds": None},
    "attempts_max": {"attempts_max": 2},
    "retry_seconds": {"retry_seconds": 61},
}


NOT_SCHEDULED = ("effective_at", "splits", "conditions", "override_closed_period", "personal")
"""What a payment of a later day cannot have."""


@pytest.mark.parametrize("name", [*SCHEDULE_CHANGES, *(name for name in PAYMENT_CHANGES if name not in NOT_SCHEDULED)])
async def test_another_scheduled_payment_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    desk = service.services.scheduled_payments.desk
    of_payment = {} if name in SCHEDULE_CHANGES else {"payment": replace(SCHEDULED.payment, **PAYMENT_CHANGES[name])}
    await must_be_another(ground, desk, SCHEDULED, replace(SCHEDULED, **SCHEDULE_CHANGES.get(name, of_payment)))


@pytest.mark.parametrize("name", ENTRY_CHANGES)
async def test_another_entry_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    desk = service.services.journal.desk
    await must_be_another(ground, desk, ENTRY, replace(ENTRY, **ENTRY_CHANGES[name]))


@pytest.mark.parametrize("name", LINE_CHANGES)
async def test_an_entry_with_another_line_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    lines = [replace(line, **change) for line, change in zip(LINES, LINE_CHANGES[name], strict=True)]
    await must_be_another(ground, service.services.journal.desk, ENTRY, replace(ENTRY, postings=lines))


@pytest.mark.parametrize("name", CLIENT_CHANGES)
async def test_another_client_transaction_is_not_replayed(service: Service, client: Client, name: str) -> None:
    """Of those that were carried out, and of one that was refused."""
    desk = service.services.clients.desk
    order, change = CLIENT_CHANGES[name]
    if order is CHARGEBACK:
        for type_ in (ClientCommandType.DEPOSIT, ClientCommandType.DISPUTE):
            made = replace(DEPOSIT, idempotency_key=fresh_key(), type=type_)
            await desk.each(caller_of(client), [made])
    await must_be_another(client, desk, order, replace(order, **change))


HOLD = HoldOrder(
    idempotency_key="",
    amount="1.00",
    currency="USD",
    payer="a",
    payee="b",
    expires_at=now() + timedelta(days=1),
    capture_max="2.00",
    texts=PaymentTexts(*PaymentTexts._fields),
    metadata={"m": "1"},
)
HOLD_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "amount": {"amount": "1.01"},
    "currency": {"currency": "EUR", "payer": "e", "payee": "f"},
    "payer": {"payer": "c"},
    "payee": {"payee": "c"},
    "expires_at": {"expires_at": None},
    "capture_max": {"capture_max": None},
    **{name: {"texts": HOLD.texts._replace(**{name: None})} for name in PaymentTexts._fields},
    "metadata": {"metadata": {"m": "2"}},
}
OF_HOLDS: Sequence[tuple[str, tuple[Mapping[str, Any], Mapping[str, Any]]]] = [
    ("hold_id", ({"verb": HoldVerb.VOIDED}, {})),
    ("verb", ({"verb": HoldVerb.VOIDED}, {"verb": HoldVerb.CAPTURED})),
    ("amount", ({"verb": HoldVerb.CAPTURED, "amount": "0.10"}, {"amount": "0.11"})),
    ("is_final", ({"verb": HoldVerb.CAPTURED, "amount": "0.10"}, {"is_final": True})),
    ("splits", ({"verb": HoldVerb.CAPTURED, "amount": "0.10"}, {"splits": (SplitOrder("c", amount="0.01"),)})),
    (
        "expires_at",
        (
            {"verb": HoldVerb.EXTENDED, "expires_at": now() + timedelta(days=9)},
            {"expires_at": now() + timedelta(days=10)},
        ),
    ),
]
_WON = {"verb": DisputeVerb.WON}
_FURTHER = {"verb": DisputeVerb.ESCALATED, "stage": DisputeStage.PRE_ARBITRATION}
_WITH_FEE = {"verb": DisputeVerb.LOST, "fee": "1", "fee_to": "a", "is_fee_forced": True}
OF_DECISIONS: Sequence[tuple[str, tuple[Mapping[str, Any], Mapping[str, Any]]]] = [
    ("dispute_id", (_WON, {})),
    ("verb", (_WON, {"verb": DisputeVerb.LOST})),
    ("text", (_WON, {"text": None})),
    ("stage", (_FURTHER, {"stage": DisputeStage.ARBITRATION})),
    ("respond_by", (_FURTHER, {"respond_by": "2099-01-01T00:00:00.000000Z"})),
    ("fee", (_WITH_FEE, {"fee": "2"})),
    ("fee_to", (_WITH_FEE, {"fee_to": "c"})),
    ("is_fee_waived", ({"verb": DisputeVerb.LOST}, {"is_fee_waived": True})),
    ("is_fee_forced", (_WITH_FEE, {"is_fee_forced": False})),
]
REFUND_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "amount": {"amount": None},
    "reason": {"reason": None},
    "metadata": {"metadata": {"m": "2"}},
}
EXCHANGE = ExchangeOrder(
    idempotency_key="",
    payer="a",
    payee="e",
    amount="1.00",
    currency="USD",
    bought_currency="EUR",
    rate="0.92",
    rate_source="s",
    rate_at=EARLY,
    margin_percent="1",
    texts=PaymentTexts(*PaymentTexts._fields),
    effective_at=EARLY,
    metadata={"m": "1"},
)
EXCHANGE_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "payer": {"payer": "b"},
    "payee": {"payee": "f"},
    "amount": {"amount": "1.01"},
    "bought": {"amount": None, "bought": "0.91", "rounding": RoundingMode.UP},
    "currency": {"currency": "EUR", "payer": "e", "bought_currency": "USD", "payee": "a"},
    "bought_currency": {"currency": "EUR", "payer": "e", "bought_currency": "USD", "payee": "a"},
    "rate": {"rate": "0.93"},
    "rate_source": {"rate_source": "t"},
    "rate_at": {"rate_at": LATE},
    "margin_percent": {"margin_percent": None},
    "rounding": {"rounding": RoundingMode.DOWN},
    **{name: {"texts": EXCHANGE.texts._replace(**{name: None})} for name in PaymentTexts._fields},
    "effective_at": {"effective_at": LATE},
    "metadata": {"metadata": {"m": "2"}},
}
DISPUTE_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "amount": {"amount": None},
    **{
        name: {"texts": DisputeTexts("r", "n", "c", "2026-01-01T00:00:00.000000Z")._replace(**{name: "other"})}
        for name in DisputeTexts._fields
    },
}


@pytest.mark.parametrize("name", HOLD_CHANGES)
async def test_another_hold_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    await must_be_another(ground, service.services.holds.desk, HOLD, replace(HOLD, **HOLD_CHANGES[name]))


@pytest.mark.parametrize(("name", "members"), OF_HOLDS)
async def test_something_else_done_with_a_hold_is_not_replayed(
    service: Service, ground: Client, name: str, members: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> None:
    holds = service.services.holds
    ids = []
    for _ in range(2):
        [made] = await holds.desk.each(caller_of(ground), [replace(HOLD, idempotency_key=fresh_key())])
        ids.append(made.view.id)  # type: ignore[union-attr]
    order = HoldChangeOrder(idempotency_key="", hold_id=ids[0], **members[0])
    other = replace(order, hold_id=ids[1]) if name == "hold_id" else replace(order, **members[1])
    await must_be_another(ground, holds.changes, order, other)


@pytest.mark.parametrize("name", EXCHANGE_CHANGES)
async def test_another_exchange_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    order = replace(EXCHANGE, **EXCHANGE_CHANGES[name])
    await must_be_another(ground, service.services.exchanges.desk, EXCHANGE, order)


async def _paid(service: Service, ground: Client) -> UUID:
    [made] = await service.services.payments.desk.each(
        caller_of(ground), [replace(PAYMENT, idempotency_key=fresh_key())]
    )
    id_: UUID = made.view.id  # type: ignore[union-attr]
    return id_


@pytest.mark.parametrize("name", TEMPLATE_CHANGES)
async def test_another_posting_by_a_template_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    templates, caller = service.services.templates, caller_of(ground)
    for of in ("t", "u"):
        await templates.make(caller, replace(TEMPLATE, name=of, idempotency_key=fresh_key()))
    order = TemplatePostOrder(
        idempotency_key="", name="t", template=None, parameters={"x": "1", "to": "b"}, effective_at=EARLY
    )
    other = replace(order, **TEMPLATE_CHANGES[name])
    meant = [replace(one, template=await templates.get(caller, one.name, None)) for one in (order, other)]
    await must_be_another(ground, templates.desk, *meant)


@pytest.mark.parametrize("change", [{"name": "u"}, {"content": {**TEMPLATE.content, "reason": "x"}}])
async def test_another_template_is_not_replayed(service: Service, ground: Client, change: Mapping[str, Any]) -> None:
    key = fresh_key()
    order = replace(TEMPLATE, idempotency_key=key)
    await service.services.templates.make(caller_of(ground), order)
    with pytest.raises(IdempotencyKeyReused):
        await service.services.templates.make(caller_of(ground), replace(order, **change))


@pytest.mark.parametrize("name", [*REFUND_CHANGES, "payment_id"])
async def test_another_refund_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    ids = [await _paid(service, ground) for _ in range(2)]
    order = RefundOrder(idempotency_key="", payment_id=ids[0], amount="0.10", reason="r", metadata={"m": "1"})
    change = {"payment_id": ids[1]} if name == "payment_id" else REFUND_CHANGES[name]
    await must_be_another(ground, service.services.refunds.desk, order, replace(order, **change))


@pytest.mark.parametrize("name", [*DISPUTE_CHANGES, "payment_id"])
async def test_another_dispute_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    ids = [await _paid(service, ground) for _ in range(2)]
    texts = DisputeTexts("r", "n", "c", "2026-01-01T00:00:00.000000Z")
    order = DisputeOrder(idempotency_key="", payment_id=ids[0], amount="0.10", texts=texts)
    change = {"payment_id": ids[1]} if name == "payment_id" else DISPUTE_CHANGES[name]
    await must_be_another(ground, service.services.disputes.desk, order, replace(order, **change))


@pytest.mark.parametrize(("name", "members"), OF_DECISIONS)
async def test_another_decision_is_not_replayed(
    service: Service, ground: Client, name: str, members: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> None:
    disputes, ids = service.services.disputes, []
    for _ in range(2):
        opening = DisputeOrder(
            idempotency_key=fresh_key(), payment_id=await _paid(service, ground), texts=DisputeTexts("r")
        )
        [made] = await disputes.desk.each(caller_of(ground), [opening])
        ids.append(made.view.id)  # type: ignore[union-attr]
    order = DisputeChangeOrder(idempotency_key="", dispute_id=ids[0], text="t", **members[0])
    other = replace(order, dispute_id=ids[1]) if name == "dispute_id" else replace(order, **members[1])
    await must_be_another(ground, disputes.changes, order, other)


HELD_FOR_REVIEW = {"type": "transfer", "amount": "0.10", "currency": "USD", "from": "a", "to": "b"}

OUTSIDE = replace(
    PAYMENT, type=PaymentType.WITHDRAWAL, payee=None, effective_at=None, splits=(), processor="away", metadata={}
)


async def test_another_processor_is_not_replayed(service: Service, ground: Client) -> None:
    other = replace(OUTSIDE, processor=INTERNAL_PROCESSOR)
    await must_be_another(ground, service.services.payments.desk, OUTSIDE, other)


@pytest.mark.parametrize("name", ["splits", "effective_at"])
async def test_other_parts_and_dates_through_a_processor_are_not_replayed(
    service: Service, ground: Client, name: str
) -> None:
    order = replace(PAYMENT, type=PaymentType.DEPOSIT, payer=None, processor="away", override_closed_period=None)
    await must_be_another(ground, service.services.payments.desk, order, replace(order, **PAYMENT_CHANGES[name]))


SETTLEMENT_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "outcome": {"outcome": CallOutcome.DECLINED, "amount": None},
    "reason": {"reason": "s"},
    "amount": {"amount": "0.60"},
    "processor": {"processor": "away"},
}


@pytest.mark.parametrize("name", [*SETTLEMENT_CHANGES, "id"])
async def test_another_settlement_is_not_replayed(service: Service, ground: Client, name: str) -> None:
    desk, ids = service.services.payments.desk, []
    for _ in range(2):
        [made] = await desk.each(caller_of(ground), [replace(OUTSIDE, idempotency_key=fresh_key())])
        ids.append(made.view.id)  # type: ignore[union-attr]
    order = SettlementOrder(idempotency_key="", id=ids[0], outcome=CallOutcome.APPROVED, reason="r", amount="0.50")
    change = {"id": ids[1]} if name == "id" else SETTLEMENT_CHANGES[name]
    await must_be_another(ground, service.services.processor_calls.desk, order, replace(order, **change))


@pytest.mark.parametrize("change", ["review_id", "reason"])
async def test_another_word_about_a_review_is_not_replayed(
    service: Service, ground: Client, ledger_id: LedgerId, tmp_path: Path, change: str
) -> None:
    held = [await hold_for_review(service, ledger_id, tmp_path, HELD_FOR_REVIEW) for _ in range(4)]
    ids = [parse_id(Prefix.REVIEW, one) for one in held]
    for desk, (one, other) in zip(
        (service.services.reviews.approvals, service.services.reviews.refusals), (ids[:2], ids[2:]), strict=True
    ):
        order = DecisionOrder(idempotency_key="", review_id=one, reason="r")
        said = replace(order, review_id=other) if change == "review_id" else replace(order, reason="s")
        await must_be_another(ground, desk, order, said)


@pytest.mark.parametrize("change", ["original", "reason", "is_forced"])
async def test_another_reversal_is_not_replayed(service: Service, ground: Client, change: str) -> None:
    caller, journal = caller_of(ground), service.services.journal
    originals = []
    for _ in range(2):
        [done] = await journal.desk.each(caller, [replace(ENTRY, idempotency_key=fresh_key())])
        originals.append(await journal.find(caller, done.view.id))  # type: ignore[union-attr]
    order = ReversalOrder(idempotency_key="", original=originals[0], reason="r")
    changes: Mapping[str, Mapping[str, Any]] = {
        "original": {"original": originals[1]},
        "reason": {"reason": "s"},
        "is_forced": {"is_forced": True},
    }
    other = replace(order, **changes[change])
    await must_be_another(ground, journal.reversals, order, other)


async def test_a_key_of_one_kind_of_request_is_not_that_of_another(service: Service, ground: Client) -> None:
    """A journal entry with the lines of the payment; a payment with the parties of the entry."""
    caller, key = caller_of(ground), fresh_key()
    await service.services.payments.desk.each(caller, [replace(PAYMENT, idempotency_key=key)])
    [answer] = await service.services.journal.desk.each(caller, [replace(ENTRY, idempotency_key=key)])
    assert isinstance(answer, IdempotencyKeyReused)


async def test_an_import_s_name_stands_for_one_content(client: Client, stranger: Client) -> None:
    body = {"name": "file.csv", "sha256": "ab" * 32}
    for _ in range(2):
        assert (await client.post("/v1/imports", body)).status_code == 200
    refused(await client.post("/v1/imports", {**body, "sha256": "ab" * 31 + "ac"}), 409, "import_differs", "/name")
    assert (await client.post("/v1/imports", {**body, "name": "file-2.csv"})).status_code == 200
    assert (await stranger.post("/v1/imports", {**body, "sha256": "cd" * 32})).status_code == 200
