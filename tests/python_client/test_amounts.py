"""Amounts are exact on their way out and on their way in, or refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.client import UnexpectedAnswer, key_of_intention
from zerosum.client.amounts import amount_text, time_text
from zerosum.client.decoding import decode
from zerosum.client.keys import chosen_key, is_key
from zerosum.client.models.model import Model


@dataclass(frozen=True, kw_only=True)
class Told(Model):
    amount: Decimal


AMOUNTS = st.decimals(min_value=Decimal(-(10**19)), max_value=Decimal(10**19), allow_nan=False, places=18)


@given(AMOUNTS)
def test_an_amount_is_the_same_on_both_sides_of_the_wire(amount: Decimal) -> None:
    text = amount_text(amount)
    assert "E" not in text
    assert decode(Told, json.loads(json.dumps({"amount": text}))).amount == amount


@pytest.mark.parametrize("amount", [1.5, 1.0, True, None, b"1"])
def test_what_is_not_exact_is_no_amount(amount: Any) -> None:
    with pytest.raises(TypeError, match=r"12\.30"):
        amount_text(amount)


NO_AMOUNTS = ["", "1,5", "1e3", "+1", "01", "1.", "٣", "1" * 21, Decimal("NaN"), Decimal("Infinity")]


@pytest.mark.parametrize("amount", NO_AMOUNTS)
def test_what_no_amount_can_be_is_refused_before_it_is_sent(amount: Any) -> None:
    with pytest.raises(ValueError, match="digits"):
        amount_text(amount)


@pytest.mark.parametrize("told", [1.5, 1, "1e3", "NaN", None])
def test_what_is_told_as_an_amount_must_be_one(told: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"Told\.amount"):
        decode(Told, {"amount": told})


def test_a_time_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        time_text(datetime(2026, 11, 30))  # noqa: DTZ001 - that is the point
    assert time_text(datetime.fromisoformat("2026-11-30T01:00:00+01:00")) == "2026-11-30T00:00:00Z"


@given(st.text(min_size=1))
def test_an_intention_has_one_key_whatever_its_name(name: str) -> None:
    key = key_of_intention("createPayment", name)
    assert is_key(key)
    assert key == chosen_key("createPayment", None, name)
    assert key != key_of_intention("createHold", name)


def test_a_key_that_no_header_carries_and_two_names_at_once_are_mistakes() -> None:
    for key, once in (("a key", None), ("", None), ("ü", None), ("k" * 256, None), ("k", "name"), (None, "")):
        with pytest.raises(ValueError, match=r"key|once"):
            chosen_key("createPayment", key, once)
