"""What a batch writes: journal entries with their postings, events, refusals, answers, records, settings of accounts.

Everything is set-wise (`unnest` of arrays; COPY is refused under row-level security). Amounts travel as text, which
beats the Decimal codec. Balances follow from the postings: the guard derives them (`guards.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.batch.account_settings import AccountChanges, set_accounts
from zerosum.db.batch.holding import HELD, HOLD_ARGUMENTS, ONLY_KEYS_ARE_WAITED_FOR
from zerosum.db.batch.loading import Fetch, Key
from zerosum.db.batch.pairs import (
    ENTRY_COLUMNS,
    PairForm,
    are_pairs,
    entries_clause,
    pair_arguments,
    pair_clauses,
    pair_row,
    straight_row,
)
from zerosum.db.batch.record_sets import metadata_column
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.domain.events import ResourceType
from zerosum.domain.ledger.account import AccountState, Layer, Side
from zerosum.domain.ledger.account_commands import ACCOUNT
from zerosum.domain.ledger.entry import PostedEntry, PostedPosting
from zerosum.domain.ledger.outcome import Event, Posted, PostedPair
from zerosum.domain.ledger.records import ChangedRecords, RecordKey
from zerosum.domain.money import render_amount

POSTING_COLUMNS = {
    "ledger_id": "uuid",
    "account_id": "uuid",
    "account_version": "bigint",
    "entry_id": "uuid",
    "effective_at": "timestamptz",
    "place": "smallint",
    "is_debit": "bool",
    "is_pending": "bool",
    "releases": "bool",
    "hold_id": "uuid",
    "currency": "text",
    "amount": "text",
    "balance_after": "text",
    "held_after": "text",
    "hash": "bytea",
}
EVENT_COLUMNS = {
    "ledger_id": "uuid",
    "id": "uuid",
    "type": "text",
    "resource_type": "text",
    "resource_id": "uuid",
    "data": "jsonb",
    "traceparent": "text",
}


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A definite refusal, to be kept under its key."""

    ledger_id: UUID
    idempotency_key: str
    fingerprint: bytes
    problem: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What was answered to a command that has posted nothing: there is no entry to remember its key."""

    ledger_id: UUID
    idempotency_key: str
    fingerprint: bytes
    resource_type: ResourceType
    resource_id: UUID
    content: Mapping[str, Any]


@dataclass(slots=True)
class NewRows:
    """What a batch does to the database, besides the account states and records in its Book."""

    posted: list[Posted] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
    refusals: list[RefusalRow] = field(default_factory=list)
    actors: dict[UUID, set[str]] = field(default_factory=dict)
    """Who has made or changed the settings of an account, by account."""


def _rows(name: str, columns: Mapping[str, str], numbers: count[int]) -> str:
    arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in columns.values())
    return f"unnest({arrays}) as {name}({', '.join(columns)})"


@cache
def write_statement(kinds: tuple[str, ...], changed: tuple[str, ...], form: PairForm | None) -> str:
    """All entries and records of a batch, in one statement. `$1` is the moment of posting, `kinds` are those of
    new records and `changed` those of old ones. Plain pairs go in a `form` of their own.

    It gives the transaction's number, by which the rows it has changed are known again.
    """
    numbers = count(2)
    clauses = _general_clauses(numbers) if form is None else pair_clauses(form, numbers)
    clauses += [f"new_{kind} as ({RECORD_SETS[kind].insert_clause(numbers)})" for kind in kinds]
    clauses += [f"changed_{kind} as ({RECORD_SETS[kind].update_clause(numbers)})" for kind in changed]
    return f"with {', '.join(clauses)} select pg_current_xact_id()::xid"


@cache
def post_statement(kinds: tuple[str, ...], form: PairForm) -> str:
    """The same for plain pairs whose accounts are remembered: a transaction of its own, in one round trip.

    It tells what `zerosum_hold_accounts` says; unless the accounts are held nothing is written.
    """
    numbers = count(2)
    hold = ", ".join(f"${next(numbers)}::{kind}" for kind in HOLD_ARGUMENTS)
    is_held = f" where (select told from held) = '{HELD}'"  # noqa: S608 - made of constants only
    clauses = [
        f"called as materialized (select zerosum_hold_accounts({hold}) as told)",
        # What is still waited for once the accounts are held are keys.
        f"held as materialized (select told, {ONLY_KEYS_ARE_WAITED_FOR} from called)",  # noqa: S608
        *pair_clauses(form, numbers, is_held),
        *(f"new_{kind} as ({RECORD_SETS[kind].insert_clause(numbers, is_held)})" for kind in kinds),
    ]
    return f"with {', '.join(clauses)} select told, pg_current_xact_id_if_assigned()::xid from held"  # noqa: S608


def _general_clauses(numbers: count[int]) -> list[str]:
    return [
        entries_clause(_rows("entry", ENTRY_COLUMNS, numbers)),
        f"""new_postings as (
            insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place,
                                  side, layer, releases, hold_id, currency, amount, balance_after, held_after, hash)
            select ledger_id, account_id, account_version, entry_id, coalesce(effective_at, $1), $1, place,
                   case when is_debit then 'd' else 'c' end::"char",
                   case when is_pending then 'h' else 'p' end::"char",
                   releases, hold_id, currency, amount::numeric, balance_after::numeric, held_after::numeric, hash
            from {_rows("posting", POSTING_COLUMNS, numbers)}
        )""",  # noqa: S608 - made of constants only
        f"""new_events as (
            insert into events (ledger_id, id, created_at, type, resource_type, resource_id, data, traceparent)
            select ledger_id, id, $1, type, resource_type, resource_id, data, traceparent
            from {_rows("event", EVENT_COLUMNS, numbers)}
        )""",  # noqa: S608 - made of constants only
    ]


WRITE_REFUSALS = """
insert into refusals (ledger_id, idempotency_key, fingerprint, problem, created_at)
select ledger_id, idempotency_key, fingerprint, problem, $1
from unnest($2::uuid[], $3::text[], $4::bytea[], $5::jsonb[])
    as refusal(ledger_id, idempotency_key, fingerprint, problem)
"""

WRITE_ANSWERS = """
insert into answers (ledger_id, idempotency_key, fingerprint, resource_type, resource_id, content, created_at)
select ledger_id, idempotency_key, fingerprint, resource_type, resource_id, content, $1
from unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::uuid[], $7::jsonb[])
    as answer(ledger_id, idempotency_key, fingerprint, resource_type, resource_id, content)
"""

NAME_ACTORS = "select set_config('zerosum.actors', $1, true)"
"""For the trigger that keeps the histories of accounts (`guards.py`)."""


async def write_batch(
    fetch: Fetch, rows: NewRows, changes: AccountChanges, records: ChangedRecords, posted_at: datetime
) -> int | None:
    """Write it all.

    Gives the number of the transaction where entries were written. One order for everybody (by key, by id): two
    batches that share keys must not wait for each other crosswise on a unique index.
    """
    if rows.actors:
        await fetch(NAME_ACTORS, json.dumps({str(id_): ", ".join(sorted(names)) for id_, names in rows.actors.items()}))
    rows.posted.sort(key=_order)
    made, updated = _stored(rows, records)
    await set_accounts(fetch, changes, updated.get(ACCOUNT, {}))
    number: int | None = None
    if ACCOUNT in made and any(outcome.entries for outcome in rows.posted):
        # Their postings are written upon them.
        await _insert(fetch, ACCOUNT, made.pop(ACCOUNT))
    described = updated.pop(ACCOUNT, {})
    if rows.posted or made:
        form, arguments = _arguments(rows.posted, made)
        statement = write_statement(tuple(sorted(made)), tuple(sorted(updated)), form)
        columns = *arguments, *_record_columns(made), *_changed_columns(updated)
        number = (await fetch(statement, posted_at, *columns))[0][0]
    else:
        for kind in sorted(updated):
            await _update(fetch, kind, updated[kind])
    if described:
        await _update(fetch, ACCOUNT, described)
    if rows.answers:
        rows.answers.sort(key=lambda row: (row.ledger_id.bytes, row.idempotency_key))
        await fetch(WRITE_ANSWERS, posted_at, *_answer_columns(rows.answers))
    if rows.refusals:
        rows.refusals.sort(key=lambda row: (row.ledger_id.bytes, row.idempotency_key))
        await fetch(WRITE_REFUSALS, posted_at, *_refusal_columns(rows.refusals))
    return number


async def _insert(fetch: Fetch, kind: str, records: Mapping[RecordKey, Any]) -> None:
    await fetch(RECORD_SETS[kind].insert_clause(count(1)), *RECORD_SETS[kind].inserted(*_sorted(records)))


async def _update(fetch: Fetch, kind: str, records: Mapping[RecordKey, Any]) -> None:
    await fetch(RECORD_SETS[kind].update_clause(count(1)), *RECORD_SETS[kind].updated(*_sorted(records)))


def post_pairs(
    rows: NewRows,
    changes: AccountChanges,
    records: ChangedRecords,
    accounts: Sequence[AccountState],
    keys: Sequence[Key],
    posted_at: datetime,
    behind: UUID | None = None,
) -> tuple[str, list[Any]] | None:
    """The statement and its arguments; None where there is more to write than plain pairs and new records.

    `accounts` with the row versions at which they must be, or LEFT_BY_BEHIND and an entry; `keys` must be free.
    """
    rows.posted.sort(key=_order)
    made, updated = _stored(rows, records)
    if rows.refusals or rows.answers or rows.actors or changes.settings or changes.overdrawn or updated:
        return None
    if not rows.posted:
        return None
    form, columns = _arguments(rows.posted, made)
    if form is None:
        return None
    ledgers = ",".join({str(account.ledger_id) for account in accounts})
    arguments: list[Any] = [
        posted_at,
        f"{{{ledgers}}}",
        [account.ledger_id for account in accounts],
        [account.id for account in accounts],
        [account.row_version for account in accounts],
        [ledger for ledger, _ in keys],
        [key for _, key in keys],
        behind,
        *columns,
        *_record_columns(made),
    ]
    return post_statement(tuple(sorted(made)), form), arguments


def _order(outcome: Posted) -> tuple[bytes, str]:
    """As the unique index has them: a batch may hold several ledgers."""
    if isinstance(outcome, PostedPair):
        return outcome.command.ledger_id.bytes, outcome.command.idempotency_key
    key = outcome.entries[0].idempotency_key if outcome.entries else None
    return outcome.ledger_id.bytes, key or ""


ByKind = dict[str, dict[RecordKey, Any]]


def _stored(rows: NewRows, records: ChangedRecords) -> tuple[ByKind, ByKind]:
    """The records to insert and those to update, by kind."""
    made: ByKind = {}
    for outcome in rows.posted:
        if isinstance(outcome, PostedPair) and outcome.record is not None:
            key, record = outcome.record
            made.setdefault(key.kind, {})[key] = record
    updated: ByKind = {}
    for key, record in records.changed.items():
        if RECORD_SETS[key.kind].is_stored:
            (updated if key in records.found else made).setdefault(key.kind, {})[key] = record
    return made, updated


def _sorted(records: Mapping[RecordKey, Any]) -> tuple[list[RecordKey], list[Any]]:
    keys = sorted(records, key=lambda key: str(key.id))
    return keys, [records[key] for key in keys]


def _record_columns(made: ByKind) -> list[Sequence[Any]]:
    """Of new records, in the order in which the statement names their kinds."""
    return [column for kind in sorted(made) for column in RECORD_SETS[kind].inserted(*_sorted(made[kind]))]


def _changed_columns(updated: ByKind) -> list[Sequence[Any]]:
    """Of records that were found, likewise."""
    return [column for kind in sorted(updated) for column in RECORD_SETS[kind].updated(*_sorted(updated[kind]))]


def _arguments(outcomes: Sequence[Posted], made: ByKind) -> tuple[PairForm | None, list[Sequence[Any]]]:
    """Of what was posted. Records that go in the rows of the pairs that have made them are taken out of `made`."""
    if not outcomes or not are_pairs(outcomes):
        return None, _columns(outcomes)
    rows = [
        straight_row(outcome)
        if isinstance(outcome, PostedPair)
        else _entry_row(outcome, outcome.entries[0]) + pair_row(outcome)
        for outcome in outcomes
    ]
    kind = next(iter(made)) if len(made) == 1 else None
    if kind is None or not RECORD_SETS[kind].in_pair or len(made[kind]) != len(outcomes) or not _are_straight(outcomes):
        return pair_arguments(rows, None, ())
    return pair_arguments(rows, kind, [*made.pop(kind).values()])


def _are_straight(outcomes: Sequence[Posted]) -> bool:
    """Then their records are in the order of the outcomes (`_stored`)."""
    return all(isinstance(outcome, PostedPair) for outcome in outcomes)


def _columns(outcomes: Sequence[Posted]) -> list[Sequence[Any]]:
    """The arguments of the write statement after the first, column by column, but for those of records."""
    entries = [entry for outcome in outcomes for entry in outcome.entries]
    rows = [_entry_row(outcome, entry) for outcome in outcomes for entry in outcome.entries]
    return [
        *_transposed(rows, ENTRY_COLUMNS),
        *_transposed([_posting_row(entry, line) for entry in entries for line in entry.postings], POSTING_COLUMNS),
        *_transposed([_event_row(outcome, event) for outcome in outcomes for event in outcome.events], EVENT_COLUMNS),
    ]


def _transposed(rows: Sequence[tuple[Any, ...]], columns: Mapping[str, str]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * len(columns)


def _entry_row(outcome: Posted, entry: PostedEntry) -> tuple[Any, ...]:
    return (
        entry.ledger_id,
        entry.id,
        entry.entry.effective_at,
        entry.idempotency_key,
        entry.fingerprint,
        entry.resource_type,
        entry.resource_id,
        entry.entry.reason,
        entry.actor,
        entry.entry.reverses,
        metadata_column(entry.metadata),
        outcome.traceparent,
    )


def _posting_row(entry: PostedEntry, line: PostedPosting) -> tuple[Any, ...]:
    posting = line.posting
    return (
        entry.ledger_id,
        posting.account_id,
        line.account_version,
        entry.id,
        entry.entry.effective_at,
        line.place,
        posting.side is Side.DEBIT,
        posting.layer is Layer.PENDING,
        posting.releases,
        posting.hold,
        posting.money.currency.code,
        render_amount(posting.money.amount),
        render_amount(line.balance_after),
        render_amount(line.held_after),
        line.hash,
    )


def _event_row(outcome: Posted, event: Event) -> tuple[Any, ...]:
    data = None if event.data is None else orjson.dumps(dict(event.data)).decode()
    resource = event.resource_type, event.resource_id
    return outcome.ledger_id, event.id, event.type, *resource, data, outcome.traceparent


def _answer_columns(answers: Sequence[AnswerRow]) -> list[list[Any]]:
    return [
        [row.ledger_id for row in answers],
        [row.idempotency_key for row in answers],
        [row.fingerprint for row in answers],
        [row.resource_type.value for row in answers],
        [row.resource_id for row in answers],
        [json.dumps(dict(row.content)) for row in answers],
    ]


def _refusal_columns(refusals: Sequence[RefusalRow]) -> list[list[Any]]:
    return [
        [row.ledger_id for row in refusals],
        [row.idempotency_key for row in refusals],
        [row.fingerprint for row in refusals],
        [json.dumps(row.problem) for row in refusals],
    ]
