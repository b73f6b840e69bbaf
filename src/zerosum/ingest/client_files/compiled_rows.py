"""The compiled reader: rows of plain digits and simple quotes, straight from the bytes.

It reads exactly what `records.py` and `rows.py` read, and what it is not sure of it leaves to them: a row that is not
well-formed (say with a value behind the last column), or has a huge amount, is marked ODD; at a quote that is doubled,
or goes over lines, it stops.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zerosum.ingest.client_files.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

ROLE_TYPE, ROLE_CLIENT, ROLE_TX, ROLE_AMOUNT = 1, 2, 3, 4
"""What a column holds; 0 is a column nobody asked for. Behind the last one no row may have a value."""

ODD = 254
"""In place of a kind: the row is whole, but to be read with more care."""

FULL, NEEDS_MORE, PUZZLED = 0, 1, 2
"""Why reading stopped: no room for another row, no whole row any more, or a record only `records.py` can read."""

_RECORD_BYTES_MAX = 65_536
_CLIENT_MAX, _TX_MAX = 65_535, 4_294_967_295
_DIGITS_MAX = 18
_INTEGER_DIGITS_MAX = 14
"""With four places that fills 18 digits, which whole numbers of 64 bits can hold."""
_PLACES = 4

_DEPOSIT = int.from_bytes(b"deposit")
_DISPUTE = int.from_bytes(b"dispute")
_RESOLVE = int.from_bytes(b"resolve")
_WITHDRAW = int.from_bytes(b"withdraw")
_CHARGEBA = int.from_bytes(b"chargeba")


@compiled
def _type(content: Bytes, first: int, last: int) -> int:
    """The kind: its place in `rows.KINDS`, or -1."""
    length = last - first
    if length not in (7, 10):
        return -1
    word = 0
    for place in range(first, first + min(length, 8)):
        word = (word << 8) | content[place]
    if length == 7:
        return 0 if word == _DEPOSIT else 2 if word == _DISPUTE else 3 if word == _RESOLVE else -1
    ending = (content[last - 2], content[last - 1])
    if word == _WITHDRAW and ending == (97, 108):
        return 1
    return 4 if word == _CHARGEBA and ending == (99, 107) else -1


@compiled
def _whole_number(content: Bytes, first: int, last: int) -> int:
    if first == last or last - first > _DIGITS_MAX:
        return -1
    number = 0
    for place in range(first, last):
        digit = content[place] - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@compiled
def _amount(content: Bytes, first: int, last: int) -> int:
    """Ten-thousandths; 0 for whatever is not plainly an amount above zero."""
    if first < last and content[first] == 43:
        first += 1
    units = 0
    place = first
    while place < last and 48 <= content[place] <= 57:
        units = units * 10 + (content[place] - 48)
        place += 1
        if place - first > _INTEGER_DIGITS_MAX:
            return 0
    digits, places = place - first, 0
    if place < last and content[place] == 46:
        place += 1
        while place < last and 48 <= content[place] <= 57:
            if places < _PLACES:
                units = units * 10 + (content[place] - 48)
                places += 1
            elif content[place] != 48:
                return 0
            digits += 1
            place += 1
    if place < last or digits == 0:
        return 0
    for _ in range(_PLACES - places):
        units *= 10
    return units


@compiled
def _behind_blanks(content: Bytes, place: int) -> int:
    while place < content.size and (content[place] == 32 or content[place] == 9):
        place += 1
    return place


@compiled
def _quoted(content: Bytes, place: int) -> tuple[int, int, int]:
    """Where the field in quotes begins and ends, and what follows it; -1 for that if it is more than a simple one."""
    end = content.size
    first = last = place
    while last < end and content[last] != 34 and content[last] != 10:
        last += 1
    if last >= end or content[last] == 10:
        return first, last, -1
    place = _behind_blanks(content, last + 1)
    if place < end and content[place] == 13 and (place + 1 == end or content[place + 1] == 10):
        place += 1
    if place < end and content[place] != 44 and content[place] != 10:
        return first, last, -1
    return _behind_blanks(content, first), last, place


@compiled
def _unquoted(content: Bytes, place: int) -> tuple[int, int, int]:
    end = content.size
    first = place
    while place < end and content[place] != 44 and content[place] != 10:
        place += 1
    last = place
    if last > first and content[last - 1] == 13 and (place == end or content[place] == 10):
        last -= 1
    return first, last, place


@compiled
def _row(content: Bytes, place: int, roles: Bytes) -> tuple[int, int, int, int, int, bool]:
    """Kind, client, tx, ten-thousandths, where the line ends (-1 if it is puzzling), and whether it is a blank line."""
    kind, client, tx, units = -1, -1, -1, 0
    is_surplus = False
    field = 0
    while True:
        first = _behind_blanks(content, place)
        is_quoted = first < content.size and content[first] == 34
        first, last, place = _quoted(content, first + 1) if is_quoted else _unquoted(content, first)
        if place < 0:
            break
        while first < last and (content[last - 1] == 32 or content[last - 1] == 9):
            last -= 1
        role = 0
        if field < roles.size:
            role = roles[field]
        elif first < last:
            is_surplus = True
        if role == ROLE_TYPE:
            kind = _type(content, first, last)
        elif role == ROLE_CLIENT:
            client = _whole_number(content, first, last)
        elif role == ROLE_TX:
            tx = _whole_number(content, first, last)
        elif role == ROLE_AMOUNT:
            units = _amount(content, first, last)
        if place >= content.size or content[place] == 10:
            break
        field += 1
        place += 1
    if is_surplus:
        kind = -1
    return kind, client, tx, units, place, field == 0 and first >= last and not is_quoted


@compiled
def read_rows(
    content: Bytes,
    at: int,
    is_last: bool,
    line: int,
    roles: Bytes,
    kinds: Bytes,
    clients: Numbers,
    txs: Numbers,
    amounts: Numbers,
    starts: Numbers,
    lines: Numbers,
) -> tuple[int, int, int, int]:
    """Fill the arrays. Gives the number of rows, where the next begins, its line, and why it stopped."""
    end = content.size
    count = 0
    while count < kinds.size:
        if at >= end:
            return count, at, line, NEEDS_MORE
        kind, client, tx, units, place, is_blank = _row(content, at, roles)
        if place < 0 or place - at > _RECORD_BYTES_MAX:
            return count, at, line, PUZZLED
        if place >= end and not is_last:
            return count, at, line, NEEDS_MORE
        if not is_blank:
            is_plain = kind >= 0 and 0 <= client <= _CLIENT_MAX and 0 <= tx <= _TX_MAX and (kind > 1 or units > 0)
            kinds[count] = kind if is_plain else ODD
            clients[count] = client
            txs[count] = tx
            amounts[count] = units
            starts[count] = at
            lines[count] = line
            count += 1
        line += 1
        at = min(place + 1, end)
    return count, at, line, FULL
