"""The parsers that strangers write to, each as a target: bytes are read, and what is read holds, or refused in words.

A target says whether it has read them. Anything else that it raises is a fault. `test_parsers.py` gives each what it
knows and some changes of it; `make fuzz` has a fuzzer make up the rest, led by the lines that it reaches.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from io import BytesIO
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import httptools
import orjson

from tests.reconciliation.ground import camt_entry, camt_of
from zerosum.adapters.address_guard import PORTS, AddressGuard, UrlNotAllowed
from zerosum.api.messages import MessageDesk
from zerosum.domain.errors import (
    DivisionByZero,
    DomainError,
    InvalidCursor,
    InvalidRecurrence,
    ReconciliationFileInvalid,
    TemplateInvalid,
)
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.templates.expression import parse_expression, worked_out
from zerosum.domain.messages import Message, Partition
from zerosum.domain.money import CurrencyTable
from zerosum.domain.money.amount import parse_amount, render_amount
from zerosum.domain.payments.schedules import OCCURRENCES_MAX, Recurrence
from zerosum.gateway.express.heads import KnownHead
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.guards.request_guard import KEY_MAX, parse_key
from zerosum.gateway.routing import BodyKind, Call, Policy
from zerosum.ingest.client_files.columns import read_columns
from zerosum.ingest.client_files.rows import rows_of
from zerosum.ingest.client_files.window import InputFault, Window
from zerosum.services.reconciliation.reading_camt053 import read_camt053
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.occurrences import count_occurrences, occurrence_at
from zerosum.services.requests.paging import Cursors, PageRequest

LEDGER = LedgerId(UUID(int=1))
CURRENCIES = CurrencyTable()
VALUES = {"amount": Fraction(100), "fee": Fraction(29, 10)}
FIRST = datetime(2027, 1, 31, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    read: Callable[[bytes], bool]
    seeds: Sequence[bytes]
    """What it takes, the first at least: from there a fuzzer sets out."""


# Money and keys -------------------------------------------------------------------------------------------------------


def amount(data: bytes) -> bool:
    text, is_read = data.decode("utf-8", "replace"), False
    for code in ("USD", "JPY", "BHD"):
        currency = CURRENCIES[code]
        try:
            found = parse_amount(text, currency)
        except DomainError:
            continue
        assert found == Decimal(text) > 0
        assert found.as_tuple().exponent == -currency.exponent
        assert parse_amount(render_amount(found), currency) == found
        is_read = True
    return is_read


def key(data: bytes) -> bool:
    try:
        found = parse_key(data)
    except DomainError:
        return False
    assert 1 <= len(found) <= KEY_MAX
    assert all("!" <= sign <= "~" for sign in found)
    assert found.encode() in data
    return True


# JSON and heads -------------------------------------------------------------------------------------------------------


def body(data: bytes) -> bool:
    try:
        found = parse_json(data)
    except DomainError:
        return False
    assert _composed(found) == _composed(json.loads(data, object_pairs_hook=_without_doubles, parse_float=Decimal))
    return True


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    assert len(made) == len(pairs)
    return made


def _composed(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_composed(name): _composed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_composed(one) for one in value]
    return str(value) if isinstance(value, float) else str(float(value)) if isinstance(value, Decimal) else value


PATHS = {"/v1/payments": "/v1/payments", "/v1/payments/{id}/refunds": "/v1/payments/pay_" + f"{LEDGER}/refunds"}
HEAD = "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer b\r\nIdempotency-Key: k\r\nContent-Length: 9\r\n\r\n"
REQUESTS = [HEAD.format(path).encode() + b'{"a":"b"}' for path in PATHS.values()]


class _Parsed:
    """A request as the parser of HTTP reads it."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url, self.body, self.messages = b"", b"", 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.messages += 1


@cache
def _known_heads() -> list[KnownHead]:
    heads = []
    for (template, path), request in zip(PATHS.items(), REQUESTS, strict=True):
        parsed = _Parsed(request)
        scope = {"method": "POST", "path": path, "raw_path": path.encode(), "headers": parsed.headers}
        policy = Policy(method="POST", template=template, scope=None, body=BodyKind.JSON, needs_key=True)
        known = KnownHead.of(scope, policy, Call("req_1", path, b""), b"Bearer b", None)
        assert known is not None
        assert known.learn(request)
        heads.append(known)
    return heads


def head(data: bytes) -> bool:
    """What is taken for a head that is known is what the parser makes of the same bytes, to the last field."""
    is_read = False
    for known in _known_heads():
        told = known.read(data)
        if told is None or told.length != b"%d" % len(told.body):
            continue
        with contextlib.suppress(DomainError):
            parse_key(told.key)
            scope, parsed = known.scope_with(told, {}), _Parsed(data)
            assert scope["headers"] == parsed.headers
            assert (scope["method"].encode(), scope["raw_path"]) == (parsed.method, parsed.url)
            assert (parsed.messages, parsed.body) == (1, told.body)
            is_read = True
    return is_read


# What is given by callers as text -------------------------------------------------------------------------------------

CURSORS = Cursors(b"a secret of the tests")


def position_of(cursor: str | None, ledger: UUID = LEDGER) -> Any:
    return CURSORS.position(ledger, PageRequest(list_name="payments", limit=1, cursor=cursor, filters={}))


def cursor_behind(after: str) -> str:
    request = PageRequest(list_name="payments", limit=1, filters={})
    page = CURSORS.page(LEDGER, request, position_of(None), [after, "more"], str)
    assert page.next_cursor is not None
    return page.next_cursor


def cursor(data: bytes) -> bool:
    """None but what a list has given is one; this one has given one."""
    try:
        position = position_of(data.decode("utf-8", "replace"))
    except InvalidCursor:
        return False
    assert position.after == "here"
    return True


def url(data: bytes) -> bool:
    """Of the open internet, by the ports of the web, and nothing beside it."""
    text = data.decode("utf-8", "replace")
    try:
        parts = AddressGuard().check_url(text)
    except UrlNotAllowed:
        return False
    assert parts.scheme == "https"
    assert parts.port in {None, *PORTS}
    assert parts.username is None
    assert text.isascii()
    assert text.isprintable()
    host = parts.hostname or ""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        assert "." in host
        assert not host.endswith((".internal", ".local", "localhost"))
    else:
        assert literal.is_global
    return True


def template(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    names = re.findall("[a-z][a-z0-9_]*", text, re.ASCII)
    with contextlib.suppress(TemplateInvalid, DivisionByZero):
        expression = parse_expression(text, pointer="/amount")
        worked_out(expression, {name: VALUES.get(name, Fraction(1)) for name in names})
        return True
    return False


def recurrence(data: bytes) -> bool:
    """Its rule, a line feed, and its time zone."""
    rule, _, zone = data.decode("utf-8", "replace").partition("\n")
    return falls_due(Recurrence(rule, zone), FIRST)


def falls_due(one: Recurrence, first: datetime) -> bool:
    """A known number of times within ten years, each behind the one before; or it is refused."""
    try:
        number = count_occurrences(one, first)
    except InvalidRecurrence:
        return False
    assert 1 <= number <= OCCURRENCES_MAX
    last = occurrence_at(one, first, number)
    assert occurrence_at(one, first, 1) == first
    assert first <= last <= first + timedelta(days=3655)
    if number > 1:
        assert occurrence_at(one, first, number - 1) < last
    return True


# Messages and files ---------------------------------------------------------------------------------------------------


@cache
def _desk() -> MessageDesk:
    # Nothing is carried out here, so nobody is asked: reading looks at the message alone.
    return MessageDesk(MagicMock(), Caller(LEDGER, "fuzz"))


def message(data: bytes) -> bool:
    """A line of header, then the body."""
    line, _, content = data.partition(b"\n")
    headers = {"ce-specversion": line.decode("utf-8", "replace")} if line else {}
    one = Message(
        partition=Partition("test", "payments"),
        place="1",
        is_named_for_ever=True,
        body=content,
        body_bytes=len(content),
        headers=headers,
    )
    return is_order(_desk(), one)


def is_order(desk: MessageDesk, one: Message) -> bool:
    try:
        reading = desk.read(one)
    except DomainError as refusal:
        orjson.dumps(dict(desk.refused(one, refusal).answer))  # as it is told to whoever sent it
        return False
    assert reading.key
    assert reading.order is not None
    return True


def rows(data: bytes) -> bool:
    """Rows come to the same, whatever pieces the file is read in. Of several faults of a file any may be told."""
    found, in_pieces = _rows_of(data, 65_536), _rows_of(data, 7)
    assert found == in_pieces or (isinstance(found, str) and isinstance(in_pieces, str))
    return isinstance(found, list)


def _rows_of(data: bytes, block_bytes: int) -> list[Any] | str:
    try:
        window = Window(BytesIO(data).read, "a file", block_bytes=block_bytes)
        return list(rows_of(window, read_columns(window)))
    except InputFault as fault:
        return str(fault)


def statement(data: bytes) -> bool:
    try:
        record = read_camt053(data, CURRENCIES["USD"], UTC, None)
    except ReconciliationFileInvalid:
        return False
    assert all(line.amount.is_finite() for line in record.lines)
    assert record.from_on <= record.to_on
    return True


STATEMENT = camt_of(camt_entry("1.00", "a"), camt_entry("-2.50", "b"), closing="-1.50")
DEPOSIT = b'{"command":"payment","type":"deposit","amount":"1.00","currency":"USD","to":"x","idempotency_key":"k"}'
EVENT = b'{"specversion":"1.0","source":"s","id":"i","type":"t","data":' + DEPOSIT + b"}"

TARGETS = (
    Target("amount", amount, (b"1", b"12.34", b"0.00", b"99999999999999999999.99", b"1.500", b"1e3", b"-1")),
    Target(
        "body", body, (DEPOSIT, b'{"a":[1,2.5,null,true,{"b":"\\u00e9"}]}', '{"é":"e\u0301"}'.encode(), b'{"a":1e400}')
    ),
    Target("cursor", cursor, (cursor_behind("here").encode(), b"abc", b"")),
    Target("head", head, (*REQUESTS, REQUESTS[0].replace(b": k", b': "k"'), REQUESTS[0].replace(b": k", b":  k"))),
    Target("key", key, (b"k", b'"k"', b"a b", b"k" * KEY_MAX, b'""')),
    Target("message", message, (b"\n" + DEPOSIT, b"1.0\n" + DEPOSIT, b"\n" + EVENT)),
    Target("recurrence", recurrence, (b"FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=12\nEurope/Berlin", b"FREQ=DAILY\nUTC")),
    Target(
        "rows",
        rows,
        (b'type,client,tx,amount\ndeposit, 1, 1, 1.0\n"dispute",1,"1",\n', b"type, client, tx, amount\r\n"),
    ),
    Target("statement", statement, (STATEMENT,)),
    Target("template", template, (b"amount * 2.9% + 0.30", b"(amount - fee) / 3", b"remainder", b"1/0")),
    Target("url", url, (b"https://example.com/a?b=c", b"https://[::ffff:10.0.0.1]:8443/", b"https://user@1.1.1.1")),
)
