"""The journal for beancount, whose accounts begin with their type and whose parts begin with a capital or a digit.

`bank:main` of type asset is `Assets:Bank:Main`. Another sign than a letter or a digit is `-` and its bytes in hex; a
part that begins with neither a small letter nor a digit has `X-` before it. So no two codes become one, and each stands
beside its `open` as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from uuid import UUID

from zerosum.api.journal_texts.said import said_of, said_of_posting, signed
from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountType, Layer
from zerosum.services.journal import RecordedEntry
from zerosum.services.journal_export import ExportedJournal
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


async def beancount_text(journal: ExportedJournal) -> str:
    accounts = sorted(journal.accounts.values(), key=lambda account: account.code)
    names: dict[UUID, str] = {account.state.id: account_name(account.type, account.code) for account in accounts}
    pending = {line.account_id for entry in journal.entries for line in entry.postings if line.layer is Layer.PENDING}
    opened = [
        f"{_FIRST_DAY} open {name}\n  code: {_quoted(account.code)}\n"
        for account in accounts
        for name in [names[account.state.id], *([names[account.state.id] + _PENDING] * (account.state.id in pending))]
    ]
    entries = await gently(lambda entry: "".join(f"{line}\n" for line in _lines(entry, names)) + "\n", journal.entries)
    return "".join([*opened, "\n", *entries])


def account_name(type_: AccountType, code: str) -> str:
    return ":".join([_ROOTS[type_], *(_part(part) for part in code.split(":"))])


def _part(part: str) -> str:
    escaped = _MARK.sub(lambda mark: "".join(f"-{byte:02x}" for byte in mark[0].encode()), part)
    first = part[:1]
    if first.isascii() and first.islower():
        return escaped[0].upper() + escaped[1:]
    return escaped if first.isdigit() else f"X-{escaped}"


def _lines(entry: RecordedEntry, names: Mapping[UUID, str]) -> Iterator[str]:
    yield f"{render_time(entry.effective_at)[:10]} * {_quoted(entry.reason)}"
    yield f"  id: {_quoted(render_id(Prefix.JOURNAL_ENTRY, entry.id))}"
    for name, value in said_of(entry):
        yield f"  {name}: {_quoted(value)}"
    if entry.metadata:
        yield f"  metadata: {_quoted(json.dumps(dict(entry.metadata)))}"
    for line in entry.postings:
        suffix = _PENDING if line.layer is Layer.PENDING else ""
        yield f"  {names[line.account_id]}{suffix}  {signed(line)} {line.currency}"
        for name, value in said_of_posting(line):
            yield f"    {name}: {_quoted(value)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
