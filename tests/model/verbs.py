"""The verbs: each draws an order, and says how the service and the model are asked for it. None: nothing is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

from tests.model.plain_model import STAGES, Condition, Fee, HouseRules, Schedule, Velocity
from tests.model.world import (
    Ask,
    World,
    pairs,
    some_account,
    some_amount,
    some_dating,
    some_splits,
    text,
    two_accounts,
)
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.api.schemas.templates import TemplateRequest
from zerosum.domain.ledger.account import AccountType, Side
from zerosum.domain.ledger.velocity import Direction, Window, WindowKind
from zerosum.domain.payments.clients import ClientCommandType
from zerosum.domain.payments.disputes import DisputeStage, DisputeTexts, DisputeVerb
from zerosum.domain.payments.holds import HoldVerb
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.schedules import OnRefusal, Recurrence
from zerosum.services.account_administration import (
    AccountOrder,
    ChangeAccount,
    CloseAccount,
    FreezeAccount,
    UnfreezeAccount,
)
from zerosum.services.accounts import OpenAccount
from zerosum.services.clients import ClientOrder
from zerosum.services.disputes import DisputeChangeOrder, DisputeOrder
from zerosum.services.exchanges import ExchangeOrder
from zerosum.services.holds import HoldChangeOrder, HoldOrder
from zerosum.services.house_rules import FeeOrder, HouseRulesOrder, OverAmount
from zerosum.services.journal import EntryOrder, PostingOrder, ReversalOrder
from zerosum.services.payments import PaymentOrder
from zerosum.services.refunds import RefundOrder
from zerosum.services.requests.conditions import ConditionOrder
from zerosum.services.requests.splits import SplitOrder
from zerosum.services.requests.velocity_limits import VelocityLimitOrder
from zerosum.services.scheduled_payments import CancellationOrder, ScheduleOrder
from zerosum.services.templates import TemplateOrder, TemplatePostOrder

Verb = Callable[[World, Random], Ask | None]


# Accounts.


def administer(world: World, order: AccountOrder, expect: Callable[[], Any]) -> Ask:
    key = world.key()
    return Ask(lambda: world.services.account_administration.carry_out(world.caller, order, key), expect, key)


def opening(world: World, code: str, currency: str, type_: str, floor: int | None, ceiling: int | None) -> Ask:
    order = OpenAccount(
        code=code,
        currency=currency,
        type=AccountType(type_),
        name=None,
        min_available=text(floor, currency),
        max_available=text(ceiling, currency),
        metadata={},
    )
    return administer(world, order, lambda: world.model.open_account(code, currency, type_, floor, ceiling))


def open_account(world: World, draw: Random) -> Ask:
    floor, ceiling = draw.choice([(0, None), (None, None), (-5_000, 10_000), (100, None), (5_000, 100)])
    code = draw.choice(["a", "e", "f", "g", "h"])
    return opening(world, code, draw.choice(["USD", "USD", "EUR"]), draw.choice(["liability", "asset"]), floor, ceiling)


def change_limits(world: World, draw: Random) -> Ask:
    code = some_account(world, draw)
    currency = world.model.accounts[code].currency
    floor = draw.choice([None, 0, 0, 100, -10_000])
    ceiling = draw.choice([None, None, None, 0, 30_000])
    order = ChangeAccount(account=code, min_available=text(floor, currency), max_available=text(ceiling, currency))
    return administer(world, order, lambda: world.model.change_limits(code, floor, ceiling))


def change_velocity(world: World, draw: Random) -> Ask:
    code = draw.choice(["a", "a", "b", "c", "d", some_account(world, draw)])
    currency = world.model.accounts[code].currency
    windows = {(draw.choice(["out", "in"]), draw.choice(["hour", "day", "rolling"])) for _ in range(draw.randint(0, 2))}
    limits = [
        Velocity(direction, window, 7_200 if window == "rolling" else None, amount, number)
        for direction, window in sorted(windows)
        for amount, number in [draw.choice([(5_000, None), (None, 1), (20_000, 3), (100, None)])]
    ]
    orders = [
        VelocityLimitOrder(
            window=Window(Direction(one.direction), WindowKind(one.window), one.seconds),
            amount=text(one.amount, currency),
            count=one.number,
        )
        for one in limits
    ]
    order = ChangeAccount(account=code, velocity_limits=orders)
    return administer(world, order, lambda: world.model.change_velocity(code, limits))


def any_account(world: World, draw: Random) -> str:
    """Clients, too."""
    return draw.choice([code for code in world.model.accounts if ":" not in code or code.startswith("clients:")])


def freeze(world: World, draw: Random) -> Ask:
    code = any_account(world, draw)
    return administer(world, FreezeAccount(account=code), lambda: world.model.freeze(code))


def unfreeze(world: World, draw: Random) -> Ask:
    frozen = [code for code, one in world.model.accounts.items() if one.status == "frozen"]
    code = draw.choice(frozen) if frozen else any_account(world, draw)
    reopens = draw.random() < 0.5
    order = UnfreezeAccount(account=code, reopen=reopens)
    return administer(world, order, lambda: world.model.unfreeze(code, reopens=reopens))


def close_account(world: World, draw: Random) -> Ask:
    empty = [code for code in "efgh" if code in world.model.accounts]
    code = draw.choice([*empty, some_account(world, draw)])
    return administer(world, CloseAccount(account=code), lambda: world.model.close(code))


# Payments, entries and refunds.


def said(splits: Sequence[tuple[str, str, Any]], currency: str) -> list[SplitOrder]:
    return [
        SplitOrder(to, percent=f"{float(value):.6f}".rstrip("0").rstrip("."))
        if kind == "percent"
        else SplitOrder(to, amount=text(value, currency))
        for to, kind, value in splits
    ]


def some_conditions(world: World, draw: Random) -> list[Condition]:
    found = []
    for _ in range(draw.choice([0, 0, 0, 0, 1, 2])):
        code = some_account(world, draw)
        account = world.model.accounts[code]
        near = account.available + draw.choice([-100, 0, 1])
        version = account.version + draw.choice([0, 0, 0, 1])
        found.append(
            draw.choice([Condition(code, near), Condition(code, None, near), Condition(code, version=version)])
        )
    return found


def condition_orders(world: World, conditions: Sequence[Condition]) -> list[ConditionOrder]:
    return [
        ConditionOrder(
            account=one.account,
            available_at_least=text(one.at_least, world.model.accounts[one.account].currency),
            available_at_most=text(one.at_most, world.model.accounts[one.account].currency),
            expected_version=one.version,
        )
        for one in conditions
    ]


def paying(
    world: World,
    draw: Random,
    type_: str,
    payer: str | None,
    payee: str | None,
    currency: str,
    amount: int,
    splits: Sequence[tuple[str, str, Any]] = (),
) -> Ask:
    dating = some_dating(world, draw)
    conditions = some_conditions(world, draw)
    order = PaymentOrder(
        idempotency_key=world.key(),
        type=PaymentType(type_),
        amount=text(amount, currency) or "",
        currency=currency,
        payer=payer,
        payee=payee,
        splits=said(splits, currency),
        effective_at=dating.get("effective"),
        override_closed_period="by hand" if "override" in dating else None,
        conditions=condition_orders(world, conditions),
    )
    at, model = world.at, world.model

    def expect() -> Any:
        with model.opening():
            clearing = model.clearing(currency) if None in (payer, payee) else ""
            parties = payer or clearing, payee or clearing
            return model.pay(at, type_, *parties, currency, amount, splits, conditions=conditions, **dating)

    return Ask(lambda: world.services.payments.desk.one(world.caller, order), expect, order.idempotency_key)


def deposit(world: World, draw: Random) -> Ask:
    currency = draw.choice(["USD", "USD", "EUR"])
    amount = draw.choice([1, 500, 2_000, 10_000, 33_333])
    return paying(world, draw, "deposit", None, some_account(world, draw, currency), currency, amount)


def withdrawal(world: World, draw: Random) -> Ask:
    payer = some_account(world, draw, "USD")
    return paying(world, draw, "withdrawal", payer, None, "USD", some_amount(world, draw, payer))


def transfer(world: World, draw: Random) -> Ask:
    payer, payee = two_accounts(world, draw, "USD")
    if draw.random() < 0.02:
        payee = "nobody"
    return paying(world, draw, "transfer", payer, payee, "USD", some_amount(world, draw, payer))


def split_payment(world: World, draw: Random) -> Ask:
    payer, payee = two_accounts(world, draw, "USD")
    amount = some_amount(world, draw, payer)
    splits = some_splits(world, draw, payer, payee, amount)
    if draw.random() < 0.3:
        return paying(world, draw, "deposit", None, payee, "USD", amount, splits)
    return paying(world, draw, "transfer", payer, payee, "USD", amount, splits)


def refund(world: World, draw: Random) -> Ask | None:
    if not world.model.payments:
        return None
    payment = draw.choice(world.model.payments)
    amount = draw.choice([None, 1, max(payment.left, 1), payment.left + 1, max(payment.amount // 3, 1)])
    order = RefundOrder(
        idempotency_key=world.key(), payment_id=payment.id, amount=text(amount, payment.currency), reason=None
    )
    at = world.at
    return Ask(
        lambda: world.services.refunds.desk.one(world.caller, order),
        lambda: world.model.refund(at, payment, amount),
        order.idempotency_key,
    )


def journal_entry(world: World, draw: Random) -> Ask:
    payer, payee = two_accounts(world, draw, "USD")
    amount = some_amount(world, draw, payer)
    lines = pairs(payer, payee, amount, "USD")
    if draw.random() < 0.4:
        lines += pairs(*two_accounts(world, draw, "EUR"), draw.choice([1, 50, 700]), "EUR")
    if draw.random() < 0.3:
        lines += pairs(*two_accounts(world, draw, "USD"), draw.choice([1, 50, 700]), "USD")
    if draw.random() < 0.05:
        lines[0] = lines[0]._replace(amount=amount + 1)
    dating, conditions = some_dating(world, draw), some_conditions(world, draw)
    order = EntryOrder(
        idempotency_key=world.key(),
        reason="by hand",
        postings=[
            PostingOrder(
                account=line.account,
                side=Side(line.side),
                amount=text(line.amount, line.currency) or "",
                currency=line.currency,
            )
            for line in lines
        ],
        effective_at=dating.get("effective"),
        override_closed_period="by hand" if "override" in dating else None,
        conditions=condition_orders(world, conditions),
    )
    at = world.at
    return Ask(
        lambda: world.services.journal.desk.one(world.caller, order),
        lambda: world.model.enter(at, lines, conditions=conditions, **dating),
        order.idempotency_key,
    )


def reverse(world: World, draw: Random) -> Ask | None:
    if not world.model.entries:
        return None
    entry = draw.choice(world.model.entries)
    is_forced = draw.random() < 0.3
    key, at = world.key(), world.at

    async def send() -> Any:
        journal = world.services.journal
        original = await journal.find(world.caller, entry.id)
        order = ReversalOrder(idempotency_key=key, original=original, reason="wrong", is_forced=is_forced)
        return await journal.reversals.one(world.caller, order)

    return Ask(send, lambda: world.model.reverse(at, entry, is_forced=is_forced), key)


def exchange(world: World, draw: Random) -> Ask:
    payer, payee = some_account(world, draw, "USD"), some_account(world, draw, "EUR")
    amount = some_amount(world, draw, payer)
    rate, margin = draw.choice(["0.9214", "1", "0.12345", "3.5"]), draw.choice([None, None, "1.5", "0.25", "100"])
    order = ExchangeOrder(
        idempotency_key=world.key(),
        payer=payer,
        payee=payee,
        amount=text(amount, "USD") or "",
        currency="USD",
        bought_currency="EUR",
        rate=rate,
        rate_source="a bank",
        rate_at=world.at,
        margin_percent=margin,
    )
    at, percent = world.at, None if margin is None else Fraction(margin)

    def expect() -> None:
        with world.model.opening():
            world.model.exchange(at, payer, payee, amount, Fraction(rate), percent)

    return Ask(lambda: world.services.exchanges.desk.one(world.caller, order), expect, order.idempotency_key)


def make_template(world: World, draw: Random) -> Ask:
    request = TemplateRequest.model_validate({**MARKETPLACE, "description": f"{draw.random()}"})
    content = request.order("").content
    postings = [dict(one) for one in content["postings"]]
    postings[1]["account"] = "fees"
    order = TemplateOrder(idempotency_key=world.key(), name="sale", content={**content, "postings": postings})

    def expect() -> None:
        world.model.template_versions += 1

    return Ask(lambda: world.services.templates.make(world.caller, order), expect, order.idempotency_key)


def post_template(world: World, draw: Random) -> Ask | None:
    if not world.model.template_versions:
        return None
    buyer, seller = two_accounts(world, draw, "USD")
    price, fee = draw.choice([200, 999, 10_001, 4_250]), draw.choice(["2.9", "0", "7.77", "50", "2.90", "050", "100.1"])
    percent = None if fee in ("050", "100.1") else Fraction(fee)
    parameters = {"price": text(price, "USD") or "", "fee": fee, "buyer": buyer, "seller": seller, "order": "A-1"}
    version = draw.randint(1, world.model.template_versions)
    key, at = world.key(), world.at

    async def send() -> Any:
        templates = world.services.templates
        found = await templates.get(world.caller, "sale", version)
        order = TemplatePostOrder(
            idempotency_key=key, name="sale", template=found, parameters=parameters, version=version
        )
        return await templates.desk.one(world.caller, order)

    return Ask(send, lambda: world.model.post_template(at, buyer, seller, "fees", price, percent), key)


# Holds.


def place_hold(world: World, draw: Random) -> Ask:
    payer, payee = two_accounts(world, draw, "USD")
    amount = some_amount(world, draw, payer)
    most = draw.choice([None, None, amount * 2, amount + 1, amount - 1]) or None
    lasts = draw.choice([timedelta(minutes=30), timedelta(hours=3), timedelta(hours=9), timedelta(hours=20), None])
    expires_at = None if lasts is None else world.at + lasts
    order = HoldOrder(
        idempotency_key=world.key(),
        amount=text(amount, "USD") or "",
        currency="USD",
        payer=payer,
        payee=payee,
        expires_at=expires_at,
        capture_max=text(most, "USD"),
    )
    at, until = world.at, expires_at or world.at + timedelta(days=7)
    return Ask(
        lambda: world.services.holds.desk.one(world.caller, order),
        lambda: world.model.hold(at, payer, payee, "USD", amount, most, until),
        order.idempotency_key,
    )


def change_hold(world: World, draw: Random, verb: HoldVerb, expect: Callable[..., Any], **members: Any) -> Ask | None:
    """Mostly one that is open."""
    holds = world.model.holds
    open_ = [hold for hold in holds if hold.status == "open"]
    if not holds:
        return None
    hold = draw.choice(open_ if open_ and draw.random() < 0.85 else holds)
    if "part" in members:
        part = members.pop("part")
        members["amount"] = draw.choice([1, max(hold.left, 1), hold.left + 1, hold.left + 100, max(hold.left // 2, 1)])
        members["amount"] = None if part is None and draw.random() < 0.3 else members["amount"]
    if members.get("splits"):
        taken = members["amount"] or max(hold.left, 1)
        members["splits"] = some_splits(world, draw, hold.payer, hold.payee, taken)
    order = HoldChangeOrder(
        idempotency_key=world.key(),
        hold_id=hold.id,
        verb=verb,
        amount=text(members.get("amount"), "USD"),
        is_final=members.get("is_final", False),
        expires_at=members.get("expires_at"),
        splits=said(members.get("splits", ()), "USD"),
    )
    at = world.at
    return Ask(
        lambda: world.services.holds.changes.one(world.caller, order),
        lambda: expect(at, hold, **members),
        order.idempotency_key,
    )


def capture(world: World, draw: Random) -> Ask | None:
    is_final, splits = draw.random() < 0.3, draw.random() < 0.25
    members = {"splits": True} if splits else {}
    return change_hold(world, draw, HoldVerb.CAPTURED, world.model.capture, part=None, is_final=is_final, **members)


def increment(world: World, draw: Random) -> Ask | None:
    return change_hold(world, draw, HoldVerb.INCREMENTED, world.model.increment, part=1)


def extend(world: World, draw: Random) -> Ask | None:
    until = world.at + timedelta(minutes=draw.choice([-1, 20, 300, 20_000]))
    return change_hold(world, draw, HoldVerb.EXTENDED, world.model.extend, expires_at=until)


def void(world: World, draw: Random) -> Ask | None:
    return change_hold(world, draw, HoldVerb.VOIDED, world.model.void)


def change_house_rules(world: World, draw: Random) -> Ask:
    """In dollars: how much more than a hold may be captured, and what a lost dispute costs."""
    percent, amount = draw.choice([None, None, "2.5", "33.333"]), draw.choice([None, None, 1, 250])
    codes = [code for code, one in world.model.accounts.items() if ":" not in code and one.currency == "USD"]
    fee = draw.choice([None, None, Fee(draw.choice([15, 1_500]), draw.choice(codes), draw.random() < 0.5)])
    fees = [] if fee is None else [FeeOrder(text(fee.amount, "USD") or "", "USD", fee.earner, fee.is_forced)]
    order = HouseRulesOrder(
        idempotency_key=world.key(),
        over_percent=percent,
        over_amounts=[] if amount is None else [OverAmount(text(amount, "USD") or "", "USD")],
        dispute_fees=fees,
    )

    def expect() -> None:
        world.model.house_rules = HouseRules(Fraction(percent or 0), amount or 0, fee)

    return Ask(lambda: world.services.house_rules.put(world.caller, order), expect, order.idempotency_key)


# Disputes.


def open_dispute(world: World, draw: Random) -> Ask | None:
    if not world.model.payments:
        return None
    payment = draw.choice(world.model.payments)
    amount = draw.choice([None, 1, max(payment.left, 1), payment.left + 1, max(payment.amount // 2, 1)])
    order = DisputeOrder(
        idempotency_key=world.key(),
        payment_id=payment.id,
        texts=DisputeTexts(reason="fraudulent"),
        amount=text(amount, payment.currency),
    )
    at = world.at
    return Ask(
        lambda: world.services.disputes.desk.one(world.caller, order),
        lambda: world.model.dispute(at, payment, amount),
        order.idempotency_key,
    )


def change_dispute(
    world: World, draw: Random, verb: DisputeVerb, expect: Callable[..., Any], **said: Any
) -> Ask | None:
    disputes = world.model.disputes
    undecided = [one for one in disputes if one.status not in ("won", "lost")]
    if not disputes:
        return None
    dispute = draw.choice(undecided if undecided and verb is not DisputeVerb.ESCALATED else disputes)
    members: dict[str, Any] = dict(said)
    if members.get("fee"):
        members["fee"] = text(members["fee"], dispute.payment.currency)
    order = DisputeChangeOrder(idempotency_key=world.key(), dispute_id=dispute.id, verb=verb, **members)
    at = world.at
    return Ask(
        lambda: world.services.disputes.changes.one(world.caller, order),
        lambda: expect(at, dispute),
        order.idempotency_key,
    )


def win_dispute(world: World, draw: Random) -> Ask | None:
    return change_dispute(world, draw, DisputeVerb.WON, world.model.win)


def lose_dispute(world: World, draw: Random) -> Ask | None:
    fee = draw.choice([None, 15, 1_500])
    earner = some_account(world, draw, "USD")
    is_forced = fee is not None and draw.random() < 0.5

    def expect(at: Any, dispute: Any) -> None:
        world.model.lose(at, dispute, fee, earner, is_forced=is_forced)

    said = {} if fee is None else {"fee": fee, "fee_to": earner, "is_fee_forced": is_forced}
    return change_dispute(world, draw, DisputeVerb.LOST, expect, **said)


def escalate_dispute(world: World, draw: Random) -> Ask | None:
    stage = draw.choice(STAGES)

    def expect(at: Any, dispute: Any) -> None:
        world.model.escalate(at, dispute, stage)

    return change_dispute(world, draw, DisputeVerb.ESCALATED, expect, stage=DisputeStage(stage))


# Clients.


def client_transaction(world: World, draw: Random) -> Ask:
    transactions = world.model.transactions
    disputed = [tx for tx, one in transactions.items() if one.status == "disputed"]
    types = ["deposit", "deposit", "withdrawal", *["dispute"] * 2 * bool(transactions), "resolve"]
    type_ = draw.choice([*types, *["resolve", "chargeback", "chargeback"] * bool(disputed)])
    client, tx = draw.randint(1, 3), draw.randint(1, 9)
    if disputed and type_ in ("resolve", "chargeback") and draw.random() < 0.8:
        tx = draw.choice(disputed)
    elif type_ == "dispute" and transactions and draw.random() < 0.8:
        tx = draw.choice(list(transactions))
    if tx in world.model.transactions and draw.random() < 0.8:
        client = int(world.model.transactions[tx].client.partition(":")[2])
    amount = draw.choice([1, 5_000, 123_456, 1_000_000])
    refuse_negative = type_ == "chargeback" and draw.random() < 0.3
    order = ClientOrder(
        idempotency_key=world.key(),
        type=ClientCommandType(type_),
        client=client,
        tx=tx,
        amount=text(amount, "XTS") if type_ in ("deposit", "withdrawal") else None,
        refuse_negative_total=refuse_negative,
    )
    at = world.at
    return Ask(
        lambda: world.services.clients.desk.one(world.caller, order),
        lambda: world.model.client(at, type_, client, tx, amount, refuse_negative=refuse_negative),
        order.idempotency_key,
    )


# Later.


def schedule_payment(world: World, draw: Random) -> Ask:
    payer, payee = two_accounts(world, draw, "USD")
    amount = some_amount(world, draw, payer)
    execute_at = world.at + timedelta(minutes=draw.choice([-5, 30, 90, 500]))
    is_retried, recurs = draw.random() < 0.4, draw.random() < 0.3
    key = world.key()
    payment = PaymentOrder(
        idempotency_key=key,
        type=PaymentType.TRANSFER,
        amount=text(amount, "USD") or "",
        currency="USD",
        payer=payer,
        payee=payee,
    )
    order = ScheduleOrder(
        idempotency_key=key,
        payment=payment,
        execute_at=execute_at,
        recurrence=Recurrence("FREQ=DAILY;COUNT=2", "UTC") if recurs else None,
        on_refusal=OnRefusal.RETRY if is_retried else OnRefusal.SKIP,
        attempts_max=2 if is_retried else None,
        retry_seconds=5_400 if is_retried else None,
    )
    due_at = [execute_at, execute_at + timedelta(days=1)] if recurs else [execute_at]
    number, attempts = len(world.model.schedules), 2 if is_retried else 1
    schedule = Schedule(number, "transfer", payer, payee, "USD", amount, due_at, execute_at, attempts, 5_400)
    at = world.at

    def expect() -> Schedule:
        world.model.schedule(at, schedule)
        return schedule

    return Ask(lambda: world.services.scheduled_payments.desk.one(world.caller, order), expect, key)


def cancel_schedule(world: World, draw: Random) -> Ask | None:
    if not world.model.schedules:
        return None
    schedule = draw.choice(world.model.schedules)
    order = CancellationOrder(idempotency_key=world.key(), schedule_id=schedule.id)
    return Ask(
        lambda: world.services.scheduled_payments.cancellations.one(world.caller, order),
        lambda: world.model.cancel(schedule),
        order.idempotency_key,
    )


def close_period(world: World, draw: Random) -> Ask:
    day = (world.at - timedelta(days=draw.choice([0, 1, 1, 2]))).date()
    ends_at = world.at.replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at += day + timedelta(days=1) - world.at.date()
    key, at = world.key(), world.at
    return Ask(
        lambda: world.services.periods.close(world.caller, day.isoformat(), key),
        lambda: world.model.close_period(at, ends_at),
        key,
    )


VERBS: dict[str, tuple[int, Verb]] = {
    "open_account": (2, open_account),
    "change_limits": (3, change_limits),
    "change_velocity": (5, change_velocity),
    "freeze": (2, freeze),
    "unfreeze": (4, unfreeze),
    "close_account": (2, close_account),
    "deposit": (9, deposit),
    "withdrawal": (4, withdrawal),
    "transfer": (9, transfer),
    "split_payment": (6, split_payment),
    "refund": (8, refund),
    "journal_entry": (6, journal_entry),
    "reverse": (4, reverse),
    "exchange": (4, exchange),
    "make_template": (2, make_template),
    "post_template": (3, post_template),
    "place_hold": (8, place_hold),
    "capture": (8, capture),
    "increment": (3, increment),
    "extend": (2, extend),
    "void": (2, void),
    "change_house_rules": (2, change_house_rules),
    "open_dispute": (6, open_dispute),
    "win_dispute": (3, win_dispute),
    "lose_dispute": (4, lose_dispute),
    "escalate_dispute": (3, escalate_dispute),
    "client_transaction": (10, client_transaction),
    "schedule_payment": (4, schedule_payment),
    "cancel_schedule": (1, cancel_schedule),
    "close_period": (2, close_period),
}
"""How often each is drawn, beside the others."""

OFTEN_REPEATED = 8
"""And how often an earlier order is sent again, or another one under its key."""
