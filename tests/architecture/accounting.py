"""`docs/ACCOUNTING.md`, rendered from the posting rules themselves.

`make pages`, or python -m tests.architecture.accounting
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from decimal import Decimal
from uuid import UUID

from tests.architecture.sources import TOP
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType, Layer
from zerosum.domain.ledger.entry import JournalEntry, Nature, Posting
from zerosum.domain.money import Currency, Money
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.splits import AskedSplit, SplitRule, divide

PAGE = TOP / "docs" / "ACCOUNTING.md"
HEAD = """\
# Accounting: every business fact and the entry it becomes

Rendered from `src/zerosum/domain/payments/posting_rules.py` by `make pages`; a test holds the two together. Wallets
and clients are liabilities (we owe them), clearing accounts are assets (the processor owes us): a debit lowers the one
and raises the other. The figures are an example: 80.00 USD, of which a final capture takes 65.50, and a platform 2.9 %.
Below each entry stands what the holders of the accounts see of it.

The posted layer is what has happened, the pending layer what is held. `placed` begins a hold, `released` ends it; both
name it. Of every account: available = posted less held.

What may stand in the way of an entry depends on its nature. An *intention* is refused where an account is frozen or
closed, or would leave its limits. A *release* was decided when its hold was placed, and a *fact from outside* has
happened elsewhere: both are recorded, and an account that ends below its floor is flagged `overdrawn`.
"""
NATURES = {
    Nature.INTENTION: "An intention.",
    Nature.RELEASE: "A release.",
    Nature.OUTSIDE: "A fact from outside.",
}
MONEY = Money(Decimal("80.00"), Currency("USD", 2))
TAKEN = Money(Decimal("65.50"), Currency("USD", 2))
"""Less than what is held: a final capture."""
FEE = Money(Decimal("15.00"), Currency("USD", 2))


BOUGHT, MARGIN = Money(Decimal("73.34"), Currency("EUR", 2)), Money(Decimal("0.37"), Currency("EUR", 2))
GAIN = Money(Decimal("0.01"), Currency("EUR", 2))
"""Of 80.00 USD at 0.92135, less half a percent."""
PLATFORM_PERCENT = Decimal("2.9")
"""Of a payment in parts."""


def rules() -> list[Callable[..., JournalEntry]]:
    """In the order in which they stand in their file."""
    own = [
        rule
        for _, rule in inspect.getmembers(posting_rules, inspect.isfunction)
        if rule.__module__ == posting_rules.__name__ and not rule.__name__.startswith("_")
    ]
    return sorted(own, key=lambda rule: rule.__code__.co_firstlineno)


def rendered() -> str:
    return HEAD + "".join(_section(rule) for rule in rules())


def _section(rule: Callable[..., JournalEntry]) -> str:
    names: dict[UUID, str] = {}
    hold, parameters = UUID(int=0), inspect.signature(rule).parameters
    known: dict[str, object] = {
        "money": MONEY, "freed": MONEY, "taken": TAKEN, "fee": FEE, "hold": hold, "id_": hold, "effective_at": None,
        "type_": PaymentType.TRANSFER,
        "sold": MONEY, "bought": BOUGHT, "margin": MARGIN, "gain": GAIN,
    }  # fmt: skip
    if "promised" in parameters:
        # Of a payment in parts it is so much more of the same.
        payee = AccountId(UUID(int=101))
        known |= {"promised": [(payee, MONEY)], "paid_to": [(payee, TAKEN)]}
    if "parts" in parameters:
        known["parts"] = _parts(parameters, names)
    arguments = {name: known[name] for name in parameters if name in known}
    for number, name in enumerate(parameters, start=1):
        if name not in arguments:
            arguments[name] = AccountId(UUID(int=number))
            names[UUID(int=number)] = name
    if "promised" in parameters:
        names[payee] = "payee"
    entry = rule(**arguments)
    lines = "".join(f"| {_line(posting, names)} |\n" for posting in entry.postings)
    nature = f"{NATURES[entry.nature]}\n\n"
    table = f"| side | account | layer | amount |\n| --- | --- | --- | --- |\n{lines}"
    seen = "".join(f"* {_seen(id_, name, entry)}\n" for id_, name in names.items())
    heading = entry.reason + (" in parts" if "parts" in parameters else "")
    return f"\n## {heading}\n\n{rule.__doc__}\n\n{nature}{table}\n{seen}"


def _parts(parameters: Collection[str], names: dict[UUID, str]) -> list[tuple[AccountId, Money]]:
    """Those of a payee and of a platform that keeps its fee."""
    payee = AccountId(UUID(int=list(parameters).index("payee") + 1 if "payee" in parameters else 101))
    platform = AccountId(UUID(int=102))
    names.update({payee: "payee", platform: "platform"})
    money = TAKEN if "taken" in parameters else MONEY
    asked = [AskedSplit(platform, SplitRule.PERCENT, PLATFORM_PERCENT, ""), AskedSplit(payee, SplitRule.REST, None, "")]
    shares = divide(money, asked)
    return [(one.account_id, Money(share, money.currency)) for one, share in zip(asked, shares, strict=True)]


def _seen(account_id: UUID, name: str, entry: JournalEntry) -> str:
    """What it does to the balance that the holder of the account is shown."""
    account = AccountState(
        ledger_id=LedgerId(UUID(int=9)),
        id=AccountId(account_id),
        currency="USD",
        normal_side=(AccountType.ASSET if name == "clearing" else AccountType.LIABILITY).normal_side,
        status=AccountStatus.OPEN,
        min_available=None,
        max_available=None,
        posted_debits=Decimal(0),
        posted_credits=Decimal(0),
        held=Decimal(0),
        version=0,
        head=b"",
    )
    own = [posting for posting in entry.postings if posting.account_id == account_id]
    for posting in own:
        account.take(posting.side, posting.money.amount, posting.layer, releases=posting.releases)
    changes = {"posted": account.posted, "held": account.held, "available": account.available}
    unit = _unit(own[0].money) if own else ""
    told = [f"{what} {change:+}{unit}" for what, change in changes.items() if change]
    return f"{name}: {', '.join(told) or 'nothing'}"


def _line(posting: Posting, names: dict[UUID, str]) -> str:
    words = [posting.layer.value]
    if posting.layer is Layer.PENDING:
        words.append("released" if posting.releases else "placed")
    amount = f"{posting.money.amount}{_unit(posting.money)}"
    return f"{posting.side.value} | {names[posting.account_id]} | {', '.join(words)} | {amount}"


def _unit(money: Money) -> str:
    """Of what is not in the currency of the page."""
    return "" if money.currency == MONEY.currency else f" {money.currency.code}"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
