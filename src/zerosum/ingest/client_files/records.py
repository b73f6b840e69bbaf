"""RFC 4180 over bytes: a window's next record as fields, without the blanks and tabs around them.

A quote opens a quoted field only at the beginning of the field; elsewhere it is a character like any other. Lines end
in LF or CRLF. A quote that is never closed, or is followed by something else than a comma, costs its own line and no
other: reading goes on behind it.
"""

from __future__ import annotations

from typing import NamedTuple

from zerosum.ingest.client_files.window import Window

RECORD_BYTES_MAX = 65_536
"""Longer rows are malformed, and no quoted field goes on beyond this: what is held for one row is bounded."""

INVALID_QUOTING = "invalid_quoting"
ROW_TOO_LONG = "row_too_long"

_BLANKS = b" \t"
_QUOTE = 0x22
_COMMA = 0x2C
_NEWLINE = 0x0A
_RETURN = 0x0D


class Record(NamedTuple):
    """`line` is the number of its first line. A record with a fault has the fields that could be read."""

    line: int
    fields: list[bytes]
    fault: str | None = None


def next_record(window: Window) -> Record | None:
    """The next record that is not a blank line, or None at the end. Raises InputFault."""
    while True:
        content, at = window.content, window.at
        end = content.find(b"\n", at, at + RECORD_BYTES_MAX + 1)
        if end < 0:
            if len(content) - at > RECORD_BYTES_MAX:
                return _without_long_line(window)
            if not window.is_last:
                window.fill()
                continue
            if at == len(content):
                return None
            end = len(content)
        text = content[at:end]
        if b'"' in text:
            return _quoted_record(window)
        line = window.line
        _take(window, end)
        fields = [field.strip(_BLANKS) for field in text.removesuffix(b"\r").split(b",")]
        if len(fields) > 1 or fields[0]:
            return Record(line, fields)


def record_at(content: bytes, at: int, line: int) -> Record:
    """The record that begins at `at`, which was found to be whole before."""
    found = _tokens(content, at, len(content), is_end=True)
    if found is None or found[1] < 0:
        raise LookupError("a record that was whole before is not whole any more")
    return Record(line, found[0])


def _quoted_record(window: Window) -> Record:
    while True:
        content, at = window.content, window.at
        stop = min(len(content), at + RECORD_BYTES_MAX + 1)
        found = _tokens(content, at, stop, is_end=window.is_last and stop == len(content))
        if found is not None or window.is_last or stop - at > RECORD_BYTES_MAX:
            break
        window.fill()
    line = window.line
    if found is None:
        _take(window, _find(content, b"\n", at, len(content)))
        return Record(line, [], INVALID_QUOTING)
    fields, end = found
    if end < 0:
        _take(window, _find(content, b"\n", at, len(content)))
        return Record(line, fields, INVALID_QUOTING)
    _take(window, end)
    return Record(line, fields)


def _tokens(content: bytes, at: int, stop: int, *, is_end: bool) -> tuple[list[bytes], int] | None:
    """Fields and where the record ends (-1: its quoting is wrong); None where the bytes up to `stop` do not tell."""
    fields: list[bytes] = []
    while True:
        at = _behind_blanks(content, at, stop)
        if at < stop and content[at] == _QUOTE:
            close = _closing_quote(content, at + 1, stop, is_end=is_end)
            if close < 0:
                return None
            field, at = content[at + 1 : close].replace(b'""', b'"'), _behind_blanks(content, close + 1, stop)
            if at < stop and content[at] not in (_COMMA, _NEWLINE) and not _is_line_end(content, at, stop):
                return fields, -1
        else:
            line_end = _find(content, b"\n", at, stop)
            begin, at = at, _find(content, b",", at, line_end)
            field = content[begin:at].removesuffix(b"\r") if at == line_end else content[begin:at]
        fields.append(field.strip(_BLANKS))
        if at == stop or content[at] != _COMMA:
            end = _find(content, b"\n", at, stop)
            return (fields, end) if end < stop or is_end else None
        at += 1


def _closing_quote(content: bytes, at: int, stop: int, *, is_end: bool) -> int:
    """Where the quoted field ends; a doubled quote stands for one and closes nothing. -1 where that is not known."""
    while True:
        close = content.find(b'"', at, stop)
        if close < 0 or (close + 1 == stop and not is_end):
            return -1
        if close + 1 == stop or content[close + 1] != _QUOTE:
            return close
        at = close + 2


def _behind_blanks(content: bytes, at: int, stop: int) -> int:
    while at < stop and content[at] in _BLANKS:
        at += 1
    return at


def _is_line_end(content: bytes, at: int, stop: int) -> bool:
    return content[at] == _RETURN and (at + 1 == stop or content[at + 1] == _NEWLINE)


def _find(content: bytes, byte: bytes, at: int, stop: int) -> int:
    found = content.find(byte, at, stop)
    return stop if found < 0 else found


def _take(window: Window, end: int) -> None:
    """Move on behind the line end at `end`, or to the end of the input."""
    window.line += window.content.count(b"\n", window.at, end + 1)
    window.at = min(end + 1, len(window.content))


def _without_long_line(window: Window) -> Record:
    line = window.line
    while True:
        end = window.content.find(b"\n", window.at)
        if end >= 0:
            _take(window, end)
            break
        window.at = len(window.content)
        if not window.fill():
            break
    return Record(line, [], ROW_TOO_LONG)
