"""Reads the journal format of hledger. What it does not take it refuses, with the line and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from zerosum.domain.ledger.account import AccountType
from zerosum.ingest.journal_files.hledger_postings import PostingReader, tags_of
from zerosum.ingest.journal_files.numbers import read_amount
from zerosum.ingest.journal_files.read import (
    CurrencyOf,
    JournalFault,
    ReadAccount,
    ReadEntry,
    ReadJournal,
    ReadPosting,
    Tags,
    shown,
)

_TYPES = {
    "a": AccountType.ASSET,
    "asset": AccountType.ASSET,
    "c": AccountType.ASSET,
    "cash": AccountType.ASSET,
    "l": AccountType.LIABILITY,
    "liability": AccountType.LIABILITY,
    "e": AccountType.EQUITY,
    "equity": AccountType.EQUITY,
    "v": AccountType.EQUITY,
    "conversion": AccountType.EQUITY,
    "r": AccountType.REVENUE,
    "revenue": AccountType.REVENUE,
    "x": AccountType.EXPENSE,
    "expense": AccountType.EXPENSE,
}
"""Cash and conversion are kinds of assets and of equity that hledger has beside ours."""

_STATES = {"*": "cleared", "!": "pending"}
_HEADER = re.compile(
    r"(?P<date>[0-9][0-9/.\-]*)(?:=(?P<second>[0-9][0-9/.\-]*))?(?:\s+(?P<state>[*!]))?"
    r"(?:\s*\((?P<code>[^()\n]*)\))?(?:\s+(?P<rest>.*))?",
    re.ASCII | re.DOTALL,
)
_YEAR = re.compile("Y[0-9]{4}", re.ASCII)
_DATE = re.compile(r"(?:([0-9]{4})[-/.])?([0-9]{1,2})[-/.]([0-9]{1,2})", re.ASCII)
_TOLERATED = ("P", "payee", "tag", "commodity", "account", "D", "Y", "year", "decimal-mark", "comment", "end", "assert")
_REASONS = {
    "include": "another file is not taken in: import each by itself",
    "alias": "accounts are not renamed by the file: use --account OLD=NEW",
    "apply": "`apply` is not taken: write accounts and years out",
    "~": "a periodic transaction is a forecast and is not imported",
    "=": "an automated posting rule is not imported: `hledger print --auto` writes its postings out",
}


def read_hledger(text: str, currency_of: CurrencyOf, decimal_mark: str | None = None) -> ReadJournal:
    """Faults are collected in what is returned; no other exception leaves here."""
    return _Reader(text, currency_of, decimal_mark).read()


class _Reader:
    def __init__(self, text: str, currency_of: CurrencyOf, decimal_mark: str | None) -> None:
        self._lines = text.split("\n")
        self._at = 0
        self._made = ReadJournal()
        self._year: int | None = None
        self._marks: dict[str, str] = {} if decimal_mark is None else {"": decimal_mark}
        self._postings = PostingReader(currency_of, self._marks)
        self._currency_of = currency_of
        self._directives: dict[str, Callable[[int, str, list[str]], None]] = {
            "account": self._account,
            "commodity": self._commodity,
            "D": self._default_commodity,
            "Y": self._default_year,
            "year": self._default_year,
            "decimal-mark": self._decimal_mark,
        }

    def read(self) -> ReadJournal:
        for number, line, indented in self._blocks():
            try:
                self._block(number, line, indented)
            except JournalFault as fault:
                self._made.faults.append(fault)
        return self._made

    def _blocks(self) -> Iterator[tuple[int, str, list[str]]]:
        """Each line that is not indented, its number, and the indented lines below it."""
        while self._at < len(self._lines):
            number, line = self._at + 1, self._lines[self._at].rstrip()
            self._at += 1
            if line == "comment":
                self._skip_comment()
                continue
            if not line or line[0] in ";#*":
                continue
            indented: list[str] = []
            while line[0] not in " \t" and self._at < len(self._lines) and self._lines[self._at][:1] in (" ", "\t"):
                indented.append(self._lines[self._at].rstrip())
                self._at += 1
                if not indented[-1]:
                    break  # A line of blanks ends a transaction as an empty one does.
            yield number, line, indented

    def _skip_comment(self) -> None:
        while self._at < len(self._lines):
            self._at += 1
            if self._lines[self._at - 1].rstrip() == "end comment":
                return

    def _block(self, number: int, line: str, indented: list[str]) -> None:
        if line[0].isdigit():
            self._made.entries.append(self._entry(number, line, indented))
            return
        if line[0] in " \t":
            if line.lstrip()[:1] not in (";", "#", "*"):
                raise JournalFault(number, "this line is indented and belongs to nothing above it")
            return
        word, _, rest = line.partition(" ")
        if _YEAR.fullmatch(line):
            word, rest = "Y", line[1:]
        word = "=" if word[0] == "=" else "~" if word[0] == "~" else word
        if word in _REASONS:
            raise JournalFault(number, _REASONS[word])
        if word not in _TOLERATED:
            raise JournalFault(number, f"this is no line of a journal: {shown(word)}")
        directive = self._directives.get(word)
        if directive is not None:
            directive(number, rest.strip(), indented)

    def _entry(self, number: int, line: str, indented: list[str]) -> ReadEntry:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise JournalFault(number, "a transaction begins with its date, its status, its (code) and what it is")
        description, semicolon, comment = (found["rest"] or "").partition(";")
        said: Tags = []
        if found["state"]:
            said.append(("status", _STATES[found["state"]]))
        if found["second"]:
            said.append(("date2", self._date(found["second"], number).isoformat()))
        entry = ReadEntry(
            line=number,
            on=self._date(found["date"], number),
            reason=description.strip(),
            reference=(found["code"] or "").strip(),
        )
        comments = [comment.strip()] if semicolon else []
        self._read_below(entry, indented, comments)
        entry.said = [*said, *tags_of(comments)]
        return entry

    def _read_below(self, entry: ReadEntry, indented: list[str], comments: list[str]) -> None:
        """The postings, each with its own comments. Comments before the first posting are the entry's."""
        last: ReadPosting | None = None
        own = comments
        for number, line in enumerate(indented, entry.line + 1):
            text = line.strip()
            if not text:
                continue
            if text[0] == ";":
                own.append(text[1:].strip())
                continue
            if last is not None:
                last.said += tags_of(own)
            last, assertion, comment = self._postings.read(text, number, entry.on)
            own = [] if comment is None else [comment]
            entry.postings.append(last)
            if assertion is not None:
                entry.after.append((len(entry.postings), assertion))
        if last is not None:
            last.said += tags_of(own)
        for posting in entry.postings:
            if any(name in ("date", "date2") for name, _ in posting.said):
                raise JournalFault(posting.line, "a posting with a date of its own is not taken: make it an entry")

    def _date(self, text: str, line: int) -> date:
        found = _DATE.fullmatch(text)
        year = None if found is None else int(found[1]) if found[1] else self._year
        if found is None or year is None:
            raise JournalFault(line, f"this is no whole date: {shown(text)}")
        try:
            return date(year, int(found[2]), int(found[3]))
        except ValueError:
            raise JournalFault(line, f"there is no such day: {shown(text)}") from None

    def _account(self, number: int, rest: str, indented: list[str]) -> None:
        name, _, comment = rest.partition(";")
        comments = [comment.strip()] + [line.strip().lstrip(";").strip() for line in indented]
        # A name ends at two blanks, as in a posting.
        name = re.split(r"\s{2,}|\t", name.strip())[0]
        if not name:
            raise JournalFault(number, "the account has no name")
        made = ReadAccount(line=number, name=name)
        for tag, value in tags_of(comments):
            if tag == "type":
                made.type = _TYPES.get(value.lower())
                if made.type is None:
                    raise JournalFault(number, f"hledger has no account type {shown(value)}")
        before = self._made.accounts.setdefault(name, made)
        if made.type is not None and before.type not in (None, made.type):
            raise JournalFault(number, f"the account was declared with another type in line {before.line}")
        before.type = before.type or made.type

    def _commodity(self, number: int, rest: str, indented: list[str]) -> None:
        for line in (rest, *indented):
            sample = line.strip().removeprefix("format ").partition(";")[0].strip()
            if any(sign.isdigit() for sign in sample if sign.isascii()) and not re.fullmatch('"[^"]*"', sample):
                self._sample(number, sample)

    def _sample(self, number: int, sample: str) -> None:
        """How amounts of a commodity are written. Its mark is the last sign that could be one."""
        signs = [sign for sign in sample if sign in ".,"]
        marks = {"": signs[-1] if signs else "."}
        amount = read_amount(sample, 0, number, marks)
        if not amount.commodity or sample[amount.end :].strip():
            raise JournalFault(number, f"this shows no commodity: {shown(sample)}")
        if signs:
            self._marks[amount.commodity] = amount.mark
        currency = self._currency_of(amount.commodity)
        if currency is not None:
            self._made.places[currency] = amount.places

    def _default_commodity(self, number: int, rest: str, _: list[str]) -> None:
        self._sample(number, rest)
        self._postings.default = read_amount(rest, 0, number, self._marks).commodity

    def _default_year(self, number: int, rest: str, _: list[str]) -> None:
        if not re.fullmatch("[0-9]{4}", rest, re.ASCII):
            raise JournalFault(number, "a year has four digits")
        self._year = int(rest)

    def _decimal_mark(self, number: int, rest: str, _: list[str]) -> None:
        if rest not in (".", ","):
            raise JournalFault(number, "a decimal mark is . or ,")
        self._marks[""] = rest
