"""Rows: the fields of a record read by strict rules, or the one fault for which the row is malformed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from zerosum.domain.payments.clients import CLIENT_CURRENCY, CLIENT_MAX, TX_MAX, ClientCommandType
from zerosum.ingest.client_files.columns import Columns
from zerosum.ingest.client_files.records import Record, next_record
from zerosum.ingest.client_files.window import Window

PLACES = CLIENT_CURRENCY.exponent
INTEGER_DIGITS_MAX = 20

KINDS = tuple(ClientCommandType)
"""A row's `kind` is a place in here: whole numbers are what both engines can count with."""
DEPOSIT, WITHDRAWAL = KINDS.index(ClientCommandType.DEPOSIT), KINDS.index(ClientCommandType.WITHDRAWAL)

SURPLUS_VALUE = "surplus_value"
"""A value behind the columns of the header: what is meant by `5,50` under one column cannot be known."""
UNKNOWN_TYPE = "unknown_type"
INVALID_CLIENT = "invalid_client"
INVALID_TX = "invalid_tx"
INVALID_TIMESTAMP = "invalid_timestamp"
MISSING_AMOUNT = "missing_amount"
INVALID_AMOUNT = "invalid_amount"
AMOUNT_TOO_PRECISE = "amount_too_precise"
AMOUNT_TOO_LARGE = "amount_too_large"
AMOUNT_NOT_POSITIVE = "amount_not_positive"

_KIND_OF = {type_.value.encode("ascii"): kind for kind, type_ in enumerate(KINDS)}
_AMOUNT = re.compile(rb"([+-]?)([0-9]*)(?:\.([0-9]*))?")
_SECONDS = re.compile(rb"([0-9]{1,30})(?:\.([0-9]{1,30}))?")
_FINER = re.compile(rb"[^.,+]{1,19}[.,][0-9]{6}([0-9]{1,3})")
"""The digits of a moment behind its microseconds, which a datetime cannot hold."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """`units` are ten-thousandths. A row with a `fault` is malformed: its kind, client, tx and units mean nothing.

    `wire` holds type, client, tx and amount as they were written; `timestamp` is in nanoseconds, for putting in order.
    """

    line: int
    kind: int
    client: int
    tx: int
    units: int
    fault: str | None
    wire: tuple[bytes, ...]
    timestamp: int | None = None


def rows_of(window: Window, columns: Columns) -> Iterator[Row]:
    """Every row of an input from where its window stands, well-formed or not. Raises InputFault."""
    while (record := next_record(window)) is not None:
        yield read_row(record, columns)


def read_row(record: Record, columns: Columns) -> Row:
    fields = record.fields
    if len(fields) <= columns.last:
        fields = fields + [b""] * (columns.last + 1 - len(fields))
    wire = (fields[columns.type], fields[columns.client], fields[columns.tx], fields[columns.amount])
    timestamp = None if columns.timestamp < 0 else _timestamp(fields[columns.timestamp])
    kind, client, tx = _KIND_OF.get(wire[0], -1), _whole_number(wire[1], CLIENT_MAX), _whole_number(wire[2], TX_MAX)
    units = 0
    fault = record.fault
    if fault is not None:
        pass
    elif any(fields[columns.width :]):
        fault = SURPLUS_VALUE
    elif kind < 0:
        fault = UNKNOWN_TYPE
    elif client < 0:
        fault = INVALID_CLIENT
    elif tx < 0:
        fault = INVALID_TX
    elif columns.timestamp >= 0 and timestamp is None:
        fault = INVALID_TIMESTAMP
    elif kind in (DEPOSIT, WITHDRAWAL):
        amount = read_amount(wire[3])
        if isinstance(amount, str):
            fault = amount
        else:
            units = amount
    return Row(record.line, kind, client, tx, units, fault, wire, timestamp)


def read_amount(text: bytes) -> int | str:
    """Ten-thousandths, above zero; or the fault. Leading zeros and zeros behind the fourth place change nothing."""
    if not text:
        return MISSING_AMOUNT
    match = _AMOUNT.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return INVALID_AMOUNT
    integer, fraction = match[2].lstrip(b"0"), (match[3] or b"").rstrip(b"0")
    if len(fraction) > PLACES:
        return AMOUNT_TOO_PRECISE
    if len(integer) > INTEGER_DIGITS_MAX:
        return AMOUNT_TOO_LARGE
    units = int(integer + fraction.ljust(PLACES, b"0"))
    return units if units > 0 and match[1] != b"-" else AMOUNT_NOT_POSITIVE


def _whole_number(text: bytes, highest: int) -> int:
    """-1 for anything but ASCII digits that stand for 0 to `highest`."""
    if not text.isdigit():
        return -1
    digits = text.lstrip(b"0") if len(text) > 1 else text
    number = int(digits or b"0") if len(digits) <= len(str(highest)) else -1
    return number if number <= highest else -1


def _timestamp(text: bytes) -> int | None:
    """RFC 3339, or seconds as a plain number; without a zone it is UTC."""
    match = _SECONDS.fullmatch(text)
    if match is not None:
        return int(match[1]) * 10**9 + int((match[2] or b"")[:9].ljust(9, b"0"))
    try:
        moment = datetime.fromisoformat(text.decode("ascii").upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    finer = _FINER.match(text)
    return (moment - _EPOCH) // _MICROSECOND * 1000 + (int(finer[1].ljust(3, b"0")) if finer else 0)
