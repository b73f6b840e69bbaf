"""What a batch has posted and recorded, on the wire: the columns that it sends, and the clauses that write them.

Pairs have a form of their own (`pairs.py`). Everything is set-wise (`unnest` of arrays; COPY is refused under row-level
security). Amounts travel as text, which beats the Decimal codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from zerosum.db.batch.pair_statement import entries_clause, pair_clauses
from zerosum.db.batch.pairs import (
    ENTRY_COLUMNS,
    InRows,
    PairForm,
    are_pairs,
    further_row,
    pair_arguments,
    pair_row,
    straight_entry_row,
    straight_posting_rows,
    straight_row,
)
from zerosum.db.batch.record_sets import facts_column, metadata_column, where
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.entry import PostedEntry, PostedPosting
from zerosum.domain.ledger.outcome import Event, PlainPair, Posted, PostedPair
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


def written(
    kinds: tuple[str, ...], changed: tuple[str, ...], form: PairForm | None, numbers: count[int], only_if: str = ""
) -> list[str]:
    """The clauses that write all entries and records, if a condition holds. `$1` is the moment of posting, `kinds` are
    those of new records and `changed` those of old ones; plain pairs go in a `form` of their own."""
    return [
        *(_general_clauses(numbers, only_if) if form is None else pair_clauses(form, numbers, only_if)),
        *(f"new_{kind} as ({RECORD_SETS[kind].insert_clause(numbers, only_if)})" for kind in kinds),
        *(f"changed_{kind} as ({RECORD_SETS[kind].update_clause(numbers, only_if)})" for kind in changed),
    ]


def _rows(name: str, columns: Mapping[str, str], numbers: count[int]) -> str:
    arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in columns.values())
    return f"unnest({arrays}) as {name}({', '.join(columns)})"


def _general_clauses(numbers: count[int], only_if: str) -> list[str]:
    return [
        entries_clause(_rows("entry", ENTRY_COLUMNS, numbers) + where(only_if)),
        f"""new_postings as (
            insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place,
                                  side, layer, releases, hold_id, currency, amount, balance_after, held_after, hash)
            select ledger_id, account_id, account_version, entry_id, coalesce(effective_at, $1), $1, place,
                   case when is_debit then 'd' else 'c' end::"char",
                   case when is_pending then 'h' else 'p' end::"char",
                   releases, hold_id, currency, amount::numeric, balance_after::numeric, held_after::numeric, hash
            from {_rows("posting", POSTING_COLUMNS, numbers)}{where(only_if)}
        )""",  # noqa: S608 - made of constants only
        f"""new_events as (
            insert into events (ledger_id, id, created_at, type, resource_type, resource_id, data, traceparent)
            select ledger_id, id, $1, type, resource_type, resource_id, data, traceparent
            from {_rows("event", EVENT_COLUMNS, numbers)}{where(only_if)}
        )""",  # noqa: S608 - made of constants only
    ]


def place_of(outcome: Posted) -> tuple[bytes, str]:
    """As the unique index has them: a batch may hold several ledgers."""
    if isinstance(outcome, PostedPair):
        return outcome.command.ledger_id.bytes, outcome.command.idempotency_key
    key = outcome.entries[0].idempotency_key if outcome.entries else None
    return outcome.ledger_id.bytes, key or ""


ByKind = dict[str, dict[RecordKey, Any]]


def stored(posted: Sequence[Posted], records: ChangedRecords) -> tuple[ByKind, ByKind]:
    """The records to insert and those to update, by kind."""
    made: ByKind = {}
    for outcome in posted:
        if isinstance(outcome, PostedPair):
            for key, record in outcome.pair.records:
                made.setdefault(key.kind, {})[key] = record
    updated: ByKind = {}
    for key, record in records.changed.items():
        if RECORD_SETS[key.kind].is_stored:
            (updated if key in records.found else made).setdefault(key.kind, {})[key] = record
    return made, updated


def in_key_order(records: Mapping[RecordKey, Any]) -> tuple[list[RecordKey], list[Any]]:
    keys = sorted(records, key=lambda key: str(key.id))
    return keys, [records[key] for key in keys]


def record_columns(made: ByKind) -> list[Sequence[Any]]:
    """Of new records, in the order in which the statement names their kinds."""
    return [column for kind in sorted(made) for column in RECORD_SETS[kind].inserted(*in_key_order(made[kind]))]


def changed_columns(updated: ByKind) -> list[Sequence[Any]]:
    """Of records that were found, likewise."""
    return [column for kind in sorted(updated) for column in RECORD_SETS[kind].updated(*in_key_order(updated[kind]))]


def arguments(outcomes: Sequence[Posted], made: ByKind, updated: ByKind) -> tuple[PairForm | None, list[Sequence[Any]]]:
    """Of what was posted. Records that go in the rows of the pairs are taken out of `made` and `updated`."""
    if not outcomes or not are_pairs(outcomes):
        return None, _columns(outcomes)
    rows = [
        straight_row(outcome)
        if isinstance(outcome, PostedPair)
        else _entry_row(outcome, outcome.entries[0]) + pair_row(outcome)
        for outcome in outcomes
    ]
    pairs = [outcome.pair for outcome in outcomes if isinstance(outcome, PostedPair)]
    is_further = any(pair.freed is not None or pair.further is not None for pair in pairs)
    in_rows = _taken_in_rows(pairs, made, updated) if len(pairs) == len(outcomes) else InRows({}, {}, ())
    return pair_arguments(rows, [further_row(outcome) for outcome in outcomes] if is_further else [], in_rows)


def _taken_in_rows(pairs: Sequence[PlainPair], made: ByKind, updated: ByKind) -> InRows:
    """Those of kinds of which each has made a record by its own id, or changed one. Others go by themselves."""
    changes = {key.kind for pair in pairs for key, _ in pair.changes}
    own = [kind for kind in made if len(made[kind]) == len(pairs) and kind not in changes and RECORD_SETS[kind].in_pair]
    # In the order of the outcomes (`stored`).
    in_rows = {kind: [*made.pop(kind).values()] for kind in sorted(own)}
    changed = _changed_by_each(pairs, updated) if changes else ()
    for kind in changed[1:]:
        del made[kind]
    by_kind = {kind: updated.pop(kind) for kind in changed[:1]}
    in_order = {kind: [records[pair.changes[0][0]] for pair in pairs] for kind, records in by_kind.items()}
    return InRows(in_rows, in_order, changed[1:])


def _changed_by_each(pairs: Sequence[PlainPair], updated: ByKind) -> tuple[str, ...]:
    """Of which kind each has changed a record, and no two the same one; behind it the kinds that tell of that."""
    by_each = {tuple([key.kind for key, _ in pair.changes]) for pair in pairs}
    kinds = by_each.pop() if len(by_each) == 1 else ()
    is_so = bool(kinds) and RECORD_SETS[kinds[0]].by_pair is not None and len(updated.get(kinds[0], ())) == len(pairs)
    return kinds if is_so else ()


def _columns(outcomes: Sequence[Posted]) -> list[Sequence[Any]]:
    """The arguments of the write statement after the first, column by column, but for those of records."""
    entries: list[tuple[Any, ...]] = []
    postings: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    for outcome in outcomes:
        if isinstance(outcome, PostedPair):  # It need not be made out at length.
            entries.append(straight_entry_row(outcome))
            postings += straight_posting_rows(outcome)
            events += [_event_row(outcome, event) for event in outcome.events]
            continue
        for entry in outcome.entries:
            entries.append(_entry_row(outcome, entry))
            postings += [_posting_row(entry, line) for line in entry.postings]
        events += [_event_row(outcome, event) for event in outcome.events]
    return [
        *_transposed(entries, ENTRY_COLUMNS),
        *_transposed(postings, POSTING_COLUMNS),
        *_transposed(events, EVENT_COLUMNS),
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
    data = None if event.data is None else facts_column(event.data)
    resource = event.resource_type, event.resource_id
    return outcome.ledger_id, event.id, event.type, *resource, data, outcome.traceparent
