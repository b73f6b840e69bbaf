"""Reads beancount's files. What it does not take it refuses, with the line and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

from zerosum.domain.ledger.account import AccountType
from zerosum.domain.money.amount import INTEGER_DIGITS_MAX
from zerosum.domain.money.currency import EXPONENT_MAX
from zerosum.ingest.journal_files.beancount_words import Directive, Line, Word, directives_of
from zerosum.ingest.journal_files.read import (
    Assertion,
    CurrencyOf,
    JournalFault,
    ReadAccount,
    ReadEntry,
    ReadJournal,
    ReadPosting,
    Tags,
    shown,
)

ROOTS = {
    "Assets": AccountType.ASSET,
    "Liabilities": AccountType.LIABILITY,
    "Equity": AccountType.EQUITY,
    "Income": AccountType.REVENUE,
    "Expenses": AccountType.EXPENSE,
}
_PENDING = ":X--pending"
"""As our own export writes the pending layer of an account."""

_TOLERATED = ("close", "price", "note", "document", "event", "query", "custom")
_REASONS = {
    "include": "another file is not taken in: import each by itself",
    "plugin": "a plugin would change what the file says and is not run",
    "pad": "an entry that is made up to fit a balance is not taken: write the entry",
    "pushmeta": "metadata that holds for several entries is not taken: write it to each",
    "popmeta": "metadata that holds for several entries is not taken: write it to each",
}
_OF_ROOTS = ("name_assets", "name_liabilities", "name_equity", "name_income", "name_expenses")
_COSTS = "{}@"


def read_beancount(text: str, currency_of: CurrencyOf) -> ReadJournal:
    """Faults are collected in what is returned; no other exception leaves here."""
    return _Reader(currency_of).read(text)


class _Reader:
    def __init__(self, currency_of: CurrencyOf) -> None:
        self._made = ReadJournal()
        self._currency_of = currency_of
        self._pushed: list[str] = []
        self._closed: dict[str, date] = {}
        self._opened: dict[str, date] = {}
        self._dated: dict[str, Callable[[date, Directive, tuple[Word, ...]], None]] = {
            "open": self._open,
            "close": self._close,
            "commodity": self._commodity,
            "balance": self._balance,
            "txn": self._transaction,
        }

    def read(self, text: str) -> ReadJournal:
        for directive in directives_of(text):
            try:
                self._directive(directive)
            except JournalFault as fault:
                self._made.faults.append(fault)
        self._check_accounts()
        return self._made

    def _directive(self, directive: Directive) -> None:
        if directive.fault is not None:
            raise directive.fault
        line, words = directive.head.number, directive.head.words
        if directive.head.is_indented:
            raise JournalFault(line, "this line is indented and belongs to nothing above it")
        if words[0].kind != "date":
            self._undated(line, words)
            return
        if len(words) < 2:
            raise JournalFault(line, "nothing stands behind the date")
        on, what = _date(words[0].text, line), words[1].text
        if what in _REASONS:
            raise JournalFault(line, _REASONS[what])
        if _is_flag(words[1]):
            self._transaction(on, directive, words[1:])
        elif what in self._dated:
            self._dated[what](on, directive, words[1:])
        elif what not in _TOLERATED:
            raise JournalFault(line, f"this is no directive of beancount: {shown(what)}")

    def _undated(self, line: int, words: tuple[Word, ...]) -> None:
        what = words[0].text
        if what in _REASONS:
            raise JournalFault(line, _REASONS[what])
        if what in ("pushtag", "poptag") and len(words) == 2 and words[1].kind == "tag":
            tag = words[1].text[1:]
            if what == "pushtag":
                self._pushed.append(tag)
            elif tag in self._pushed:
                self._pushed.remove(tag)
            else:
                raise JournalFault(line, "this tag was not pushed before")
        elif what != "option":
            raise JournalFault(line, f"this is no directive of beancount: {shown(what)}")
        elif len(words) != 3 or words[1].kind != "string" or words[1].text in _OF_ROOTS:
            raise JournalFault(line, "an option has a name and a value, and none that renames the five roots is taken")

    def _open(self, on: date, directive: Directive, words: tuple[Word, ...]) -> None:
        line = directive.head.number
        name = _account(words, 1, line)
        if name in self._opened:
            raise JournalFault(line, "the account was opened before")
        self._opened[name] = on
        said = dict(_metadata(directive.below))
        self._made.accounts[name] = ReadAccount(line=line, name=name, type=_type(name, line), code=said.get("code"))

    def _close(self, on: date, directive: Directive, words: tuple[Word, ...]) -> None:
        self._closed[_account(words, 1, directive.head.number)] = on

    def _commodity(self, on: date, directive: Directive, words: tuple[Word, ...]) -> None:  # noqa: ARG002 - as the others
        if len(words) != 2 or words[1].kind != "currency":
            raise JournalFault(directive.head.number, "a commodity has a name in capitals")
        places = dict(_metadata(directive.below)).get("places", "")
        currency = self._currency_of(words[1].text)
        if currency is not None and places.isascii() and places.isdigit() and len(places) <= 2:
            self._made.places[currency] = min(int(places), EXPONENT_MAX)

    def _balance(self, on: date, directive: Directive, words: tuple[Word, ...]) -> None:
        line = directive.head.number
        name = _account(words, 1, line)
        amount, at = _number(words, 2, line)
        tolerance = _last_place(amount) if _places(amount) else Decimal(0)
        if _is_sign(words, at, "~"):
            tolerance, at = _number(words, at + 1, line)
        currency = self._currency(words, at, line)
        if len(words) > at + 1:
            raise JournalFault(line, "this cannot be read behind the balance")
        self._made.before.append(
            Assertion(
                line=line,
                account=name,
                amount=amount,
                currency=currency,
                on=on,
                is_inclusive=True,
                tolerance=abs(tolerance),
            )
        )

    def _transaction(self, on: date, directive: Directive, words: tuple[Word, ...]) -> None:
        line = directive.head.number
        said: Tags = [] if words[0].text in ("*", "txn") else [("flag", words[0].text)]
        texts = [word.text for word in words[1:] if word.kind == "string"]
        tags = [word.text[1:] for word in words[1:] if word.kind == "tag"]
        links = [word.text[1:] for word in words[1:] if word.kind == "link"]
        if len(texts) > 2 or len(texts) + len(tags) + len(links) != len(words) - 1:
            raise JournalFault(line, "behind the flag stand a payee, what it is, tags and links")
        entry = ReadEntry(line=line, on=on, reason=texts[-1] if texts else "")
        if len(texts) == 2:
            said.append(("payee", texts[0]))
            entry.reason = texts[1] or texts[0]
        last: ReadPosting | None = None
        for below in directive.below:
            first = below.words[0]
            if first.kind == "key":
                (said if last is None else last.said).append(_pair(below))
            elif first.kind in ("tag", "link"):
                tags += [word.text[1:] for word in below.words if word.kind == "tag"]
                links += [word.text[1:] for word in below.words if word.kind == "link"]
                if any(word.kind not in ("tag", "link") for word in below.words):
                    raise JournalFault(below.number, "only tags and links stand here")
            else:
                last = self._posting(below)
                entry.postings.append(last)
        tags = list(dict.fromkeys([*self._pushed, *tags]))
        said += [(name, " ".join(values)) for name, values in (("tags", tags), ("links", links)) if values]
        entry.said = said
        self._made.entries.append(entry)

    def _posting(self, below: Line) -> ReadPosting:
        words, line = below.words, below.number
        said: Tags = []
        if _is_flag(words[0]):
            said, words = [("flag", words[0].text)], words[1:]
        name = _account(words, 0, line)
        is_pending = name.endswith(_PENDING)
        posting = ReadPosting(
            line=line,
            account=name.removesuffix(_PENDING),
            amount=None,
            currency=None,
            is_pending=is_pending,
            said=said,
        )
        if any(word.kind == "sign" and word.text in _COSTS for word in words):
            raise JournalFault(line, "a cost or price is not taken: an entry balances in each of its currencies")
        if len(words) == 1:
            return posting
        posting.amount, at = _number(words, 1, line)
        posting.currency = self._currency(words, at, line)
        if len(words) > at + 1:
            raise JournalFault(line, "this cannot be read behind the amount")
        return posting

    def _currency(self, words: Sequence[Word], at: int, line: int) -> str:
        if len(words) <= at or words[at].kind != "currency":
            raise JournalFault(line, "an amount is a number and a currency, without arithmetic")
        currency = self._currency_of(words[at].text)
        if currency is None:
            name = shown(words[at].text)
            raise JournalFault(line, f"{name} is no code of a currency: say what it is by --commodity {name}=…")
        return currency

    def _check_accounts(self) -> None:
        """Each is open on the day of its postings."""
        for entry in self._made.entries:
            for posting in entry.postings:
                name = posting.account + _PENDING if posting.is_pending else posting.account
                opened, closed = self._opened.get(name), self._closed.get(name)
                if opened is None:
                    self._made.faults.append(JournalFault(posting.line, f"{shown(name)} is not opened"))
                elif entry.on < opened or (closed is not None and entry.on >= closed):
                    self._made.faults.append(JournalFault(posting.line, f"{shown(name)} is not open on this day"))


def _is_flag(word: Word) -> bool:
    return (word.kind == "sign" and word.text in "*!&#?%") or (word.kind == "currency" and len(word.text) == 1)


def _account(words: Sequence[Word], at: int, line: int) -> str:
    if len(words) <= at or words[at].kind != "account":
        raise JournalFault(line, "here stands an account, like Assets:Bank")
    _type(words[at].text, line)
    return words[at].text


def _type(name: str, line: int) -> AccountType:
    type_ = ROOTS.get(name.partition(":")[0])
    if type_ is None:
        raise JournalFault(line, f"{shown(name)} begins with none of the roots {', '.join(ROOTS)}")
    return type_


def _is_sign(words: Sequence[Word], at: int, sign: str) -> bool:
    return len(words) > at and words[at] == Word("sign", sign)


def _number(words: Sequence[Word], at: int, line: int) -> tuple[Decimal, int]:
    is_negative = _is_sign(words, at, "-")
    at += is_negative or _is_sign(words, at, "+")
    if len(words) <= at or words[at].kind != "number":
        raise JournalFault(line, "an amount is a number and a currency, without arithmetic")
    text = words[at].text.replace(",", "")
    whole, _, part = text.partition(".")
    if len(whole.lstrip("0")) > INTEGER_DIGITS_MAX or len(part) > EXPONENT_MAX:
        told = f"an amount has at most {INTEGER_DIGITS_MAX} digits before the point and {EXPONENT_MAX} behind it"
        raise JournalFault(line, told)
    number = Decimal(f"{whole or '0'}.{part}" if part else whole or "0")
    return -number if is_negative else number, at + 1


def _places(amount: Decimal) -> int:
    return -int(amount.as_tuple().exponent)


def _last_place(amount: Decimal) -> Decimal:
    """By so much beancount lets a balance be off."""
    return Decimal((0, (1,), -_places(amount)))


def _date(text: str, line: int) -> date:
    year, month, day = map(int, text.replace("/", "-").split("-"))
    try:
        return date(year, month, day)
    except ValueError:
        raise JournalFault(line, f"there is no such day: {shown(text)}") from None


def _metadata(lines: Sequence[Line]) -> Tags:
    return [_pair(line) for line in lines if line.words[0].kind == "key"]


def _pair(line: Line) -> tuple[str, str]:
    return line.words[0].text.removesuffix(":"), " ".join(word.text for word in line.words[1:])
