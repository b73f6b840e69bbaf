"""The plain engine: every row is a command on a Book, judged by the same rules as a payment over HTTP.

Large inputs go to the fast engine instead, which is some fifty times as fast. Both must come to the same accounts and
refusals, row by row, and need the same memory: 23 to 46 bytes for each transaction carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType
from zerosum.domain.ledger.book import Book
from zerosum.domain.money import EXACT, Money, render_amount
from zerosum.domain.payments.client_commands import CLIENT_COMMANDS, ClientCommand
from zerosum.domain.payments.clients import CLIENT_CURRENCY, CLIENT_MAX, ClientCommandType
from zerosum.ingest.client_files.packed_records import PackedRecords
from zerosum.ingest.client_files.rows import KINDS, PLACES, Row

_NOBODY = UUID(int=0)
_LEDGER = LedgerId(UUID(int=1))
_CLEARING = AccountId(UUID(int=CLIENT_MAX + 2))
_UNKEPT: dict[str, Any] = {
    "id": _NOBODY,
    "ledger_id": _LEDGER,
    "idempotency_key": "",
    "fingerprint": b"",
    "actor": "",
    "clearing_id": _CLEARING,
}
"""What a command of a book that nobody keeps does not need."""


class ClientFigures(NamedTuple):
    """A line of the result, as it is written."""

    client: int
    available: str
    held: str
    total: str
    locked: bool


class BookEngine:
    def __init__(self, *, refuse_negative_total: bool = False) -> None:
        self._refuse_negative_total = refuse_negative_total
        clearing = _empty_account(_CLEARING, AccountType.ASSET, floor=None)
        self._book = Book([clearing], PackedRecords(_LEDGER))

    def take_rows(self, rows: Sequence[Row]) -> list[str | None]:
        """For each well-formed row None, or the code of its refusal; for a malformed one its fault."""
        return [row.fault or self._take(row) for row in rows]

    def figures(self) -> Iterator[ClientFigures]:
        """Every client that was named by a well-formed row, in the order of their numbers."""
        for account_id in sorted(self._book.accounts):
            if account_id != _CLEARING:
                account = self._book.accounts[account_id]
                yield ClientFigures(
                    account_id.int - 1,
                    render_amount(account.available),
                    render_amount(account.held),
                    render_amount(account.posted),
                    account.status is AccountStatus.FROZEN,
                )

    def _take(self, row: Row) -> str | None:
        account_id = AccountId(UUID(int=row.client + 1))
        if account_id not in self._book.accounts:
            self._book.accounts[account_id] = _empty_account(account_id, AccountType.LIABILITY, floor=Decimal("0.0000"))
        try:
            self._command(row, account_id).carry_out(self._book)
        except DomainError as refusal:
            return refusal.code
        return None

    def _command(self, row: Row, account_id: AccountId) -> ClientCommand:
        kind = KINDS[row.kind]
        more: dict[str, Any] = {}
        if kind in (ClientCommandType.DEPOSIT, ClientCommandType.WITHDRAWAL):
            more["money"] = Money(Decimal(row.units).scaleb(-PLACES, EXACT), CLIENT_CURRENCY)
        elif kind is ClientCommandType.CHARGEBACK:
            more["refuse_negative_total"] = self._refuse_negative_total
        return CLIENT_COMMANDS[kind](**_UNKEPT, client=row.client, tx=row.tx, client_id=account_id, **more)


def _empty_account(account_id: AccountId, type_: AccountType, *, floor: Decimal | None) -> AccountState:
    zero = Decimal("0.0000")
    return AccountState(
        ledger_id=_LEDGER,
        id=account_id,
        currency=CLIENT_CURRENCY.code,
        normal_side=type_.normal_side,
        status=AccountStatus.OPEN,
        min_available=floor,
        max_available=None,
        posted_debits=zero,
        posted_credits=zero,
        held=zero,
        version=0,
        head=b"",
    )
