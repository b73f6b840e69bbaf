"""One line of a transaction in hledger's journal, and the tags in its comment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

from zerosum.ingest.journal_files.numbers import WrittenAmount, read_amount
from zerosum.ingest.journal_files.read import Assertion, CurrencyOf, JournalFault, ReadPosting, Tags, shown

_LINE = re.compile(r"(?:(?P<state>[*!])\s*)?(?P<account>\S(?:\S| (?! ))*)(?:(?:\s{2}|\t|$)\s*(?P<rest>.*))?", re.DOTALL)
_ASSERTED = re.compile(r"\s*(==?)(\*?)\s*")
_TAG = re.compile(r"(?:^|(?<=[\s,]))([^\s:,]{1,64}):([^,]*)")
_POSTING_DATE = re.compile(r"\[[0-9=/.\-]+\]", re.ASCII)
_COSTS = "@{([|"
_STATES = {"*": "cleared", "!": "pending"}


class PostingReader:
    """`default` is the commodity of numbers that stand alone."""

    def __init__(self, currency_of: CurrencyOf, marks: Mapping[str, str]) -> None:
        self._currency_of = currency_of
        self._marks = marks
        self.default = ""

    def read(self, text: str, line: int, on: date) -> tuple[ReadPosting, Assertion | None, str | None]:
        """With the comment behind it. Raises JournalFault."""
        found = _LINE.fullmatch(text.replace("\t", "  "))
        if found is None:
            raise JournalFault(line, "this is no posting")
        rest, semicolon, comment = _split_comment(found["rest"] or "")
        if semicolon and _POSTING_DATE.search(comment):
            raise JournalFault(line, "a posting with a date of its own is not taken: make it an entry")
        name, is_pending = _account(found["account"].strip(), line)
        posting = ReadPosting(line=line, account=name, amount=None, currency=None, is_pending=is_pending)
        if found["state"]:
            posting.said.append(("status", _STATES[found["state"]]))
        assertion = self._read_amounts(posting, rest.strip(), on) if rest.strip() else None
        return posting, assertion, comment.strip() if semicolon else None

    def _read_amounts(self, posting: ReadPosting, text: str, on: date) -> Assertion | None:
        line = posting.line
        if text[0] == "=":
            raise JournalFault(line, "a balance that is assigned is not taken: write the amount before the =")
        amount = read_amount(text, 0, line, self._marks)
        posting.amount, posting.currency = amount.number, self._currency(amount, line)
        at = len(text) - len(text[amount.end :].lstrip())
        if text[at : at + 1] and text[at] in _COSTS:
            raise JournalFault(line, "a cost or price is not taken: an entry balances in each of its currencies")
        asserted = _ASSERTED.match(text, at)
        if asserted is None:
            if text[at:]:
                raise JournalFault(line, f"this cannot be read behind the amount: {shown(text[at:])}")
            return None
        wanted = read_amount(text, asserted.end(), line, self._marks)
        behind = text[wanted.end :].strip()
        if behind:
            raise JournalFault(line, f"this cannot be read behind the balance: {shown(behind)}")
        return Assertion(
            line=line,
            account=posting.account,
            amount=wanted.number,
            currency=self._currency(wanted, line),
            on=on,
            is_sole=asserted[1] == "==",
            is_inclusive=bool(asserted[2]),
        )

    def _currency(self, amount: WrittenAmount, line: int) -> str:
        commodity = amount.commodity or self.default
        if not commodity:
            raise JournalFault(line, "the amount has no commodity, and no `D` line says which it is")
        currency = self._currency_of(commodity)
        if currency is None:
            raise JournalFault(
                line, f"{shown(commodity)} is no code of a currency: say what it is by --commodity {shown(commodity)}=…"
            )
        return currency


def tags_of(comments: Sequence[str]) -> Tags:
    """The tags of comments; and the comments themselves, where they hold more than tags."""
    tags = [(found[1], found[2].strip()) for comment in comments for found in _TAG.finditer(comment)]
    texts = [comment for comment in comments if _TAG.sub("", comment).strip(" \t,")]
    return [*tags, ("comment", "\n".join(texts))] if texts else tags


def _split_comment(text: str) -> tuple[str, bool, str]:
    """At the first semicolon that no commodity's quotes hold."""
    is_quoted = False
    for place, sign in enumerate(text):
        if sign == '"':
            is_quoted = not is_quoted
        elif sign == ";" and not is_quoted:
            return text[:place], True, text[place + 1 :]
    return text, False, ""


def _account(name: str, line: int) -> tuple[str, bool]:
    if name[0] == "(" and name[-1] == ")":
        raise JournalFault(line, "a virtual posting in ( ) balances nothing and is not taken")
    is_pending = name[0] == "[" and name[-1] == "]"
    name = name[1:-1].strip() if is_pending else name
    if not name or ";" in name or any(not part.strip() for part in name.split(":")[:1]):
        raise JournalFault(
            line, f"this is no account: {shown(name)} (two blanks stand between an account and its amount)"
        )
    return name, is_pending
