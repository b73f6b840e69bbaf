"""When an act needs a second person, and who that may be."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from zerosum.config import SettingsError, load_settings
from zerosum.db.identifiers import new_uuid
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import FourEyesRequired, InvalidState
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.proposals import WAITS_FOR, Proposal, ProposalStatus, Thresholds

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def proposal(**members: Any) -> Proposal:
    given = {
        "id": new_uuid(),
        "ledger_id": LedgerId(new_uuid()),
        "action": "refund a payment",
        "place": "/console/led_1/payments/pay_1/refund",
        "parts": {},
        "form": {},
        "moves": {"USD": Decimal("12.00")},
        "proposed_by": "console|ann",
        "proposer": "console|ann",
        "role": Role.OPERATOR,
        "reason": "Returned",
        "proposed_at": NOON,
        "expires_at": NOON + WAITS_FOR,
    }
    return Proposal(**{**given, **members})


@pytest.mark.parametrize(
    ("text", "moves", "waits"),
    [
        ("", {"USD": "1000000"}, False),
        ("", None, False),
        ("USD 10000", {"USD": "10000.00"}, False),
        ("USD 10000", {"USD": "10000.01"}, True),
        ("USD 10000", {"EUR": "10000.01"}, False),
        ("USD 10000", None, True),
        ("USD 10000, * 0", {"EUR": "0.01"}, True),
        ("USD 10000, * 0", {"EUR": "0"}, False),
        ("USD 10000, * 0", {"USD": "1"}, False),
        ("* 5", {"USD": "5", "EUR": "6"}, True),
        (" USD 0.5 ,EUR 1 ", {"USD": "0.51"}, True),
        ("* 0", {}, False),
    ],
)
def test_what_is_above_its_threshold_needs_a_second_person(
    text: str, moves: dict[str, str] | None, waits: bool
) -> None:
    amounts = None if moves is None else {currency: Decimal(amount) for currency, amount in moves.items()}
    assert Thresholds.parse(text).are_exceeded(amounts) is waits


@pytest.mark.parametrize(
    "text",
    ["10000", "USD", "USD ten", "USD -1", "USD 1e3", "USD 1 2", "usd 1", "USD 1,", ",", "USD 1, USD 2", "* 1, * 2",
     "USD 1;EUR 2", "USD NaN", "USD " + "9" * 21],
)  # fmt: skip
def test_thresholds_that_cannot_be_read_stop_the_start_by_their_name(text: str) -> None:
    with pytest.raises(SettingsError, match="ZEROSUM_CONSOLE_SECOND_PERSON") as refused:
        load_settings(console_second_person=text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("* 0", "0 of any currency"),
        ("USD 10000, EUR 9.50", "9.50 EUR or 10000 USD"),
        ("* 0.000000001, USD 10000", "10000 USD or 0.000000001 of any other currency"),
    ],
)
def test_thresholds_are_told_in_words(text: str, words: str) -> None:
    assert Thresholds.parse(text).in_words == words


def test_thresholds_are_a_setting_and_none_by_default() -> None:
    assert not load_settings().second_person.is_on
    found = load_settings(console_second_person="USD 10000, * 0").second_person
    assert found.amounts == {"USD": Decimal(10000), "*": Decimal(0)}


@pytest.mark.parametrize(
    ("person", "actor"),
    [("console|ann", "console|ann"), ("console|ann", "key_2"), ("key_1", "key_3"), ("console|bob", "key_1")],
)
def test_the_same_person_is_no_second_one_by_whichever_credential(person: str, actor: str) -> None:
    with pytest.raises(FourEyesRequired):
        proposal(proposed_by="key_1").check_other(person, actor)


def test_another_person_is() -> None:
    proposal(proposed_by="key_1").check_other("console|bob", "key_2")


def test_it_waits_until_its_time_and_not_an_instant_longer() -> None:
    one = proposal()
    assert not one.is_overdue(one.expires_at - one.expires_at.resolution)
    assert one.is_overdue(one.expires_at)
    assert not proposal(status=ProposalStatus.CONFIRMED).is_overdue(one.expires_at)


@pytest.mark.parametrize("status", [one for one in ProposalStatus if one is not ProposalStatus.WAITING])
def test_what_was_decided_is_not_decided_again(status: ProposalStatus) -> None:
    with pytest.raises(InvalidState):
        proposal(status=status).check_waits()
