"""The record sets that there are. A new noun adds its own here, and nothing else of the write path changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from zerosum.db.batch.account_records import ACCOUNTS, AUDIT_RECORDS
from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.account_commands import ACCOUNT_CODE
from zerosum.domain.ledger.reverse import REVERSAL
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments.clients import (
    CLIENT_CHARGEBACK,
    CLIENT_TRANSACTION,
    ClientTransaction,
    ClientTransactionStatus,
    ClientTransactionType,
)
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentStatus, PaymentTexts, PaymentType


def _money(amount: str, currency: str) -> Money:
    """The places are those of the amount as it is stored."""
    value = Decimal(amount)
    return Money(value, Currency(currency, -int(value.as_tuple().exponent), ""))


def _payment(row: Sequence[Any]) -> Payment:
    return Payment(
        ledger_id=LedgerId(row[0]),
        id=PaymentId(row[1]),
        type=PaymentType(row[2]),
        status=PaymentStatus(row[3]),
        money=_money(row[5], row[4]),
        payer_id=AccountId(row[6]),
        payee_id=AccountId(row[7]),
        processor=row[8],
        texts=PaymentTexts(*row[9:]),
    )


PAYMENTS = RecordSet(
    kind=PAYMENT,
    table="payments",
    columns=(
        Column("id", "uuid", lambda payment: payment.id),
        Column("type", "text", lambda payment: payment.type),
        Column("status", "text", lambda payment: payment.status),
        Column("currency", "text", lambda payment: payment.money.currency.code),
        Column("amount", "text", lambda payment: render_amount(payment.money.amount), "numeric"),
        Column("payer_id", "uuid", lambda payment: payment.payer_id),
        Column("payee_id", "uuid", lambda payment: payment.payee_id),
        Column("processor", "text", lambda payment: payment.processor),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in PaymentTexts._fields),
    ),
    changing=("status",),
    read=_payment,
    in_pair={
        "id": "id",
        "currency": "currency",
        "amount": "amount",
        "payer_id": "debit_id",
        "payee_id": "credit_id",
    },
)


def _client_transaction(row: Sequence[Any]) -> ClientTransaction:
    return ClientTransaction(
        ledger_id=LedgerId(row[0]),
        tx=int(row[1]),
        client=row[2],
        type=ClientTransactionType(row[3]),
        status=ClientTransactionStatus(row[4]),
        money=_money(row[6], row[5]),
        entry_id=row[7],
    )


CLIENT_TRANSACTIONS = RecordSet(
    kind=CLIENT_TRANSACTION,
    table="client_transactions",
    columns=(
        Column("tx", "text", lambda transaction: str(transaction.tx), "bigint"),
        Column("client", "int", lambda transaction: transaction.client),
        Column("type", "text", lambda transaction: transaction.type),
        Column("status", "text", lambda transaction: transaction.status),
        Column("currency", "text", lambda transaction: transaction.money.currency.code),
        Column("amount", "text", lambda transaction: render_amount(transaction.money.amount), "numeric"),
        Column("entry_id", "uuid", lambda transaction: transaction.entry_id),
    ),
    changing=("status",),
    read=_client_transaction,
)

CLIENT_CHARGEBACKS = RecordSet(
    kind=CLIENT_CHARGEBACK,
    table="(select ledger_id, client, tx from client_transactions where status = 'charged_back')",
    columns=(Column("client", "text", cast="int"), Column("tx", "text", cast="bigint")),
    changing=(),
    read=lambda row: int(row[2]),
    is_stored=False,
)
"""Charging a client back locks its account, whose lock is theirs."""

ACCOUNT_CODES = RecordSet(
    kind=ACCOUNT_CODE,
    table="accounts",
    columns=(Column("code", "text"), Column("id", "uuid")),
    changing=(),
    read=lambda row: row[2],
    is_stored=False,
)
"""Written as a part of the account. Two that open one code at once meet in its unique index."""

REVERSALS = RecordSet(
    kind=REVERSAL,
    table="journal_entries",
    columns=(Column("reverses", "uuid"), Column("id", "uuid")),
    changing=(),
    read=lambda row: row[2],
    is_stored=False,
)
"""Written as a part of the reversing entry, and never changed: its accounts' locks are its lock."""

RECORD_SETS: Mapping[str, RecordSet] = {
    record_set.kind: record_set
    for record_set in (
        PAYMENTS,
        CLIENT_TRANSACTIONS,
        CLIENT_CHARGEBACKS,
        ACCOUNTS,
        ACCOUNT_CODES,
        AUDIT_RECORDS,
        REVERSALS,
    )
}
