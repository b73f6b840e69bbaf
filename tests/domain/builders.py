"""Small books for tests: accounts by name, journal entries written as the lines of an account book.

    book = Book([wallet("alice", "100.00"), wallet("bob")])
    outcome = book.apply(post_entry('''
        debit   alice  30.00 USD
        credit  bob    30.00 USD
    '''), NOON)
    assert shown(book) == ledger('''
        alice  posted 70.00  held 0.00  version 1
        bob    posted 30.00  held 0.00  version 1
    ''')

A line may end in `pending`, `releases` and `outside`; the last makes its whole entry a fact from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from zerosum.domain.commands import NO_METADATA
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId, JournalEntryId, LedgerId
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType, Layer, Side
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import genesis
from zerosum.domain.ledger.entry import JournalEntry, Nature, PostedEntry, Posting
from zerosum.domain.ledger.outcome import Outcome, Posted, Refused
from zerosum.domain.ledger.post_entry import PostEntry
from zerosum.domain.money import Currency, CurrencyTable, Money
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentType

BTC = Currency("BTC", 8)
ETH = Currency("ETH", 18)
CURRENCIES = CurrencyTable([BTC, ETH])
USD, EUR, JPY, KWD = (CURRENCIES[code] for code in ("USD", "EUR", "JPY", "KWD"))

LEDGER = LedgerId(UUID("018f0000-0000-7000-8000-000000000001"))
NOON = datetime(2026, 1, 2, 12, 0, 0, 345678, tzinfo=UTC)

_names: dict[UUID, str] = {}


def account_id(name: str) -> AccountId:
    """The same id for the same name, in every run."""
    found = AccountId(uuid_of(f"account {name}"))
    _names[found] = name
    return found


def name_of(id_: UUID) -> str:
    return _names[id_]


def uuid_of(text: str) -> UUID:
    return UUID(bytes=sha256(text.encode()).digest()[:16], version=5)


def account(
    name: str,
    posted: str = "0",
    *,
    type_: AccountType = AccountType.LIABILITY,
    currency: Currency = USD,
    held: str = "0",
    floor: str | None = "0",
    ceiling: str | None = None,
    status: AccountStatus = AccountStatus.OPEN,
    overdrawn: bool = False,
) -> AccountState:
    """An account with so much posted; less than nothing lies on the side opposite to its normal one."""
    balance = currency.scaled(Decimal(posted))
    zero = currency.scaled(Decimal(0))
    is_debit = (type_.normal_side is Side.DEBIT) == (balance > 0)
    return AccountState(
        ledger_id=LEDGER,
        id=account_id(name),
        currency=currency.code,
        normal_side=type_.normal_side,
        status=status,
        min_available=None if floor is None else currency.scaled(Decimal(floor)),
        max_available=None if ceiling is None else currency.scaled(Decimal(ceiling)),
        posted_debits=balance.copy_abs() if is_debit else zero,
        posted_credits=zero if is_debit else balance.copy_abs(),
        held=currency.scaled(Decimal(held)),
        version=0,
        head=genesis(LEDGER, account_id(name)),
        overdrawn=overdrawn,
    )


def wallet(name: str, posted: str = "0", *, currency: Currency = USD) -> AccountState:
    """What we owe a customer, who may not owe us."""
    return account(name, posted, currency=currency)


def clearing(name: str = "clearing", *, currency: Currency = USD) -> AccountState:
    """What a processor owes us, or we owe it."""
    return account(name, type_=AccountType.ASSET, currency=currency, floor=None)


def postings(lines: str) -> tuple[Posting, ...]:
    return tuple(_posting(line) for line in lines.strip().splitlines())


def _posting(line: str) -> Posting:
    side, name, amount, currency, *words = line.split()
    unknown = set(words) - {"pending", "releases", "outside"}
    assert not unknown, f"a test wrote {unknown} behind a posting"
    return Posting(
        account_id(name),
        Side(side),
        Money.parse(amount, CURRENCIES[currency]),
        Layer.PENDING if "pending" in words else Layer.POSTED,
        "releases" in words,
    )


def entry(
    lines: str,
    *,
    reason: str = "test",
    effective_at: datetime | None = None,
    reverses: JournalEntryId | None = None,
) -> JournalEntry:
    nature = Nature.OUTSIDE if "outside" in lines.split() else Nature.INTENTION
    return JournalEntry(reason, postings(lines), effective_at, reverses, nature)


def post_entry(
    lines: str | JournalEntry, *, key: str = "key-1", metadata: Mapping[str, str] = NO_METADATA
) -> PostEntry:
    """The same key makes the same command, id and all."""
    return PostEntry(
        id=uuid_of(f"command {key}"),
        ledger_id=LEDGER,
        idempotency_key=key,
        fingerprint=sha256(key.encode()).digest(),
        actor="tests",
        metadata=metadata,
        entry=entry(lines) if isinstance(lines, str) else lines,
    )


def payment(
    type_: PaymentType,
    amount: str,
    payer: str,
    payee: str,
    *,
    currency: Currency = USD,
    effective_at: datetime | None = None,
    key: str = "key-1",
) -> Pay:
    return Pay(
        id=uuid_of(f"command {key}"),
        ledger_id=LEDGER,
        idempotency_key=key,
        fingerprint=sha256(key.encode()).digest(),
        actor="tests",
        type=type_,
        money=Money.parse(amount, currency),
        payer_id=account_id(payer),
        payee_id=account_id(payee),
        effective_at=effective_at,
    )


def transfer(amount: str, payer: str, payee: str, *, currency: Currency = USD, key: str = "key-1") -> Pay:
    return payment(PaymentType.TRANSFER, amount, payer, payee, currency=currency, key=key)


def posted(outcome: Outcome) -> PostedEntry:
    """The entry of a command that was carried out."""
    assert isinstance(outcome, Posted), f"refused: {outcome.refusal.code}: {outcome.refusal.detail}"
    return outcome.entry


def refused(outcome: Outcome) -> DomainError:
    """The refusal of a command that was refused."""
    assert isinstance(outcome, Refused), "it was posted"
    return outcome.refusal


def ledger(text: str) -> str:
    """Lines without their indentation, one space between words: what the `shown` functions write."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def shown(book: Book) -> str:
    """The accounts by name."""
    return "\n".join(
        f"{name_of(state.id)} posted {state.posted:f} held {state.held:f} version {state.version}"
        + (" overdrawn" if state.overdrawn else "")
        for state in sorted(book.accounts.values(), key=lambda state: name_of(state.id))
    )


def shown_entry(journal_entry: JournalEntry) -> str:
    return "\n".join([journal_entry.reason, *(_shown_posting(line) for line in journal_entry.postings)])


def shown_lines(posted_entry: PostedEntry) -> str:
    """Every posting with what it made of its account."""
    return "\n".join(
        f"{_shown_posting(line.posting)} -> version {line.account_version}"
        f" posted {line.balance_after:f} held {line.held_after:f}"
        for line in posted_entry.postings
    )


def _shown_posting(posting: Posting) -> str:
    words = [posting.side.value, name_of(posting.account_id), str(posting.money)]
    words += ["pending"] * (posting.layer is Layer.PENDING)
    words += ["releases"] * posting.releases
    return " ".join(words)


def photograph(accounts: Iterable[AccountState]) -> list[str]:
    """All that can be said about these states, to the last zero: two photographs are equal when nothing has changed."""
    return sorted(repr(state) for state in accounts)
