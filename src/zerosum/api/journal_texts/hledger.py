"""The journal for hledger. What would end a tag or a description is written in percent, as in an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, tzinfo

from zerosum.api.journal_texts.said import JournalText, said_of, said_of_posting, signed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountType, Layer
from zerosum.services.journal import RecordedEntry, RecordedPosting
from zerosum.services.journal_export import ExportedPage
from zerosum.services.requests.paging import gently

_TYPES = {
    AccountType.ASSET: "A",
    AccountType.LIABILITY: "L",
    AccountType.EQUITY: "E",
    AccountType.REVENUE: "R",
    AccountType.EXPENSE: "X",
}
# Also line ends of Unicode, and blanks where they would be cut off.
_MARKS = re.compile("[%,;|\x00-\x1f\x7f-\x9f\u2028\u2029]|^\\s|\\s$|(?<=\\s)\\s")
_PLAIN_CURRENCY = re.compile("[A-Z]+")


class HledgerText(JournalText):
    mark = ";"

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(zone)
        self._declared = set[str]()

    def head(self, as_of: datetime | None) -> str:
        return f"{super().head(as_of)}decimal-mark .\n\n"

    async def page(self, page: ExportedPage) -> str:
        accounts = [f"account {account.code}  ; type:{_TYPES[account.type]}\n" for account in page.accounts]
        entries = await gently(self._entry, page.entries)
        between = ["\n"] if accounts else []
        return "".join([*self._currencies(page), *accounts, *between, *entries])

    def _currencies(self, page: ExportedPage) -> Iterator[str]:
        """How many places each has, once."""
        for entry in page.entries:
            for line in entry.postings:
                if line.currency not in self._declared:
                    self._declared.add(line.currency)
                    places = -int(line.amount.as_tuple().exponent)
                    yield f"commodity 1000.{'0' * places} {_currency(line.currency)}\n"

    def _entry(self, entry: RecordedEntry) -> str:
        return "".join(f"{line}\n" for line in _lines(entry, self.day(entry))) + "\n"


def _lines(entry: RecordedEntry, day: str) -> Iterator[str]:
    yield f"{day} ({render_id(Prefix.JOURNAL_ENTRY, entry.id)}) {_text(entry.reason)}"
    for name, value in said_of(entry):
        yield f"    ; {name}:{_text(value)}"
    for key, value in entry.metadata.items():
        yield f"    ; metadata:{_text(key).replace('=', '%3D')}={_text(value)}"
    for line in entry.postings:
        tags = ", ".join(f"{name}:{value}" for name, value in said_of_posting(line))
        yield f"    {_account(line)}    {signed(line)} {_currency(line.currency)}  ; {tags}"


def _account(line: RecordedPosting) -> str:
    return f"[{line.account_code}]" if line.layer is Layer.PENDING else line.account_code


def _currency(code: str) -> str:
    return code if _PLAIN_CURRENCY.fullmatch(code) else f'"{code}"'


def _text(text: str) -> str:
    return _MARKS.sub(lambda mark: "".join(f"%{byte:02X}" for byte in mark[0].encode()), text)
