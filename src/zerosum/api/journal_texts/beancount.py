"""The journal for beancount, whose accounts begin with their type and whose parts begin with a capital or a digit.

`bank:main` of type asset is `Assets:Bank:Main`. Another sign than a letter or a digit is `-` and its bytes in hex; a
part that begins with neither a small letter nor a digit has `X-` before it. So no two codes become one, and each stands
beside its `open` as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from uuid import UUID

from zerosum.api.journal_texts.said import JournalText, said_of, said_of_posting, signed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountType, Layer
from zerosum.services.journal import RecordedEntry, RecordedPosting
from zerosum.services.journal_export import ExportedPage
from zerosum.services.requests.paging import gently

_ROOTS = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.EQUITY: "Equity",
    AccountType.REVENUE: "Income",
    AccountType.EXPENSE: "Expenses",
}
_PENDING = ":X--pending"
"""No code becomes so: a minus in a code is `-2d`."""
_FIRST_DAY = "1970-01-01"
_MARK = re.compile("[^A-Za-z0-9]")


class BeancountText(JournalText):
    """It keeps the types of accounts, which their names begin with, and what it has opened."""

    mark = ";"

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(zone)
        self._types: dict[UUID, AccountType] = {}
        self._opened = set[str]()

    async def page(self, page: ExportedPage) -> str:
        self._types |= {account.state.id: account.type for account in page.accounts}
        pieces = await gently(self._entry, page.entries)
        return "".join(pieces)

    def _entry(self, entry: RecordedEntry) -> str:
        names = [self._name(line) for line in entry.postings]
        opened = [
            f"{_FIRST_DAY} {what}\n"
            for line, name in zip(entry.postings, names, strict=True)
            for what in self._opening(line, name)
        ]
        lines = [f"{line}\n" for line in _lines(entry, self.day(entry), names)]
        return "".join([*opened, *lines, "\n"])

    def _name(self, line: RecordedPosting) -> str:
        name = account_name(self._types[line.account_id], line.account_code)
        return name + _PENDING if line.layer is Layer.PENDING else name

    def _opening(self, line: RecordedPosting, name: str) -> Iterator[str]:
        """What has to stand before the first posting of an account, and of a currency."""
        places = -int(line.amount.as_tuple().exponent)
        for key, text in (
            (line.currency, f'commodity {line.currency}\n  places: "{places}"'),
            (name, f"open {name}\n  code: {_quoted(line.account_code)}"),
        ):
            if key not in self._opened:
                self._opened.add(key)
                yield text


def account_name(type_: AccountType, code: str) -> str:
    return ":".join([_ROOTS[type_], *(_part(part) for part in code.split(":"))])


def _part(part: str) -> str:
    escaped = _MARK.sub(lambda mark: "".join(f"-{byte:02x}" for byte in mark[0].encode()), part)
    first = part[:1]
    if first.isascii() and first.islower():
        return escaped[0].upper() + escaped[1:]
    return escaped if first.isdigit() else f"X-{escaped}"


def _lines(entry: RecordedEntry, day: str, names: Sequence[str]) -> Iterator[str]:
    yield f"{day} * {_quoted(entry.reason)}"
    yield f"  id: {_quoted(render_id(Prefix.JOURNAL_ENTRY, entry.id))}"
    for name, value in said_of(entry):
        yield f"  {name}: {_quoted(value)}"
    if entry.metadata:
        yield f"  metadata: {_quoted(json.dumps(dict(entry.metadata)))}"
    for line, name in zip(entry.postings, names, strict=True):
        yield f"  {name}  {signed(line)} {line.currency}"
        for told, value in said_of_posting(line):
            yield f"    {told}: {_quoted(value)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
