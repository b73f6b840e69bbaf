"""The record sets of account administration: accounts as they are opened and described, and the log of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.db.batch.velocity import velocity_limits, velocity_text
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType, read_limit, render_limit
from zerosum.domain.ledger.account_commands import ACCOUNT, AUDIT_RECORD
from zerosum.domain.money import render_amount


def metadata_text(account: Account) -> str | None:
    """As it is stored, which is not at all where there are none."""
    return json.dumps(dict(account.metadata)) if account.metadata else None


def _account(row: Sequence[Any]) -> Account:
    type_ = AccountType(row[5])
    return Account(
        code=row[2],
        name=row[3],
        type=type_,
        metadata=json.loads(row[16] or "null") or {},  # stored as either null
        created_at=row[15],
        state=AccountState(
            ledger_id=LedgerId(row[0]),
            id=AccountId(row[1]),
            currency=row[4],
            normal_side=type_.normal_side,
            status=AccountStatus(row[6]),
            overdrawn=row[7],
            version=row[8],
            posted_debits=Decimal(row[9]),
            posted_credits=Decimal(row[10]),
            held=Decimal(row[11]),
            min_available=read_limit(row[12]),
            max_available=read_limit(row[13]),
            head=row[14],
            velocity=() if row[17] is None else velocity_limits(row[17]),
        ),
    )


ACCOUNTS = RecordSet(
    kind=ACCOUNT,
    table="accounts",
    columns=(
        Column("id", "uuid", lambda account: account.state.id),
        Column("code", "text", lambda account: account.code),
        Column("name", "text", lambda account: account.name),
        Column("currency", "text", lambda account: account.state.currency),
        Column("type", "text", lambda account: account.type.value),
        Column("status", "text", lambda account: account.state.status.value),
        Column("overdrawn", "bool", lambda account: account.state.overdrawn),
        Column("version", "bigint", lambda account: account.state.version),
        Column("posted_debits", "text", lambda account: render_amount(account.state.posted_debits), "numeric"),
        Column("posted_credits", "text", lambda account: render_amount(account.state.posted_credits), "numeric"),
        Column("held", "text", lambda account: render_amount(account.state.held), "numeric"),
        Column("min_available", "text", lambda account: render_limit(account.state.min_available), "numeric"),
        Column("max_available", "text", lambda account: render_limit(account.state.max_available), "numeric"),
        Column("head", "bytea", lambda account: account.state.head),
        Column("created_at", "timestamptz", lambda account: account.created_at),
        Column("metadata", "text", metadata_text, "jsonb"),
        Column("velocity_limits", "text", lambda account: velocity_text(account.state), "jsonb"),
        Column("limited_groups", "text", lambda account: f"{{{','.join(account.state.groups)}}}", "text[]"),
    ),
    changing=("name", "metadata"),
    read=_account,
)
"""What is set on an account (status, limits) the batch finds by itself; here is what is said about it."""

AUDIT_RECORDS = RecordSet(
    kind=AUDIT_RECORD,
    table="audit_log",
    columns=(
        Column("id", "uuid", lambda record: record.id),
        Column("recorded_at", "timestamptz", lambda record: record.recorded_at),
        Column("type", "text", lambda record: record.type.value),
        Column("actor", "text", lambda record: record.actor),
        Column("address", "text", lambda record: record.address),
        Column("request_id", "text", lambda record: record.request_id),
        Column("resource", "text", lambda record: record.resource),
        Column("reason", "text", lambda record: record.reason),
        Column("occurrences", "int", lambda record: record.occurrences),
        Column("facts", "text", lambda record: json.dumps(dict(record.facts)) if record.facts else None, "jsonb"),
    ),
    changing=(),
    read=lambda row: row,
)
"""Only ever added to."""
