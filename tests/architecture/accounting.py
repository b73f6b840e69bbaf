"""`docs/ACCOUNTING.md`, rendered from the posting rules themselves.

python -m tests.architecture.accounting > docs/ACCOUNTING.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.account import Layer
from zerosum.domain.ledger.entry import JournalEntry, Posting
from zerosum.domain.money import Currency, Money
from zerosum.domain.payments import posting_rules

HEAD = """\
# Accounting: every business fact and the entry it becomes

Rendered from `src/zerosum/domain/payments/posting_rules.py` by `python -m tests.architecture.accounting`; a test holds
the two together. All amounts of an entry are the amount of the fact. Wallets and clients are liabilities (we owe them),
clearing accounts are assets (the processor owes us): a debit lowers the one and raises the other.

The posted layer is what has happened, the pending layer what is held. `placed` begins a hold, `released` ends it;
`may overdraw` lets the account fall below its floor. Of every account: available = posted less held.
"""
MONEY = Money(Decimal("1.00"), Currency("USD", 2))


def rules() -> list[Callable[..., JournalEntry]]:
    """In the order in which they stand in their file."""
    own = [
        rule
        for _, rule in inspect.getmembers(posting_rules, inspect.isfunction)
        if rule.__module__ == posting_rules.__name__
    ]
    return sorted(own, key=lambda rule: rule.__code__.co_firstlineno)


def rendered() -> str:
    return HEAD + "".join(_section(rule) for rule in rules())


def _section(rule: Callable[..., JournalEntry]) -> str:
    names: dict[UUID, str] = {}
    arguments: dict[str, object] = {"money": MONEY, "effective_at": None}
    for number, name in enumerate(inspect.signature(rule).parameters, start=1):
        if name not in arguments:
            arguments[name] = AccountId(UUID(int=number))
            names[UUID(int=number)] = name
    entry = rule(**arguments)
    lines = "".join(f"| {_line(posting, names)} |\n" for posting in entry.postings)
    return f"\n## {entry.reason}\n\n{rule.__doc__}\n\n| side | account | layer |\n| --- | --- | --- |\n{lines}"


def _line(posting: Posting, names: dict[UUID, str]) -> str:
    words = [posting.layer.value]
    if posting.layer is Layer.PENDING:
        words.append("released" if posting.releases else "placed")
    if posting.may_overdraw:
        words.append("may overdraw")
    return f"{posting.side.value} | {names[posting.account_id]} | {', '.join(words)}"


if __name__ == "__main__":
    sys.stdout.write(rendered())
