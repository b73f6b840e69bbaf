"""The straight way makes the command that the ordinary way makes, and writes the answer that it writes; or neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerosum.api.payment_text import paid_or_held_text
from zerosum.api.schemas.payments import PaymentRequest
from zerosum.api.straight_payments import ITEM_MEMBERS, MEMBERS, pair_text, straight_command
from zerosum.api.validation import validated
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType, Side
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import genesis
from zerosum.domain.money import Currency
from zerosum.domain.payments.pay import Pay
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.services.payments import PaymentKind, Payments
from zerosum.services.requests.account_directory import AccountDirectory, NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.currencies import Currencies
from zerosum.services.straight_payments import StraightPayments

LEDGER = LedgerId(new_uuid())
NOW = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)
CODES = ("a", "b", "customers:alice", "clearing:internal:USD", "clearing:internal:JPY", "clearing:internal:GOLD")
NOBODY = cast(Any, None)


def _account(code: str) -> Account:
    id_ = AccountId(new_uuid())
    state = AccountState(
        ledger_id=LEDGER,
        id=id_,
        currency=code.rpartition(":")[2] if code.startswith("clearing:") else "USD",
        normal_side=Side.DEBIT,
        status=AccountStatus.OPEN,
        min_available=None,
        max_available=None,
        posted_debits=Decimal("0.00"),
        posted_credits=Decimal("0.00"),
        held=Decimal("0.00"),
        version=0,
        head=genesis(LEDGER, id_),
    )
    return Account(code=code, name=None, type=AccountType.ASSET, metadata={}, created_at=NOW, state=state)


ACCOUNTS = [_account(code) for code in CODES]
DIRECTORY = AccountDirectory(NOBODY)
for one in ACCOUNTS:
    DIRECTORY.remember(LEDGER, one)
CURRENCIES = Currencies(NOBODY, lambda: NOW)
CURRENCIES._remember(LEDGER, Currency("GOLD", 18))
CLOSED = ClosedPeriods(NOBODY, lambda: NOW)
CLOSED._known[LEDGER] = NOW, None
KIND = PaymentKind(NOBODY, NOBODY, DIRECTORY, CURRENCIES, CLOSED, lambda: NOW)
PAYMENTS = cast(Payments, SimpleNamespace(straight=StraightPayments(DIRECTORY, CURRENCIES)))
PRINCIPAL = Principal(LEDGER, "key_x", frozenset({Scope.PAYMENTS_WRITE}), "x")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", '"\\/\n', "é" * 500, "x" * 500, "x" * 501, "<&>\u2028"]
)
NAMES = st.sampled_from([*CODES, *(f"acc_{one.state.id}" for one in ACCOUNTS), "nobody", "", "acc_x", '"', "A\\"])
MEMBERS_OF_BODIES: Mapping[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["transfer", "deposit", "withdrawal", "refund", "", 1]),
    "amount": st.sampled_from(
        ["1", "1.5", "0.01", "1.000", "1.001", "0", "-1", "1e3", "01", "9" * 20, "9" * 21, " 1", 5]
    )
    | st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2).map(str),
    "currency": st.sampled_from(["USD", "USD", "JPY", "GOLD", "usd", "ZZZ", "", True]),
    "from": NAMES | st.sampled_from([None, 5, ["a"]]),
    "to": NAMES | st.none(),
    "reference": TEXTS | st.none(),
    "description": TEXTS | st.none(),
    "effective_at": st.sampled_from(["2026-11-01T00:00:00Z", ""]),
    "metadata": st.just({"a": "b"}) | st.just({}),
    "processor": st.sampled_from(["internal", "acme"]),
    "another": TEXTS,
}
KNOWN = st.sampled_from([*CODES, *(f"acc_{one.state.id}" for one in ACCOUNTS)])


def _plain(type_: str, *parties: str) -> st.SearchStrategy[dict[str, Any]]:
    amounts = st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2).map(str)
    usual = {"type": st.just(type_), "amount": amounts, "currency": st.sampled_from(["USD", "USD", "GOLD"])}
    return st.fixed_dictionaries(
        {**usual, **dict.fromkeys(parties, KNOWN)}, optional={"reference": TEXTS, "description": TEXTS}
    )


PLAIN_BODIES = _plain("transfer", "from", "to") | _plain("deposit", "to") | _plain("withdrawal", "from")
CHANGES = st.sampled_from(list(MEMBERS_OF_BODIES)).flatmap(
    lambda name: st.tuples(st.just(name), MEMBERS_OF_BODIES[name])
)
BODIES = st.builds(lambda body, changes: {**body, **dict(changes)}, PLAIN_BODIES, st.lists(CHANGES, max_size=2))


def _ordinary(body: Mapping[str, Any]) -> Pay | None:
    try:
        order = validated(PaymentRequest, body).order("the key")
        command = KIND.command(Caller(LEDGER, "key_x"), order, is_prepared=False).command
    except (DomainError, NotPrepared):
        return None
    assert isinstance(command, Pay)
    return command


def _straight(body: Mapping[str, Any]) -> Pay | None:
    prepared = straight_command(PAYMENTS, PRINCIPAL, body, "the key", MEMBERS)
    if prepared is None:
        return None
    assert isinstance(prepared.command, Pay)
    assert prepared.names == prepared.command.codes
    return prepared.command


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(BODIES)
@example({"type": "transfer", "amount": "1", "currency": "USD", "from": "a", "to": f"acc_{ACCOUNTS[0].state.id}"})
def test_it_makes_the_same_command_or_none(body: dict[str, Any]) -> None:
    straight = _straight(body)
    if straight is not None:
        ordinary = _ordinary(body)
        assert ordinary is not None
        assert straight == replace(ordinary, id=straight.id)
        assert type(straight) is type(ordinary)
        assert list(straight.codes or ()) == list(ordinary.codes or ())


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(PLAIN_BODIES)
def test_it_leaves_no_plain_payment_to_the_other_way(body: dict[str, Any]) -> None:
    assert (_straight(body) is None) == (_ordinary(body) is None)


def test_a_body_with_one_more_member_is_left_to_the_other_way() -> None:
    body = {"type": "transfer", "amount": "1", "currency": "USD", "from": "a", "to": "b"}
    assert _straight(body) is not None
    assert _straight({**body, "idempotency_key": "another"}) is None
    assert _straight({**body, "processor": "internal"}) is None
    assert {"idempotency_key"} == ITEM_MEMBERS - MEMBERS


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(PLAIN_BODIES, st.none() | st.just({"order": 'A "1"'}), st.none() | st.just(NOW - timedelta(days=1)))
def test_it_is_answered_by_the_same_text(
    body: dict[str, Any], metadata: dict[str, str] | None, effective_at: datetime | None
) -> None:
    command = _straight(body)
    if command is None or command.money.currency.code != "USD":
        return
    command = replace(command, metadata=metadata or {}, effective_at=effective_at)
    accounts = [replace(one.state, currency="USD") for one in ACCOUNTS]
    posted = Book(accounts).apply_straight(command, NOW)
    assert posted is not None
    codes: Mapping[UUID, str] = command.codes or {}
    assert pair_text(posted) == paid_or_held_text(KIND.view(posted, codes))
