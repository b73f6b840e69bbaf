"""Rules and reviews in a Book, against plain models: limits and velocity to the unit, and a review that ends once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, USD, account_id, photograph, uuid_of, wallet
from zerosum.domain.errors import DomainError, FourEyesRequired, InvalidState, JudgementNeeded, RuleRefused
from zerosum.domain.identifiers import ReviewId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Outcome, Posted, Refused
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.ledger.velocity import Direction, Use, Used, VelocityLimit, Window, WindowKind
from zerosum.domain.money import Money
from zerosum.domain.payments.book_checks import Duplicate, Velocity
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.review_commands import ApproveReview, JudgedPayment, RefuseReview, Ruling
from zerosum.domain.payments.reviews import REVIEW, Review, ReviewStatus
from zerosum.domain.payments.rules import AmountLimit, Finding, Judged, Rule, RuleAction, findings, is_meant

_numbers = count(1)


def paying(amount: str, **members: Any) -> Pay:
    key = f"rules-key-{next(_numbers)}"
    return Pay(
        **{
            "id": uuid_of(f"command {key}"),
            "ledger_id": LEDGER,
            "idempotency_key": key,
            "fingerprint": sha256(b"the order").digest(),
            "actor": "maker",
            "type": PaymentType.TRANSFER,
            "money": Money.parse(amount, USD),
            "payer_id": account_id("alice"),
            "payee_id": account_id("bob"),
            **members,
        }
    )


def judged(payment: Pay, *found: Finding, checks: Any = (), cannot_wait: str | None = None) -> JudgedPayment:
    seen = Judged(type=payment.type, amount=payment.money.amount, currency="USD", payer="alice", payee="bob")
    ruling = Ruling(version="v", judged=seen, findings=found, checks=tuple(checks), cannot_wait=cannot_wait)
    return under(payment, ruling)


def under(payment: Pay, ruling: Ruling | None) -> JudgedPayment:
    return JudgedPayment(
        id=payment.id,
        ledger_id=LEDGER,
        idempotency_key=payment.idempotency_key,
        fingerprint=payment.fingerprint,
        actor=payment.actor,
        payment=payment,
        ruling=ruling,
        ordered={},
    )


def rule(**members: Any) -> Rule:
    return Rule(**{"place": 0, "name": "it", "kind": "limit", **members})


def holding(approvals: int = 1) -> Finding:
    return Finding(0, "it", RuleAction.REVIEW, "looked at", None, approvals)


def book_with(amount: str = "100000.00") -> Book:
    return Book([wallet("alice", amount), wallet("bob", "0")])


def refusal_in(outcome: Outcome) -> DomainError:
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal


cents = st.integers(1, 500).map(lambda number: f"{number // 100}.{number % 100:02}")


@given(cents, st.none() | cents, st.none() | cents)
def test_a_limit_catches_what_is_above_or_below_and_nothing_else(
    amount: str, least: str | None, most: str | None
) -> None:
    limit = AmountLimit(
        rule=rule(),
        amount_min=None if least is None else Decimal(least),
        amount_max=None if most is None else Decimal(most),
    )
    payment = Judged(type=PaymentType.TRANSFER, amount=Decimal(amount), currency="USD", payer="a", payee="b")
    in_cents = [None if one is None else int(one.replace(".", "")) for one in (amount, least, most)]
    fits = in_cents[0] >= (in_cents[1] or 0) and in_cents[0] <= (in_cents[2] or 10**9)  # type: ignore[operator]
    assert (findings([limit], payment) == []) is fits


@settings(max_examples=60)
@given(
    past=st.lists(st.tuples(st.integers(0, 8), cents), max_size=5),
    asked=st.lists(cents, min_size=1, max_size=8),
    seconds=st.integers(1, 6),
    sum_max=st.none() | cents,
    count_max=st.none() | st.integers(1, 6),
)
def test_velocity_lets_pass_what_a_plain_model_does(
    past: list[tuple[int, str]], asked: list[str], seconds: int, sum_max: str | None, count_max: int | None
) -> None:
    """One after the other in one batch, on top of what counts already."""
    if sum_max is None and count_max is None:
        count_max = 3
    window = Window(Direction.OUT, WindowKind.ROLLING, seconds)
    limit = VelocityLimit(window, None if sum_max is None else Decimal(sum_max), count_max)
    check = Velocity(rule=rule(kind="velocity"), limit=limit)
    within = [Decimal(amount) for ago, amount in past if ago < seconds]
    book = book_with()
    uses = tuple(
        Use(NOON - timedelta(seconds=ago), Decimal(amount))
        for ago, amount in sorted(past, reverse=True)
        if ago < seconds
    )
    used = Used(NOON, window.start(NOON, None), None, sum(within, Decimal("0.00")), len(within), uses)  # type: ignore[arg-type]
    book.accounts[account_id("alice")].used = {window: used}
    for amount in asked:
        fits = (sum_max is None or sum(within) + Decimal(amount) <= Decimal(sum_max)) and (
            count_max is None or len(within) + 1 <= count_max
        )
        before = photograph(book.accounts.values())
        outcome = book.apply(judged(paying(amount), checks=[check]), NOON)
        assert isinstance(outcome, Posted) is fits
        if fits:
            within.append(Decimal(amount))
        else:
            assert isinstance(refusal_in(outcome), RuleRefused)
            assert photograph(book.accounts.values()) == before


def test_a_duplicate_in_the_same_batch_is_seen() -> None:
    book, check = book_with(), Duplicate(rule=rule(kind="duplicate"), window_seconds=60)
    first = paying("1.00")
    assert isinstance(book.apply(judged(first, checks=[check]), NOON), Posted)
    found = refusal_in(book.apply(judged(paying("1.00"), checks=[check]), NOON))
    assert found.facts["payment_id"] == f"pay_{first.id}"
    for other in (paying("1.01"), paying("1.00", payer_id=account_id("bob"), payee_id=account_id("alice"))):
        assert isinstance(book.apply(judged(other, checks=[check]), NOON), Posted)


def test_what_nobody_has_judged_is_sent_again() -> None:
    assert isinstance(refusal_in(book_with().apply(under(paying("1.00"), None), NOON)), JudgementNeeded)
    assert not JudgementNeeded.is_kept


def test_what_cannot_wait_is_refused_by_the_rule_that_would_hold_it() -> None:
    found = refusal_in(book_with().apply(judged(paying("1.00"), holding(), cannot_wait="Alone."), NOON))
    assert isinstance(found, RuleRefused)
    assert (found.facts["action"], found.detail) == ("review", "looked at Alone.")


class Desk:
    """A review in a Book, and people who say something of it."""

    def __init__(self, approvals: int, amount: str = "5.00") -> None:
        self.book = book_with()
        self.order = paying(amount)
        outcome = self.book.apply(judged(self.order, holding(approvals)), NOON)
        assert isinstance(outcome, Posted)
        assert outcome.entries == ()

    @property
    def review(self) -> Review:
        found: Review = self.book.records[RecordKey(LEDGER, REVIEW, self.order.id)]
        return found

    @property
    def paid(self) -> Decimal:
        return self.book.accounts[account_id("bob")].posted

    def says(self, actor: str, verb: str) -> Outcome:
        key = f"decision-{next(_numbers)}"
        members: dict[str, Any] = {
            "id": uuid_of(key),
            "ledger_id": LEDGER,
            "idempotency_key": key,
            "fingerprint": sha256(key.encode()).digest(),
            "actor": actor,
            "review_id": ReviewId(self.order.id),
            "payer_id": self.order.payer_id,
            "payee_id": self.order.payee_id,
            "reason": "Known.",
        }
        if verb == "refuse":
            return self.book.apply(RefuseReview(**members), NOON)
        payment = paying("5.00", id=members["id"])
        approval = ApproveReview(**members, payment=payment, person=person_behind(actor), maker_person="maker")
        return self.book.apply(approval, NOON)


def person_behind(actor: str) -> str:
    return actor.removesuffix("'s key")


@settings(max_examples=100)
@given(
    st.integers(1, 2),
    st.lists(
        st.tuples(
            st.sampled_from(["maker", "maker's key", "ann", "ann's key", "ben"]), st.sampled_from(["approve", "refuse"])
        ),
        max_size=6,
    ),
)
def test_a_review_ends_as_a_plain_model_says(needed: int, said: list[tuple[str, str]]) -> None:
    desk, state = Desk(needed), "in_review"
    approved: list[str] = []
    for actor, verb in said:
        outcome = desk.says(actor, verb)
        if state != "in_review":
            assert isinstance(refusal_in(outcome), InvalidState)
        elif verb == "refuse":
            state = "refused"
        elif person_behind(actor) in ("maker", *approved):
            assert isinstance(refusal_in(outcome), FourEyesRequired)
        else:
            approved.append(person_behind(actor))
            state = "approved" if len(approved) == needed else state
    assert desk.review.status == ReviewStatus(state)
    assert desk.paid == (Decimal("5.00") if state == "approved" else Decimal("0.00"))
    assert (desk.review.payment_id is not None) is (state == "approved")


def test_what_means_something_else_by_now_is_not_approved() -> None:
    desk = Desk(1)
    desk.book.records[RecordKey(LEDGER, REVIEW, desk.order.id)] = type(desk.review)(
        **{name: getattr(desk.review, name) for name in Review.__slots__} | {"fingerprint": b"another"}
    )
    assert isinstance(refusal_in(desk.says("ann", "approve")), InvalidState)
    assert desk.paid == 0


@pytest.mark.parametrize(
    ("pattern", "code", "fits"),
    [("a", "a", True), ("a", "ab", False), ("a*", "ab", True), ("a*", "a", True), ("a*", "ba", False)],
)
def test_a_pattern_is_a_code_or_how_codes_begin(pattern: str, code: str, fits: bool) -> None:
    assert is_meant((pattern,), code) is fits
