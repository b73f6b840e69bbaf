"""The straight way of nearly every command: one amount from one account to another, now, and nothing in its way.

It is paid, or promised: the lines of a hold are pending. What is captured is set free first, by two lines more.

It is the Book's rules in a second form, which takes a fifth of the time (docs/decisions/0024). Whatever it does not
know it leaves to the Book, untouched; what it does is what the Book would have done, to the last bit of the hashes:
`tests/domain/test_pair.py` holds the two together over random books.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from zerosum.domain.ledger.account import AccountState, AccountStatus, Side
from zerosum.domain.ledger.chain import microseconds, netstrings
from zerosum.domain.ledger.entry import is_timely
from zerosum.domain.ledger.outcome import PlainPair, PostedLine, PostedPair
from zerosum.domain.money import BALANCE_LIMIT, Money, add, render_amount, subtract

if TYPE_CHECKING:
    from zerosum.domain.ledger.book import LedgerCommand

_OPEN, _DEBIT, _CREDIT = AccountStatus.OPEN, Side.DEBIT, Side.CREDIT
_LOWEST = BALANCE_LIMIT.copy_negate()
_PLAIN, _OF_HOLD = b"zerosum.posting.v1", b"zerosum.posting.v2"


def post_pair(
    accounts: Mapping[UUID, AccountState], command: LedgerCommand, pair: PlainPair, posted_at: datetime
) -> PostedPair | None:
    """Judge and write at once. None where anything at all is unusual: then nothing was touched."""
    debited, credited = accounts.get(pair.debit_id), accounts.get(pair.credit_id)
    if debited is None or credited is None or debited is credited:
        return None
    if pair.effective_at is not None and not is_timely(pair.effective_at, posted_at):
        return None
    money, hold, freed = pair.money, pair.hold, pair.freed
    amount, currency = money.amount, money.currency.code
    taken, given = debited.posted_debits, credited.posted_credits
    debit_held, credit_held = debited.held, credited.held
    debit_rises, credit_rises = debited.normal_side is _DEBIT, credited.normal_side is _CREDIT
    is_placed = hold is not None and freed is None
    if not is_placed:
        taken, given = add(taken, amount), add(given, amount)
    if hold is not None:  # What is pending holds only where it will take out.
        change, pending = (add, amount) if freed is None else (subtract, freed.amount)
        debit_held = debit_held if debit_rises else change(debit_held, pending)
        credit_held = credit_held if credit_rises else change(credit_held, pending)
    debit_balance = _balance_after(debited, currency, taken, debited.posted_credits, debit_held, is_rising=debit_rises)
    if debit_balance is None:
        return None
    credit_balance = _balance_after(
        credited, currency, credited.posted_debits, given, credit_held, is_rising=credit_rises
    )
    if credit_balance is None:
        return None
    digest = _entry_digest(command, pair, posted_at)
    text = render_amount(amount)
    debited.held, credited.held = debit_held, credit_held
    freeing = () if freed is None else _freeing(debited, credited, freed, digest, f"|{hold}", posted_at)
    debited.posted_debits, credited.posted_credits = taken, given
    kind, tag, end = ("pending", _OF_HOLD, f"|{hold}") if is_placed else ("posted", _PLAIN, "")
    said = f"{kind}|0|{text}|{currency}|"
    first, second = ("|0|debit|", "|1|credit|") if freed is None else ("|2|debit|", "|3|credit|")
    return PostedPair(
        command,
        pair,
        posted_at,
        text,
        _line(debited, debit_balance, tag, digest, first + said, end, posted_at),
        _line(credited, credit_balance, tag, digest, second + said, end, posted_at),
        freeing,
    )


def _freeing(
    debited: AccountState, credited: AccountState, freed: Money, digest: bytes, end: str, posted_at: datetime
) -> tuple[PostedLine, PostedLine]:
    """The lines before its own. Their accounts hold less already, and nothing of it is paid yet."""
    said = f"pending|1|{render_amount(freed.amount)}|{freed.currency.code}|"
    return (
        _line(debited, debited.posted, _OF_HOLD, digest, f"|0|debit|{said}", end, posted_at),
        _line(credited, credited.posted, _OF_HOLD, digest, f"|1|credit|{said}", end, posted_at),
    )


def _balance_after(
    account: AccountState, currency: str, debited: Decimal, credited: Decimal, held: Decimal, *, is_rising: bool
) -> Decimal | None:
    """None where something might stand against it, or would have to be said besides."""
    if (
        account.status is not _OPEN
        or account.currency != currency
        or account.max_available is not None
        or account.overdrawn
        or account.velocity
        or account.used
        or account.groups
    ):
        return None
    is_credit = account.normal_side is _CREDIT
    balance = subtract(credited, debited) if is_credit else subtract(debited, credited)
    available = subtract(balance, held) if held else balance
    if not is_rising and account.min_available is not None and available < account.min_available:
        return None
    is_bounded = _LOWEST < balance < BALANCE_LIMIT and _LOWEST < available < BALANCE_LIMIT
    return balance if is_bounded and held < BALANCE_LIMIT else None


def _line(
    account: AccountState, balance: Decimal, tag: bytes, digest: bytes, middle: str, end: str, posted_at: datetime
) -> PostedLine:
    """The account's next link (`chain.posting_hash`)."""
    version = account.version = account.version + 1
    account.last_posted_at = posted_at
    balance_text, held = render_amount(balance), render_amount(account.held)
    own = f"{account.id}|{version}{middle}{balance_text}|{held}{end}"
    head = account.head = sha256(tag + account.head + digest + own.encode("ascii")).digest()
    return PostedLine(account.id, version, balance_text, held, head)


@lru_cache(256)
def _of_batch(ledger_id: UUID, posted_at: datetime) -> tuple[str, int]:
    """What all entries of a ledger have in common that are posted together."""
    return str(ledger_id), microseconds(posted_at)


def _entry_digest(command: LedgerCommand, pair: PlainPair, posted_at: datetime) -> bytes:
    """As `chain.entry_digest` makes it, of an entry that bears its resource's id and reverses nothing."""
    ledger, posted = _of_batch(command.ledger_id, posted_at)
    effective = posted if pair.effective_at is None else microseconds(pair.effective_at)
    resource = "0:," if pair.resource_id is None else f"{len(pair.resource_id)}:{pair.resource_id},"
    fixed = (
        f"{ledger}|{command.id}|{effective}|{posted}||{command.fingerprint.hex()}|{pair.resource_type._value_}|"
        f"{resource}"
    )
    key, actor, reason = command.idempotency_key, command.actor, pair.reason
    free = f"{len(key)}:{key},{len(actor)}:{actor},{len(reason)}:{reason},"
    if command.metadata or not free.isascii():
        own = [text for name in sorted(command.metadata) for text in (name, command.metadata[name])]
        return sha256(b"zerosum.entry.v1" + fixed.encode("ascii") + netstrings([key, actor, reason, *own])).digest()
    return sha256(f"zerosum.entry.v1{fixed}{free}".encode("ascii")).digest()
