"""Whatever context for decimals a library or a thread may have set: results do not depend on it, nor do hashes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import (
    ROUND_05UP,
    ROUND_CEILING,
    ROUND_FLOOR,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
    localcontext,
)

import pytest

from tests.domain.builders import ETH, NOON, USD, account, payment, post_entry, shown, shown_lines, transfer
from zerosum.domain.ledger.account import AccountType, with_limits
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Money, parse_amount, parse_signed_amount, render_amount
from zerosum.domain.payments.payment import PaymentType

EVERY_TRAP = [
    Clamped, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow, Rounded, Subnormal, Underflow,
]  # fmt: skip
HOSTILE = {
    "one digit": Context(prec=1, traps=[]),
    "one digit, trapped": Context(prec=1, traps=EVERY_TRAP),
    "no room": Context(prec=1, Emax=0, Emin=0, clamp=1, capitals=0, traps=[]),
    "no room, trapped": Context(prec=1, Emax=0, Emin=0, clamp=1, capitals=0, traps=EVERY_TRAP),
    "rounds down": Context(prec=3, rounding=ROUND_FLOOR, traps=[]),
    "rounds up": Context(prec=3, rounding=ROUND_CEILING, traps=[]),
    "rounds oddly": Context(prec=2, rounding=ROUND_05UP, traps=[]),
}


def everything() -> Iterator[str]:
    """Amounts read, compared and written, books kept with large and small ones, refusals: all as text."""
    for text in ("0.000000000000000001", "99999999999999999999.999999999999999999", "12.3"):
        yield render_amount(parse_amount(text, ETH))
        yield render_amount(parse_signed_amount(f"-{text}", ETH, pointer="/x"))
        yield str(Money.parse(text, ETH))
    yield render_amount(USD.scaled(Decimal("1234567890123456789.1")))
    yield render_amount(ETH.scaled(Decimal(0)))
    book = Book(
        [
            account("alice", "99999999999999999999.999999999999999998", currency=ETH),
            account("bob", currency=ETH, ceiling="1000"),
            account("clearing", currency=ETH, type_=AccountType.ASSET, floor=None),
        ]
    )
    for number, command in enumerate(
        [
            transfer("999.999999999999999999", "alice", "bob", currency=ETH),
            transfer("1", "alice", "bob", currency=ETH),
            transfer("99999999999999999999", "alice", "bob", currency=ETH),
            transfer("99999999999999999999", "bob", "alice", currency=ETH),
            payment(PaymentType.DEPOSIT, "0.000000000000000001", "clearing", "alice", currency=ETH),
            payment(PaymentType.DEPOSIT, "1234567890", "clearing", "alice", currency=ETH),
            post_entry(
                """
                debit   alice  7.000000000000000001 ETH  pending
                credit  bob    7.000000000000000001 ETH  pending
                """
            ),
        ]
    ):
        outcome = book.apply(command, NOON)
        yield shown_lines(outcome.entry) if isinstance(outcome, Posted) else f"{number} {outcome.refusal.facts}"
        yield shown(book)
        yield from [f"{state.available:f} {state.head.hex()}" for state in book.accounts.values()]
    with_limits(book.accounts[account("bob").id], Decimal("-1E+18"), None)


@pytest.mark.parametrize("context", HOSTILE.values(), ids=HOSTILE)
def test_no_result_depends_on_the_context_of_the_thread(context: Context) -> None:
    usual = list(everything())
    with localcontext(context):
        assert list(everything()) == usual


def test_no_result_depends_on_the_context_set_as_a_default_before_the_start() -> None:
    """With rounding towards the floor, the difference of equals would be minus zero, and every hash another."""
    program = (
        "import decimal\n"
        "decimal.DefaultContext.rounding = decimal.ROUND_FLOOR\n"
        "decimal.DefaultContext.prec = 2\n"
        "decimal.DefaultContext.Emax, decimal.DefaultContext.Emin = 1, -1\n"
        "decimal.DefaultContext.clamp = 1\n"
        "from tests.domain.test_decimal_context import everything\n"
        "print('\\n'.join(everything()))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout.splitlines() == "\n".join(everything()).splitlines()
