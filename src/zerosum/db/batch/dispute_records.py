"""The record sets of disputes: by their id, by the provider's name for the case, and their steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet, stored_money, uuids, uuids_text
from zerosum.domain.identifiers import AccountId, DisputeId, LedgerId, PaymentId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.disputes import (
    DISPUTE,
    DISPUTE_CASE,
    DISPUTE_CHANGE,
    Dispute,
    DisputeStage,
    DisputeStatus,
    DisputeTexts,
    Evidence,
)


def _evidence_text(evidence: Sequence[Evidence]) -> str:
    return json.dumps([list(piece) for piece in evidence])


def _fee(dispute: Dispute) -> str | None:
    return None if dispute.fee is None else render_amount(dispute.fee.amount)


def _dispute(row: Sequence[Any]) -> Dispute:
    return Dispute(
        ledger_id=LedgerId(row[0]),
        id=DisputeId(row[1]),
        payment_id=PaymentId(row[2]),
        status=DisputeStatus(row[3]),
        money=stored_money(row[5], row[4]),
        payer_id=AccountId(row[6]),
        payee_id=AccountId(row[7]),
        note=row[8],
        evidence=tuple(Evidence(*piece) for piece in json.loads(row[9])),
        entry_ids=uuids(row[10]),
        created_at=row[11],
        last_change_id=row[12],
        changes=row[13],
        stage=DisputeStage(row[14]),
        fee=None if row[15] is None else stored_money(row[15], row[4]),
        fee_account_id=None if row[16] is None else AccountId(row[16]),
        fee_house_rules=row[17],
        texts=DisputeTexts(*row[18:22]),
    )


DISPUTES = RecordSet(
    kind=DISPUTE,
    table="disputes",
    columns=(
        Column("id", "uuid", lambda dispute: dispute.id),
        Column("payment_id", "uuid", lambda dispute: dispute.payment_id),
        Column("status", "text", lambda dispute: dispute.status),
        Column("currency", "text", lambda dispute: dispute.money.currency.code),
        Column("amount", "text", lambda dispute: render_amount(dispute.money.amount), "numeric"),
        Column("payer_id", "uuid", lambda dispute: dispute.payer_id),
        Column("payee_id", "uuid", lambda dispute: dispute.payee_id),
        Column("note", "text", lambda dispute: dispute.note),
        Column("evidence", "text", lambda dispute: _evidence_text(dispute.evidence), "jsonb"),
        Column("entry_ids", "text", lambda dispute: uuids_text(dispute.entry_ids), "uuid[]"),
        Column("created_at", "timestamptz", lambda dispute: dispute.created_at),
        Column("last_change_id", "uuid", lambda dispute: dispute.last_change_id),
        Column("changes", "int", lambda dispute: dispute.changes),
        Column("stage", "text", lambda dispute: dispute.stage),
        Column("fee", "text", _fee, "numeric"),
        Column("fee_account_id", "uuid", lambda dispute: dispute.fee_account_id),
        Column("fee_house_rules", "int", lambda dispute: dispute.fee_house_rules),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in DisputeTexts._fields),
    ),
    changing=(
        "status",
        "note",
        "evidence",
        "entry_ids",
        "last_change_id",
        "changes",
        "stage",
        "fee",
        "fee_account_id",
        "fee_house_rules",
        "respond_by",
    ),
    read=_dispute,
)

_CASE = Column("case_id", "text")

DISPUTE_CASES = replace(
    DISPUTES,
    kind=DISPUTE_CASE,
    table="(select *, provider_case_id as case_id from disputes)",
    columns=(_CASE, *DISPUTES.columns),
    changing=(),
    read=lambda row: _dispute((row[0], *row[2:])),
    is_stored=False,
)
"""Written as a part of the dispute. Who opens one holds the accounts of its payment."""

DISPUTE_CHANGES = RecordSet(
    kind=DISPUTE_CHANGE,
    table="dispute_changes",
    columns=(
        Column("id", "uuid", lambda change: change.id),
        Column("dispute_id", "uuid", lambda change: change.dispute.id),
        Column("number", "int", lambda change: change.dispute.changes),
        Column("verb", "text", lambda change: change.verb),
        Column("changed_at", "timestamptz", lambda change: change.changed_at),
        Column("status", "text", lambda change: change.dispute.status),
        Column("note", "text", lambda change: change.dispute.note),
        Column("evidence", "text", lambda change: _evidence_text(change.dispute.evidence), "jsonb"),
        Column("entries", "int", lambda change: len(change.dispute.entry_ids)),
        Column("stage", "text", lambda change: change.dispute.stage),
        Column("respond_by", "text", lambda change: change.dispute.texts.respond_by),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written and never changed: what was answered is told by them."""
