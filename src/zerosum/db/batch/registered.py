"""The record sets that there are. A new noun adds its own here, and nothing else of the write path changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from zerosum.db.batch.account_group_records import ACCOUNT_GROUPS, NEWEST_ACCOUNT_GROUPS
from zerosum.db.batch.account_records import ACCOUNTS, AUDIT_RECORDS
from zerosum.db.batch.account_use import ACCOUNT_USES
from zerosum.db.batch.dispute_records import DISPUTE_CASES, DISPUTE_CHANGES, DISPUTES
from zerosum.db.batch.hold_records import HOLD_CHANGES, HOLDS
from zerosum.db.batch.house_rules_records import ALL_HOUSE_RULES, NEWEST
from zerosum.db.batch.period_records import CLOSINGS, LATE_ENTRIES
from zerosum.db.batch.processor_records import CALL_MOVES, PROCESSOR_CALLS
from zerosum.db.batch.record_sets import ByPair, Column, RecordSet, optional_amount, optional_text, stored_money
from zerosum.db.batch.review_records import PAYMENT_TWINS, REVIEWS
from zerosum.db.batch.schedule_records import SCHEDULED_PAYMENTS, SCHEDULED_RUNS
from zerosum.db.batch.split_records import SPLITS
from zerosum.db.batch.statement_records import LAST_STATEMENTS, NEWER_STATEMENTS, STATEMENTS
from zerosum.db.batch.subject_records import MEMBERS, SUBJECTS
from zerosum.db.batch.template_records import NEWEST_TEMPLATES, TEMPLATE_USES, TEMPLATES
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger import conditions
from zerosum.domain.ledger.account_commands import ACCOUNT_CODE
from zerosum.domain.ledger.entry import ENTRY_METADATA
from zerosum.domain.ledger.reverse import REVERSAL
from zerosum.domain.money import render_amount
from zerosum.domain.payments.clients import (
    CLIENT_CHARGEBACK,
    CLIENT_TRANSACTION,
    ClientTransaction,
    ClientTransactionStatus,
    ClientTransactionType,
)
from zerosum.domain.payments.exchanges import EXCHANGE
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentStatus, PaymentTexts, PaymentType
from zerosum.domain.payments.refunds import REFUND, Refund


def _payment(row: Sequence[Any]) -> Payment:
    return Payment(
        ledger_id=LedgerId(row[0]),
        id=PaymentId(row[1]),
        type=PaymentType(row[2]),
        status=PaymentStatus(row[3]),
        money=stored_money(row[5], row[4]),
        payer_id=AccountId(row[6]),
        payee_id=AccountId(row[7]),
        processor=row[8],
        refunded=optional_amount(row[9]),
        disputed=optional_amount(row[10]),
        charged_back=optional_amount(row[11]),
        approved=optional_amount(row[12]),
        refunding=optional_amount(row[13]),
        texts=PaymentTexts(*row[14:]),
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
        Column("refunded", "text", lambda payment: optional_text(payment.refunded), "numeric"),
        Column("disputed", "text", lambda payment: optional_text(payment.disputed), "numeric"),
        Column("charged_back", "text", lambda payment: optional_text(payment.charged_back), "numeric"),
        Column("approved", "text", lambda payment: optional_text(payment.approved), "numeric"),
        Column("refunding", "text", lambda payment: optional_text(payment.refunding), "numeric"),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in PaymentTexts._fields),
    ),
    changing=("status", "refunded", "disputed", "charged_back", "approved", "refunding"),
    read=_payment,
    is_looked_at=True,
    in_pair={
        "id": "id",
        "currency": "currency",
        "amount": "amount",
        "payer_id": "debit_id",
        "payee_id": "credit_id",
    },
    by_pair=ByPair(sent=("status", "refunded")),
)


ENTRY_CONDITIONS = RecordSet(
    kind=conditions.ENTRY_CONDITIONS,
    table="entry_conditions",
    columns=(
        Column("id", "uuid", lambda kept: kept.id),
        Column("ordered", "bytea", lambda kept: kept.conditions.ordered),
        Column("content", "text", lambda kept: json.dumps(kept.conditions.content), "jsonb"),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written and never changed."""

REFUNDS = RecordSet(
    kind=REFUND,
    table="refunds",
    columns=(
        Column("id", "uuid", lambda refund: refund.id),
        Column("payment_id", "uuid", lambda refund: refund.payment_id),
        Column("currency", "text", lambda refund: refund.money.currency.code),
        Column("amount", "text", lambda refund: render_amount(refund.money.amount), "numeric"),
        Column("reason", "text", lambda refund: refund.reason),
    ),
    changing=(),
    read=lambda row: Refund(
        ledger_id=LedgerId(row[0]),
        id=row[1],
        payment_id=PaymentId(row[2]),
        money=stored_money(row[4], row[3]),
        reason=row[5],
    ),
    in_pair={"id": "id", "payment_id": "event_resource_id", "currency": "currency", "amount": "amount"},
)
"""Written and never changed."""


EXCHANGES = RecordSet(
    kind=EXCHANGE,
    table="exchanges",
    columns=(
        Column("id", "uuid", lambda made: made.id),
        Column("payer_id", "uuid", lambda made: made.payer_id),
        Column("payee_id", "uuid", lambda made: made.payee_id),
        Column("currency", "text", lambda made: made.sold.currency.code),
        Column("amount", "text", lambda made: render_amount(made.sold.amount), "numeric"),
        Column("bought_currency", "text", lambda made: made.bought.currency.code),
        Column("bought", "text", lambda made: render_amount(made.bought.amount), "numeric"),
        Column("margin", "text", lambda made: render_amount(made.conversion.margin), "numeric"),
        Column("margin_percent", "text", lambda made: optional_text(made.terms.margin_percent), "numeric"),
        Column("rate", "text", lambda made: render_amount(made.terms.rate), "numeric"),
        Column("rate_source", "text", lambda made: made.terms.source),
        Column("rate_at", "timestamptz", lambda made: made.terms.rate_at),
        Column("rounding", "text", lambda made: made.terms.rounding),
        Column("exact", "text", lambda made: render_amount(made.conversion.exact), "numeric"),
        Column("difference", "text", lambda made: render_amount(made.conversion.difference), "numeric"),
        Column("gain", "text", lambda made: optional_text(made.conversion.gain), "numeric"),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in PaymentTexts._fields),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written and never changed."""


def _client_transaction(row: Sequence[Any]) -> ClientTransaction:
    return ClientTransaction(
        ledger_id=LedgerId(row[0]),
        tx=int(row[1]),
        client=row[2],
        type=ClientTransactionType(row[3]),
        status=ClientTransactionStatus(row[4]),
        money=stored_money(row[6], row[5]),
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

ENTRY_METADATAS = RecordSet(
    kind=ENTRY_METADATA,
    table="journal_entries",
    columns=(Column("id", "uuid"), Column("metadata", "text", cast="jsonb")),
    changing=(),
    read=lambda row: {} if row[2] is None else json.loads(row[2]),
    is_stored=False,
)
"""Written as a part of the entry, and never changed."""

RECORD_SETS: Mapping[str, RecordSet] = {
    record_set.kind: record_set
    for record_set in (
        PAYMENTS,
        PROCESSOR_CALLS,
        CALL_MOVES,
        SPLITS,
        ENTRY_CONDITIONS,
        REFUNDS,
        EXCHANGES,
        DISPUTES,
        DISPUTE_CASES,
        DISPUTE_CHANGES,
        HOLDS,
        HOLD_CHANGES,
        SCHEDULED_PAYMENTS,
        SCHEDULED_RUNS,
        REVIEWS,
        PAYMENT_TWINS,
        CLIENT_TRANSACTIONS,
        CLIENT_CHARGEBACKS,
        ACCOUNTS,
        ACCOUNT_CODES,
        ACCOUNT_USES,
        AUDIT_RECORDS,
        REVERSALS,
        ENTRY_METADATAS,
        CLOSINGS,
        LATE_ENTRIES,
        STATEMENTS,
        LAST_STATEMENTS,
        NEWER_STATEMENTS,
        ACCOUNT_GROUPS,
        NEWEST_ACCOUNT_GROUPS,
        TEMPLATES,
        NEWEST_TEMPLATES,
        ALL_HOUSE_RULES,
        NEWEST,
        TEMPLATE_USES,
        SUBJECTS,
        MEMBERS,
    )
}
