"""The record sets of holds: as they are now, and the steps of their lives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from zerosum.db.batch.record_sets import (
    ByPair,
    Column,
    RecordSet,
    metadata_column,
    optional_amount,
    optional_text,
    stored_money,
    uuids,
    uuids_text,
)
from zerosum.domain.commands import NO_METADATA
from zerosum.domain.identifiers import AccountId, HoldId, LedgerId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.holds import HOLD, HOLD_CHANGE, Hold, HoldStatus, HoldVerb
from zerosum.domain.payments.payment import PaymentTexts

METADATA_SIGNS_MAX = 1_000
"""Of a hold that is kept in memory. Callers may say thirty times as much, and of all holds of a lane that would be a
GB."""

STEPS_MAX = 20
"""Entries of a hold that is kept in memory."""

_NOTHING = "(amount::numeric - amount::numeric)"
"""In the places of the currency."""


def _hold(row: Sequence[Any]) -> Hold:
    return Hold(
        ledger_id=LedgerId(row[0]),
        id=HoldId(row[1]),
        status=HoldStatus(row[2]),
        money=stored_money(row[4], row[3]),
        captured=Decimal(row[5]),
        capture_max=optional_amount(row[6]),
        payer_id=AccountId(row[7]),
        payee_id=AccountId(row[8]),
        expires_at=row[9],
        created_at=row[10],
        metadata=json.loads(row[11]) if row[11] else NO_METADATA,
        entry_ids=uuids(row[12]),
        payment_ids=uuids(row[13]),
        changes=row[14],
        house_rules=row[15],
        texts=PaymentTexts(*row[16:]),
    )


def _is_small(hold: Hold) -> bool:
    signs = sum([len(name) + len(said) for name, said in hold.metadata.items()])
    return signs <= METADATA_SIGNS_MAX and len(hold.entry_ids) <= STEPS_MAX


HOLDS = RecordSet(
    kind=HOLD,
    table="holds",
    columns=(
        Column("id", "uuid", lambda hold: hold.id),
        Column("status", "text", lambda hold: hold.status),
        Column("currency", "text", lambda hold: hold.money.currency.code),
        Column("amount", "text", lambda hold: render_amount(hold.money.amount), "numeric"),
        Column("captured", "text", lambda hold: render_amount(hold.captured), "numeric"),
        Column("capture_max", "text", lambda hold: optional_text(hold.capture_max), "numeric"),
        Column("payer_id", "uuid", lambda hold: hold.payer_id),
        Column("payee_id", "uuid", lambda hold: hold.payee_id),
        Column("expires_at", "timestamptz", lambda hold: hold.expires_at),
        Column("created_at", "timestamptz", lambda hold: hold.created_at),
        Column("metadata", "text", lambda hold: metadata_column(hold.metadata), "jsonb"),
        # An array of arrays would be one flat array: each travels as text.
        Column("entry_ids", "text", lambda hold: uuids_text(hold.entry_ids), "uuid[]"),
        Column("payment_ids", "text", lambda hold: uuids_text(hold.payment_ids), "uuid[]"),
        Column("changes", "int", lambda hold: hold.changes),
        Column("house_rules", "int", lambda hold: hold.house_rules),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in PaymentTexts._fields),
    ),
    changing=("status", "amount", "captured", "capture_max", "expires_at", "entry_ids", "payment_ids", "changes"),
    read=_hold,
    is_looked_at=True,
    is_small=_is_small,
    in_pair={
        "id": "id",
        "status": f"'{HoldStatus.OPEN}'",
        "currency": "currency",
        "amount": "amount",
        "captured": _NOTHING,
        "payer_id": "debit_id",
        "payee_id": "credit_id",
        "created_at": "$1",
        "metadata": "metadata",
        "entry_ids": "array[id]",
        "payment_ids": "'{}'",
        "changes": "1",
    },
    by_pair=ByPair(
        sent=("status", "captured"),
        follow={
            "entry_ids": "found.entry_ids || pair.id",
            "payment_ids": "found.payment_ids || pair.id",
            "changes": "found.changes + 1",
        },
    ),
)

HOLD_CHANGES = RecordSet(
    kind=HOLD_CHANGE,
    table="hold_changes",
    columns=(
        Column("id", "uuid", lambda change: change.id),
        Column("hold_id", "uuid", lambda change: change.hold.id),
        Column("number", "int", lambda change: change.hold.changes),
        Column("verb", "text", lambda change: change.verb),
        Column("changed_at", "timestamptz", lambda change: change.changed_at),
        Column("status", "text", lambda change: change.hold.status),
        Column("currency", "text", lambda change: change.hold.money.currency.code),
        Column("amount", "text", lambda change: render_amount(change.hold.money.amount), "numeric"),
        Column("captured", "text", lambda change: render_amount(change.hold.captured), "numeric"),
        Column("capture_max", "text", lambda change: optional_text(change.hold.capture_max), "numeric"),
        Column("expires_at", "timestamptz", lambda change: change.hold.expires_at),
        Column("entries", "int", lambda change: len(change.hold.entry_ids)),
    ),
    changing=(),
    read=lambda row: row[1],
    in_pair={
        "id": "id",
        "hold_id": "hold_id",
        "number": "1",
        "verb": f"'{HoldVerb.PLACED}'",
        "changed_at": "$1",
        "status": f"'{HoldStatus.OPEN}'",
        "currency": "currency",
        "amount": "amount",
        "captured": _NOTHING,
        # The hold that it tells of goes in the same row.
        "capture_max": "own_capture_max",
        "expires_at": "own_expires_at",
        "entries": "1",
    },
    of_changed=(
        HOLD,
        {
            "id": "by_id",
            "hold_id": "id",
            "number": "changes",
            "verb": f"'{HoldVerb.CAPTURED}'",
            "changed_at": "$1",
            "status": "status",
            "currency": "currency",
            "amount": "amount",
            "captured": "captured",
            "capture_max": "capture_max",
            "expires_at": "expires_at",
            "entries": "cardinality(entry_ids)",
        },
    ),
)
"""Written and never changed: what was answered is told by them."""
