"""The second part of a proof: every journal entry with what stands on it, a payment or a client transaction.

What a payment or a client transaction says, its entry says too; here it is derived from there. What only the order said
(reference, description) is proved by the fingerprint, which the hash chain binds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.engine import Connection
from zerosum.db.queries.exchange_proofs import exchanges_named
from zerosum.db.queries.proofs import (
    FIRST_ID,
    LAST_ID,
    client_transactions_after,
    client_transactions_named,
    codes_of,
    conditions_without_entry,
    entries_after,
    payments_without_entry,
    refunds_without_entry,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.of_fingerprints import (
    is_client_command_of,
    is_payment_of,
    is_refund_of,
    is_under_its_conditions,
)
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

ENTRIES_AT_ONCE = 2_000
TRANSACTIONS_AT_ONCE = 5_000

_NEW_TRANSACTIONS = ("deposit", "withdrawal")
_TX = re.compile("[0-9]{1,10}", re.ASCII)
_ABOUT_DEPOSITS = ("dispute", "resolve", "chargeback")


class EntriesProof:
    """`on_entry` is told of each entry: the proof of events counts them."""

    def __init__(self, report: Report, on_entry: Callable[[Any], None]) -> None:
        self._report = report
        self._on_entry = on_entry
        self._after = FIRST_ID
        self._until = LAST_ID
        """Those behind it are another's."""
        self._codes: Mapping[UUID, str] = {}
        self._transactions: Mapping[str, Any] = {}

    def position(self) -> dict[str, Any]:
        return {"after": str(self._after), "until": str(self._until)}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after, self._until = UUID(position["after"]), UUID(position.get("until", str(LAST_ID)))

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(ENTRIES_AT_ONCE, share)
        rows = await entries_after(connection, report.ledger_id, after=self._after, until=self._until, limit=limit)
        ids = {id_ for row in rows for id_ in (row.debited_id, row.credited_id, row.payee_id) if id_ is not None}
        self._codes = await codes_of(connection, report.ledger_id, ids)
        txs = {int(row.resource_id) for row in rows if _names_transaction(row)}
        self._transactions = await client_transactions_named(connection, report.ledger_id, txs)
        exchanged = {row.id for row in rows if row.resource_type == "exchange"}
        for id_ in exchanged - await exchanges_named(connection, report.ledger_id, exchanged):
            report.note(f"the exchange of the journal entry {_entry(id_)} is missing")
        for row in rows:
            what = f"the journal entry {_entry(row.id)} or what stands on it cannot be read"
            with report.noting(what, concerned=_accounts_of(row)):
                self._look_at(row)
        is_last = len(rows) < limit
        last = self._until if is_last else rows[-1].id
        orphans = await payments_without_entry(
            connection, report.ledger_id, after=self._after, last=last, limit=BREAKS_MAX
        )
        for row in orphans:
            name = render_id(Prefix.PAYMENT, row.id)
            report.note(f"the payment {name} has no journal entry", concerned=(row.payer_id, row.payee_id))
        forged = await refunds_without_entry(
            connection, report.ledger_id, after=self._after, last=last, limit=BREAKS_MAX
        )
        for row in forged:
            name = render_id(Prefix.REFUND, row.id)
            report.note(f"the refund {name} has no journal entry", concerned=(row.payer_id, row.payee_id))
        left = await conditions_without_entry(
            connection, report.ledger_id, after=self._after, last=last, limit=BREAKS_MAX
        )
        for row in left:
            report.note(f"the conditions of {_entry(row.id)} have no journal entry", concerned=())
        self._after = last
        return is_last

    def _look_at(self, row: Any) -> None:
        self._on_entry(row)
        report, concerned = self._report, _accounts_of(row)
        if row.lines is None:
            report.note(f"the journal entry {_entry(row.id)} has no postings", concerned=concerned)
        if row.is_unbalanced:
            report.note(f"the journal entry {_entry(row.id)} does not balance", concerned=concerned)
        if row.is_refused:
            report.note(f"the key of the journal entry {_entry(row.id)} is refused too", concerned=concerned)
        if row.conditions is not None and not is_under_its_conditions(row):
            what = f"the conditions of the journal entry {_entry(row.id)} are not what was ordered"
            report.note(what, concerned=concerned)
        if row.resource_type == "refund" and row.resource_id is None:
            _look_at_refund(report, row)
        if row.resource_type == "payment" and row.resource_id is None:
            _look_at_payment(report, row, self._codes.get(row.debited_id), self._codes.get(row.payee_id))
        elif row.payment_id is not None and (row.resource_type, row.reason) != ("hold", "capture"):
            what = f"the payment {render_id(Prefix.PAYMENT, row.id)} has the journal entry of something else"
            report.note(what, concerned=concerned)
        for what, is_there in (
            ("dispute of", row.has_dispute),
            ("hold of", row.has_hold),
            ("run that has posted", row.has_run),
            ("review of", row.has_review),
            ("sealed text of", row.has_members),
            ("template of", row.has_template),
            ("processor call of", row.has_call),
            ("processor call of the refund of", row.has_refund_call),
        ):
            if not is_there:
                report.note(f"the {what} the journal entry {_entry(row.id)} is missing", concerned=concerned)
        if row.resource_type == "client_transaction":
            account_id = row.credited_id if row.reason == "deposit" else row.debited_id
            made = self._transactions.get(row.resource_id)
            _look_at_client_transaction(report, row, made, account_id, self._codes.get(account_id))


def _accounts_of(row: Any) -> list[UUID | None]:
    """Those of an entry's postings, and those of the payment that stands on it."""
    return [*(row.account_ids or ()), row.payer_id, row.payee_id]


def _names_transaction(row: Any) -> bool:
    return row.resource_type == "client_transaction" and _TX.fullmatch(row.resource_id or "") is not None


def _look_at_payment(report: Report, row: Any, payer_code: str | None, payee_code: str | None) -> None:
    name = render_id(Prefix.PAYMENT, row.id)
    concerned = _accounts_of(row)
    if row.payment_id is None:
        report.note(f"the payment {name} is missing, its journal entry is there", concerned=concerned)
        return
    for what, is_so in {
        "type": row.reason == (row.payment_type if row.call_processor is None else "payment proposed"),
        "status": row.payment_status == expected_status(row),
        "refunded amount": number(row.payment_refunded) == number(row.given_back),
        "amount that its processor is to give back": number(row.payment_refunding) == number(row.asked_back),
        "disputed amount": number(row.payment_disputed) == number(row.questioned),
        "charged back amount": number(row.payment_charged_back) == number(row.taken),
        "amount": Decimal(row.payment_amount) == Decimal(row.amount) and row.lines == 1 + receivers_of(row),
        "currency": row.payment_currency == row.currency,
        "payer": row.payer_id == row.debited_id,
        # Who gets which part of one that goes to several is proved with its splits.
        "payee": row.splits is not None or row.payee_id == row.credited_id,
        "processor": row.processor == (row.call_processor or "internal"),
        "approved amount": row.payment_approved is None or row.call_processor is not None,
    }.items():
        if not is_so:
            report.note(f"the {what} of the payment {name} is not what its journal entry says", concerned=concerned)
            return
    if not is_payment_of(row, payer_code, payee_code):
        what = f"the payment {name} is not what was ordered: its journal entry has another fingerprint"
        report.note(what, concerned=concerned)


def receivers_of(row: Any) -> int:
    """How many got something of a payment."""
    return 1 if row.splits is None else sum(1 for part in orjson.loads(row.splits) if Decimal(part[-1]))


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def expected_status(row: Any) -> str:
    """Of a payment, by what its processor has said, what was given back, is questioned, and was taken."""
    state = getattr(row, "call_state", None)
    if state not in (None, "approved"):
        return "failed" if state == "declined" else "processing"
    if row.questioned is not None:
        return "disputed"
    if row.taken is not None:
        return "charged_back"
    if row.given_back is None:
        return "succeeded"
    paid = row.payment_approved or row.payment_amount
    return "refunded" if Decimal(row.given_back) == Decimal(paid) else "partially_refunded"


def _look_at_refund(report: Report, row: Any) -> None:
    name, concerned = render_id(Prefix.REFUND, row.id), _accounts_of(row)
    if row.refunded_payment_id is None or row.refunded_payer_id is None:
        missing = "refund" if row.refunded_payment_id is None else "payment of the refund"
        report.note(f"the {missing} {name} is missing, its journal entry is there", concerned=concerned)
        return
    for what, is_so in {
        "reason": row.reason == ("refund" if row.call_processor is None else "refund proposed"),
        "amount": Decimal(row.refund_amount) == Decimal(row.amount) and (row.is_refund_in_parts or row.lines == 2),
        "currency": row.refund_currency == row.currency,
        "payment": row.refunded_payer_id == row.given_id
        if row.is_refund_in_parts
        else (row.refunded_payee_id, row.refunded_payer_id) == (row.debited_id, row.credited_id),
    }.items():
        if not is_so:
            report.note(f"the {what} of the refund {name} is not what its journal entry says", concerned=concerned)
            return
    if not is_refund_of(row):
        what = f"the refund {name} is not what was ordered: its journal entry has another fingerprint"
        report.note(what, concerned=concerned)


def _look_at_client_transaction(report: Report, row: Any, made: Any, account_id: UUID, code: str | None) -> None:
    name = f"the client transaction {row.resource_id}"
    is_new = row.reason in _NEW_TRANSACTIONS
    if made is None:
        report.note(f"{name} is missing, its journal entry {_entry(row.id)} is there", account_id)
        return
    for what, is_so in {
        "type": made.type == (row.reason if is_new else "deposit") and (is_new or row.reason in _ABOUT_DEPOSITS),
        "entry": not is_new or made.entry_id == row.id,
        "client": code == f"clients:{made.client}",
        "amount": Decimal(made.amount) == Decimal(row.amount),
        "currency": made.currency == row.currency,
    }.items():
        if not is_so:
            found = f"the {what} of {name} is not what its journal entry says"
            report.note(found, account_id, concerned=(made.account_id,))
            return
    if not is_client_command_of(row, made):
        report.note(f"{name} is not what was ordered: its journal entry has another fingerprint", account_id)


class ClientTransactionsProof:
    """Those that no entry speaks of."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._after = -1

    def position(self) -> dict[str, Any]:
        return {"after": self._after}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = int(position["after"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(TRANSACTIONS_AT_ONCE, share)
        rows = await client_transactions_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            if (row.resource_type, row.resource_id) != ("client_transaction", str(row.tx)):
                what = f"the client transaction {row.tx} has no journal entry"
                report.note(what, concerned=(row.account_id,))
        if rows:
            self._after = rows[-1].tx
        return len(rows) < limit


def _entry(entry_id: UUID) -> str:
    return render_id(Prefix.JOURNAL_ENTRY, entry_id)
