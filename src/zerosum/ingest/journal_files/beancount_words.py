"""Parts a beancount file into its directives, and each line of them into words. Strings may go on over lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zerosum.ingest.journal_files.read import JournalFault, shown


class Word(NamedTuple):
    """`kind` is the name of its pattern; of a string `text` is what it says."""

    kind: str
    text: str


class Line(NamedTuple):
    number: int
    is_indented: bool
    words: tuple[Word, ...]


class Directive(NamedTuple):
    """A line that is not indented, and those below it. A line that cannot be read has its fault."""

    head: Line
    below: Sequence[Line]
    fault: JournalFault | None


_WORD = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<date>[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}(?![0-9]))
  | (?P<account>[A-Z][A-Za-z0-9\-]*(?::[^\W_a-z](?:[^\W_]|-)*)+)
  | (?P<key>[a-z][A-Za-z0-9_\-]+:(?=\s|$|"))
  | (?P<tag>\#[A-Za-z0-9\-_/.]+)
  | (?P<link>\^[A-Za-z0-9\-_/.]+)
  | (?P<number>[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)
  | (?P<currency>[A-Z][A-Z0-9'._\-]{0,22}[A-Z0-9](?![a-z])|[A-Z](?![A-Za-z0-9]))
  | (?P<name>[A-Za-z][A-Za-z0-9_\-]*)
  | (?P<sign>[*!&?%\#+\-~/(){}@,|])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "b": "\b"}
_BLANKS = re.compile(r"[ \t\r]*")


def directives_of(text: str) -> Iterator[Directive]:
    head: Line | None = None
    below: list[Line] = []
    fault: JournalFault | None = None
    for line in _lines(text):
        if isinstance(line, JournalFault):
            if head is None:
                yield Directive(Line(line.line, False, ()), (), line)
            fault = fault or line
            continue
        if line.is_indented and head is not None:
            below.append(line)
            continue
        if head is not None:
            yield Directive(head, below, fault)
        head, below, fault = line, [], None
    if head is not None:
        yield Directive(head, below, fault)


def _lines(text: str) -> Iterator[Line | JournalFault]:
    """Those that say something. Headings of an outline say nothing."""
    at, number = 0, 1
    while at < len(text):
        start = number
        is_indented = text[at] in " \t"
        if text[at] in "*:#!&%?" and not is_indented:
            at = _end_of_line(text, at)
            words: list[Word] | JournalFault = []
        else:
            words, at, number = _words(text, at, number)
        at, number = at + 1, number + 1
        if isinstance(words, JournalFault):
            yield words
        elif words:
            yield Line(start, is_indented, tuple(words))


def _words(text: str, at: int, number: int) -> tuple[list[Word] | JournalFault, int, int]:
    """Of a line, where it ends, and the number of the line in which it ends."""
    words: list[Word] = []
    while True:
        blanks = _BLANKS.match(text, at)
        at = at if blanks is None else blanks.end()
        if at >= len(text) or text[at] == "\n":
            return words, at, number
        if text[at] == ";":
            return words, _end_of_line(text, at), number
        found = _WORD.match(text, at)
        if found is None or found.lastgroup is None:
            end = _end_of_line(text, at)
            return JournalFault(number, f"this cannot be read: {shown(text[at:end])}"), end, number
        kind, said = found.lastgroup, found[0]
        if kind == "string":
            number += said.count("\n")
            said = _ESCAPED.sub(lambda sign: _MEANT.get(sign[1], sign[1]), said[1:-1])
        words.append(Word(kind, said))
        at = found.end()


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
