"""Clients and their transactions: what has to be remembered of a deposit so that it can be disputed later.

A client is an account of its own with the floor zero. Its three figures are those of every account: total is posted,
held is held, available is the difference. A locked client is a frozen account.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from zerosum.domain.identifiers import LedgerId
from zerosum.domain.money import Currency, Money

CLIENT_TRANSACTION = "client_transaction"
"""Of which kind they are among the records; each is known by its tx id, as text."""

CLIENT_CHARGEBACK = "client_chargeback"
"""The kind of record that tells by which tx a client was charged back, known by its number, as text."""

CLIENT_MAX = 65_535
TX_MAX = 4_294_967_295
CLIENT_CURRENCY = Currency("XTS", 4, "Client money")
"""What clients are counted in where nothing else is configured: the code ISO 4217 keeps for tests, with four places."""


CLIENT_CODE_PATTERN = "^clients:(0|[1-9][0-9]{0,4})$"


def client_code(client: int) -> str:
    """The code of a client's account."""
    return f"clients:{client}"


class ClientCommandType(StrEnum):
    """What a client can be told to do: the first column of a client file."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DISPUTE = "dispute"
    RESOLVE = "resolve"
    CHARGEBACK = "chargeback"


class ClientTransactionType(StrEnum):
    """What a tx id names. Disputes, resolves and chargebacks have no id of their own: they speak of a deposit."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class ClientTransactionStatus(StrEnum):
    CARRIED_OUT = "carried_out"
    DISPUTED = "disputed"
    RESOLVED = "resolved"
    """As good as carried out: it can be disputed again."""
    CHARGED_BACK = "charged_back"
    """Final. The client is locked since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTransaction:
    """A deposit or withdrawal that was carried out. Whoever changes its status puts another in its place.

    `entry_id` is the journal entry that carried it out. What a dispute holds is named after it: of one deposit there
    is one open dispute at most.
    """

    ledger_id: LedgerId
    tx: int
    client: int
    type: ClientTransactionType
    money: Money
    entry_id: UUID
    status: ClientTransactionStatus = ClientTransactionStatus.CARRIED_OUT
