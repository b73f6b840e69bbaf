"""`traceparent` and `tracestate` (W3C Trace Context, sections 3.2 and 3.3): what is taken and what is ignored."""

from __future__ import annotations

import pytest

from zerosum.domain.traces import make_origin
from zerosum.gateway.trace_context import TraceParent, read_trace_parent, request_names, without_credentials

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def read(*values: str, states: tuple[str, ...] = ()) -> TraceParent | None:
    headers = [(b"host", b"x"), *((b"traceparent", value.encode("latin-1")) for value in values)]
    return read_trace_parent([*headers, *((b"tracestate", value.encode("latin-1")) for value in states)])


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (GOOD, 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-02", 2),
        (f"00-{TRACE}-{SPAN}-ff", 255),
        (f" \t{GOOD}\t ", 1),
        (f"01-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", 1),
        (f"cc-{TRACE}-{SPAN}-01-", 1),
    ],
)
def test_a_well_formed_parent_is_taken(value: str, flags: int) -> None:
    assert read(value) == TraceParent(make_origin(TRACE, SPAN, flags))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "00",
        "-" * 55,
        "x" * 10_000,
        GOOD[:-1],
        GOOD + "0",
        GOOD + "-",
        GOOD + "-more",
        GOOD + ".",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
        f"cc-{TRACE}-{SPAN}-010",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f".0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-.0",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-A0",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}- 1",
        f"00-{TRACE}-{SPAN}-01\n",
        f"{GOOD},{GOOD}",
        f"00-{'é' * 32}-{SPAN}-01",
    ],
)
def test_a_malformed_parent_is_ignored(value: str) -> None:
    assert read(value) is None


def test_two_parents_are_none() -> None:
    assert read(GOOD, GOOD) is None
    assert read() is None


@pytest.mark.parametrize(
    ("states", "taken"),
    [
        ((), ""),
        (("a=1",), "a=1"),
        (("a=1", "b=2,c=3"), "a=1,b=2,c=3"),
        (("x=" + "y" * 510,), "x=" + "y" * 510),
        (("x=" + "y" * 511,), ""),
        (("x=é",), ""),
    ],
)
def test_the_state_goes_along_up_to_a_size(states: tuple[str, ...], taken: str) -> None:
    assert read(GOOD, states=states) == TraceParent(make_origin(TRACE, SPAN, 1), taken)


def test_a_log_record_names_the_trace_where_there_is_one() -> None:
    assert request_names("r-1", [(b"traceparent", GOOD.encode())]) == {"request_id": "r-1", "trace_id": TRACE}
    assert request_names("r-1", [(b"traceparent", b"nonsense")]) == {"request_id": "r-1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/v1/payments/pay_1", "/v1/payments/pay_1"),
        ("zsk_AbC-_9=", "***"),
        ("/v1/payments/zsk_AbC-_9/x", "/v1/payments/***/x"),
        ("eyJhbGciOi.J9-_.c2ln", "***"),
        ("/v1/accounts/eyJhbGciOi.J9-_.c2ln/balance", "/v1/accounts/***/balance"),
        ("/v1/accounts/monkeyJar.jam", "/v1/accounts/monkeyJar.jam"),
    ],
)
def test_a_credential_in_the_wrong_place_is_not_shown(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
