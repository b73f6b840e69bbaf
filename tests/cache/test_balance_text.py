"""Foreign, malformed and impossible values are no balances."""

from __future__ import annotations

from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cache.exploration import ACCOUNT, LEDGER, state_at
from zerosum.adapters.balance_text import CachedBalance, parse_balance, render_balance

GOOD = render_balance(state_at(12)).encode()


def whole(line: str) -> bytes:
    """With the check sum that fits."""
    return f"{line}{crc32(line.encode())}".encode()


def line(version: object = 12, ledger: str = LEDGER.hex, account: str = ACCOUNT.hex, posted: str = "12.00") -> bytes:
    return whole(f"V{version} {ledger} {account} {posted} 0.00 12.00 ")


def amount(units: int, places: int) -> Decimal:
    """Of at most 20 digits before the point."""
    sign, digits = ("-" if units < 0 else ""), f"{abs(units):038}"
    return Decimal(f"{sign}{digits[:20]}.{digits[20:]}"[: len(sign) + 20 + (places and places + 1)])


@given(
    version=st.integers(0, 10**15 - 1),
    posted=st.integers(1 - 10**38, 10**38 - 1),
    held=st.integers(0, 10**30),
    places=st.integers(0, 18),
)
def test_a_balance_comes_back_as_it_was(version: int, posted: int, held: int, places: int) -> None:
    state = state_at(version, amount(posted, places))
    state.held = amount(held, places)
    text = render_balance(state)
    expected = CachedBalance(version, f"{state.posted:f}", f"{state.held:f}", f"{state.available:f}")
    found = parse_balance(text.encode(), LEDGER, ACCOUNT)
    # An available balance of more than 20 digits cannot come about; if it did, it would not be served from here.
    assert found == expected or abs(state.available) >= Decimal(10) ** 20


@pytest.mark.parametrize(
    "text",
    [
        None,
        12,
        [b"V"],
        GOOD.decode(),
        b"",
        b"V",
        b"R0123456789abcdef",
        b"M0|0123456789abcdef@1700000000000",
        b"[]",
        b'{"version": 12',
        GOOD + b"\n",
        b" " + GOOD,
        GOOD[:-1],
        GOOD + b"0",
        GOOD.replace(b"12.00", b"13.00"),
        GOOD.replace(b"V12", b"V13"),
        line(ledger="0" * 32),
        line(account=LEDGER.hex),
        line(account=str(ACCOUNT)),
        line(version=-1),
        line(version="+1"),
        line(version="1.0"),
        line(version="NaN"),
        line(version="١٢"),
        line(version=10**15),
        line(version=""),
        line(posted="NaN"),
        line(posted="Infinity"),
        line(posted="1e3"),
        line(posted="12,00"),
        line(posted="١٢.00"),
        line(posted="1" * 21),
        line(posted="1." + "0" * 19),
        line(posted="-"),
        line(posted="--1"),
        line(posted="1_000"),
        line(posted=".5"),
        line(posted="5."),
        b"\xff\xfe" + GOOD,
        GOOD.replace(b" ", b"\xa0"),
        GOOD * 1000,
    ],
)
def test_what_is_not_this_accounts_balance_is_none(text: object) -> None:
    assert parse_balance(GOOD, LEDGER, ACCOUNT) is not None
    assert parse_balance(text, LEDGER, ACCOUNT) is None


@given(st.binary(max_size=200))
@example(GOOD)
def test_random_bytes_are_none(text: bytes) -> None:
    found = parse_balance(text, LEDGER, ACCOUNT)
    assert found is None or text == GOOD


@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_one_wrong_byte_is_enough(place: int, byte: int) -> None:
    damaged = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    assert damaged == GOOD or parse_balance(damaged, LEDGER, ACCOUNT) is None
