"""The record sets of statements: as they are issued, and the newest of an account."""

from __future__ import annotations

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.ledger.statements import LAST_STATEMENT, NEWER_STATEMENT, STATEMENT, LastStatement
from zerosum.domain.money import render_amount

STATEMENTS = RecordSet(
    kind=STATEMENT,
    table="statements",
    columns=(
        Column("id", "uuid", lambda issued: issued.id),
        Column("account_id", "uuid", lambda issued: issued.account_id),
        Column("number", "bigint", lambda issued: issued.number),
        Column("from_at", "timestamptz", lambda issued: issued.content.start),
        Column("to_at", "timestamptz", lambda issued: issued.content.end),
        Column("currency", "text", lambda issued: issued.content.currency),
        Column("opening", "text", lambda issued: render_amount(issued.content.opening), "numeric"),
        Column("closing", "text", lambda issued: render_amount(issued.content.closing), "numeric"),
        Column("lines", "int", lambda issued: issued.content.lines),
        Column("account_version", "bigint", lambda issued: issued.content.account_version),
        Column("head", "bytea", lambda issued: issued.content.head),
        Column("issued_at", "timestamptz", lambda issued: issued.issued_at),
        Column("hash", "bytea", lambda issued: issued.hash),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written and never changed."""

LAST_STATEMENTS = RecordSet(
    kind=LAST_STATEMENT,
    # With the limit of the statement around it: the last entry of an index.
    table="(select ledger_id, account_id, number, account_version, hash from statements "
    "order by ledger_id, account_id, number desc)",
    columns=(
        Column("account_id", "uuid"),
        Column("number", "bigint"),
        Column("account_version", "bigint"),
        Column("hash", "bytea"),
    ),
    changing=(),
    read=lambda row: LastStatement(number=row[2], account_version=row[3], hash=row[4]),
    is_stored=False,
)
"""Whoever issues one holds the account, whose lock is theirs."""

NEWER_STATEMENTS = RecordSet(
    kind=NEWER_STATEMENT,
    table="statements",
    columns=(Column("account_id", "uuid"),),
    changing=(),
    read=lambda row: row,
    is_stored=False,
)
"""Never looked for: what a batch keeps for its own commands."""
