"""The journal for hledger. What would end a tag or a description is written in percent, as in an address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zerosum.api.journal_texts.said import said_of, said_of_posting, signed
from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountType, Layer
from zerosum.services.journal import RecordedEntry, RecordedPosting
from zerosum.services.journal_export import ExportedJournal
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


async def hledger_text(journal: ExportedJournal) -> str:
    accounts = sorted(journal.accounts.values(), key=lambda account: account.code)
    declared = [f"account {account.code}  ; type:{_TYPES[account.type]}\n" for account in accounts]
    entries = await gently(_entry, journal.entries)
    return "".join([*declared, "\n", *entries])


def _entry(entry: RecordedEntry) -> str:
    return "".join(f"{line}\n" for line in _lines(entry)) + "\n"


def _lines(entry: RecordedEntry) -> Iterator[str]:
    day = render_time(entry.effective_at)[:10]
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
