"""Texts that are made up at random, or nearly right: each parser reads them or refuses them in its own words."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.fuzzing import parsers
from tests.fuzzing.examples import OFTEN
from tests.fuzzing.parsers import STATEMENT, VALUES, cursor_behind, position_of
from zerosum.domain.errors import DivisionByZero, InvalidCursor, TemplateInvalid
from zerosum.domain.ledger.templates.expression import parse_expression, worked_out
from zerosum.domain.payments.schedules import Recurrence
from zerosum.services.requests.occurrences import count_occurrences

# URLs -----------------------------------------------------------------------------------------------------------------

hosts = some.one_of(
    some.sampled_from(["example.com", "localhost", "127.1", "0x7f000001", "[::1]", "[::ffff:10.0.0.1]", "a.internal"]),
    some.ip_addresses().map(lambda one: f"[{one}]" if one.version == 6 else str(one)),
    some.text("abc-.%[]:@0123456789xn", max_size=20),
)
urls = some.builds(
    "{}{}{}{}{}".format,
    some.sampled_from(["https://", "HTTPS://", "http://", "https:", "//", "ftp://", "https:///", "https:\\\\"]),
    some.sampled_from(["", "user@", "user:word@", "@"]),
    hosts,
    some.sampled_from(["", ":", ":443", ":8443", ":0", ":22", ":65536", ":-1", ":٤٤٣"]),
    some.one_of(some.text(max_size=10), some.sampled_from(["/a?b=c", "/#d", "\t", "/\r\nHost: other"])),
)


@OFTEN
@given(some.one_of(urls, some.text(max_size=60)))
def test_what_is_taken_for_the_url_of_a_webhook_is_one_of_the_open_internet(url: str) -> None:
    parsers.url(url.encode())


# Amounts of templates -------------------------------------------------------------------------------------------------

numbers = some.decimals(0, 999, places=2).map(lambda one: (f"{one}", f"Fraction('{one}')"))
expressions = some.recursive(
    some.one_of(numbers, some.sampled_from([("amount", "amount"), ("fee", "fee")])),
    lambda inner: some.one_of(
        some.tuples(inner, some.sampled_from("+-*/"), inner).map(
            lambda one: (f"{one[0][0]} {one[1]} {one[2][0]}", f"{one[0][1]} {one[1]} {one[2][1]}")
        ),
        inner.map(lambda one: (f"({one[0]})", f"({one[1]})")),
        inner.map(lambda one: (f"({one[0]})%", f"(({one[1]}) / 100)")),
    ),
    max_leaves=8,
)
"""As it is written in a template, and in Python with exact numbers."""


@OFTEN
@given(some.one_of(some.text(max_size=40), some.text("0123456789.+-*/()% amountfe", max_size=40)))
def test_whatever_is_written_as_an_amount_is_worked_out_or_refused(text: str) -> None:
    parsers.template(text.encode())


@OFTEN
@given(expressions)
def test_an_amount_is_worked_out_as_everybody_else_does(written: tuple[str, str]) -> None:
    try:
        found = worked_out(parse_expression(written[0], pointer=""), VALUES)
    except (DivisionByZero, TemplateInvalid):
        return
    assert found == eval(written[1], {"Fraction": Fraction, **VALUES})


# Rules of recurrence --------------------------------------------------------------------------------------------------

days = some.sampled_from(["MO", "TU", "-1FR", "2SU", "5MO", "XX", "0MO", "MO,WE"])
members = some.one_of(
    some.builds("INTERVAL={}".format, some.sampled_from(["1", "2", "366", "367", "0", "-1", "x"])),
    some.builds("COUNT={}".format, some.sampled_from(["1", "12", "1000", "9999", "0", "1e3"])),
    some.builds(
        "UNTIL={}".format, some.sampled_from(["20271231T000000Z", "20260101T000000Z", "99991231T235959Z", "x"])
    ),
    some.builds("BYDAY={}".format, days),
    some.builds("BYMONTHDAY={}".format, some.sampled_from(["1", "31", "-1", "-31", "32", "0", "1,15", "30,31"])),
    some.builds("BYMONTH={}".format, some.sampled_from(["1", "2", "12", "13", "0", "2,4"])),
    some.builds("BYSETPOS={}".format, some.sampled_from(["1", "-1", "4", "5", "0"])),
    some.text("ABCFRQ=;:-,1", max_size=8),
)
frequencies = some.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "SECONDLY", ""])
rules = some.builds(
    lambda frequency, rest: ";".join([f"FREQ={frequency}", *rest]),
    frequencies,
    some.lists(members, max_size=4, unique_by=lambda one: one.partition("=")[0]),
)
firsts = some.datetimes(datetime(2026, 1, 1), datetime(2036, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
zones = some.sampled_from(
    ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "No/Where", "../../etc/passwd", ""]
)


@OFTEN
@given(rules, zones, firsts)
def test_a_rule_falls_due_a_known_number_of_times_or_is_refused(rule: str, zone: str, first: datetime) -> None:
    parsers.falls_due(Recurrence(rule, zone), first)


@pytest.mark.parametrize("day", range(1, 29))
def test_a_rule_that_names_its_first_day_is_taken(day: int) -> None:
    first = datetime(2027, 2, day, 9, tzinfo=UTC)
    assert count_occurrences(Recurrence(f"FREQ=MONTHLY;BYMONTHDAY={day};COUNT=12", "UTC"), first) == 12


# Cursors --------------------------------------------------------------------------------------------------------------


@OFTEN
@given(some.one_of(some.text(max_size=80), some.text("abcXYZ019-_=", max_size=80)))
def test_what_no_list_has_given_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursor):
        position_of(text)


@OFTEN
@given(some.text(min_size=1, max_size=40), some.data())
def test_a_cursor_that_was_changed_is_none(after: str, data: some.DataObject) -> None:
    cursor = cursor_behind(after)
    assert position_of(cursor).after == after
    with pytest.raises(InvalidCursor):
        position_of(cursor, UUID(int=2))
    place = data.draw(some.integers(0, len(cursor) - 2))  # the last sign may hold bits that mean nothing
    other = data.draw(some.sampled_from([sign for sign in "aZ09-_!é" if sign != cursor[place]]))
    with pytest.raises(InvalidCursor):
        position_of(cursor[:place] + other + cursor[place + 1 :])


# Statements -----------------------------------------------------------------------------------------------------------

PIECES = [
    *(b"<", b">", b"&", b"&#0;", b"&lt;", b"\x00", b"\xff", b"<Ntry>", b"</Ntry>", b"<Amt Ccy='USD'>", b"<![CDATA["),
    *(b"NaN", b"1e9", b"-0", b"9" * 40, b"2026-02-30", b"0000-01-01", b"+24:00", b"]]>", b"<!DOCTYPE a>"),
    b"<?xml encoding='utf-7'?>",
]


@OFTEN
@given(some.integers(0, 2**32), some.integers(1, 4))
def test_a_statement_with_anything_in_it_is_read_or_refused(seed: int, changes: int) -> None:
    dice, content = random.Random(seed), bytearray(STATEMENT)
    for _ in range(changes):
        place = dice.randrange(len(content))
        content[place : place + dice.choice([0, 1, 5, 40])] = dice.choice(PIECES)
    parsers.statement(bytes(content))


@OFTEN
@given(some.binary(max_size=200))
def test_bytes_that_are_no_statement_are_refused(content: bytes) -> None:
    parsers.statement(content)
