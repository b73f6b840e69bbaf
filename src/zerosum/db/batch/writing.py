"""What a batch writes: journal entries with their postings, events, refusals, answers, records, settings of accounts.

How entries and records travel says `wire.py`. Balances follow from the postings: the guard derives them (`guards.py`).
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

from zerosum.db.batch.account_settings import AccountChanges, set_accounts
from zerosum.db.batch.loading import Fetch
from zerosum.db.batch.pairs import PairForm
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.db.batch.wire import arguments, changed_columns, in_key_order, place_of, record_columns, stored, written
from zerosum.domain.events import ResourceType
from zerosum.domain.ledger.account_commands import ACCOUNT
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import ChangedRecords, RecordKey


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


@cache
def write_statement(kinds: tuple[str, ...], changed: tuple[str, ...], form: PairForm | None) -> str:
    """All entries and records of a batch, in one statement (`wire.written`).

    It gives the transaction's number, by which the rows it has changed are known again.
    """
    return f"with {', '.join(written(kinds, changed, form, count(2)))} select pg_current_xact_id()::xid"


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
    rows.posted.sort(key=place_of)
    made, updated = stored(rows.posted, records)
    await set_accounts(fetch, changes, updated.get(ACCOUNT, {}))
    number: int | None = None
    if ACCOUNT in made and any(outcome.entries for outcome in rows.posted):
        # Their postings are written upon them.
        await _insert(fetch, ACCOUNT, made.pop(ACCOUNT))
    described = updated.pop(ACCOUNT, {})
    if rows.posted or made:
        form, columns = arguments(rows.posted, made, updated)
        statement = write_statement(tuple(sorted(made)), tuple(sorted(updated)), form)
        number = (await fetch(statement, posted_at, *columns, *record_columns(made), *changed_columns(updated)))[0][0]
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
    await fetch(RECORD_SETS[kind].insert_clause(count(1)), *RECORD_SETS[kind].inserted(*in_key_order(records)))


async def _update(fetch: Fetch, kind: str, records: Mapping[RecordKey, Any]) -> None:
    await fetch(RECORD_SETS[kind].update_clause(count(1)), *RECORD_SETS[kind].updated(*in_key_order(records)))


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
