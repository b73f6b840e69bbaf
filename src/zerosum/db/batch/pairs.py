"""Plain pairs on the wire: one row an entry, and PostgreSQL makes both postings of it.

Nearly every entry moves one amount from one account to another, or promises it, and is announced by one event of its
own id. A batch of such entries sends half of what the general form sends (`writing.py`), and must write the very same
rows: a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple

from zerosum.db.batch.record_sets import RecordSet, facts_column, metadata_column, where
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.money import render_amount

# What the columns are called and which type they have, in the order in which they are sent.
ENTRY_COLUMNS = {
    "ledger_id": "uuid",
    "id": "uuid",
    "effective_at": "timestamptz",
    "idempotency_key": "text",
    "fingerprint": "bytea",
    "resource_type": "text",
    "resource_id": "text",
    "reason": "text",
    "actor": "text",
    "reverses": "uuid",
    "metadata": "jsonb",
    "traceparent": "text",
}
PAIR_COLUMNS = {
    "debit_id": "uuid",
    "debit_version": "bigint",
    "debit_balance": "text",
    "debit_held": "text",
    "debit_hash": "bytea",
    "credit_id": "uuid",
    "credit_version": "bigint",
    "credit_balance": "text",
    "credit_held": "text",
    "credit_hash": "bytea",
    "currency": "text",
    "amount": "text",
    "hold_id": "uuid",
    "event_type": "text",
    "event_resource": "text",
    "event_data": "jsonb",
}
"""Beside those of the entry."""


def are_pairs(outcomes: Sequence[Posted]) -> bool:
    """Whether each has one plain pair, and one event that bears its id and says no more."""
    for outcome in outcomes:
        if type(outcome) is PostedPair:
            continue
        if len(outcome.entries) != 1 or len(outcome.events) != 1 or not outcome.entries[0].entry.is_plain_pair:
            return False
        event = outcome.events[0]
        if event.id != outcome.entries[0].id or event.resource_id is not None or event.data is not None:
            return False
    return True


def entries_clause(source: str) -> str:
    """`$1` is the moment of posting."""
    return f"""new_entries as (
        insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint,
                                     resource_type, resource_id, reason, actor, reverses, metadata, traceparent)
        select ledger_id, id, coalesce(effective_at, $1), $1, idempotency_key, fingerprint,
               resource_type, resource_id, reason, actor, reverses, metadata, traceparent
        from {source}
    )"""  # noqa: S608 - made of constants only


class PairForm(NamedTuple):
    """What travels of a batch: not the columns in which nothing stands, and the records that the pairs have made."""

    absent: frozenset[str]
    kinds: tuple[str, ...]
    """Of the records: each pair has made one of each."""


@cache
def _columns_of(kinds: tuple[str, ...]) -> Mapping[str, str]:
    """All that can travel with records of these kinds."""
    beside = {f"own_{column.name}": column.type for kind in kinds for column in RECORD_SETS[kind].beside_pair}
    return ENTRY_COLUMNS | PAIR_COLUMNS | beside


def pair_clauses(form: PairForm, numbers: count[int], only_if: str = "") -> list[str]:
    """`$1` is the moment of posting."""
    columns = _columns_of(form.kinds)
    sent = {name: kind for name, kind in columns.items() if name not in form.absent}
    arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in sent.values())
    absent = [
        f", {'resource_type' if name == 'event_resource' else f'null::{kind}'} as {name}"
        for name, kind in columns.items()
        if name in form.absent
    ]
    layer, hold = ("'p'", "null") if "hold_id" in form.absent else (_LAYER, "hold_id")
    return [
        f"pair as materialized (select pair.*{''.join(absent)} "  # noqa: S608 - made of constants only
        f"from unnest({arrays}) as pair({', '.join(sent)}){where(only_if)})",
        entries_clause("pair"),
        f"""new_postings as (
            insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place,
                                  side, layer, releases, hold_id, currency, amount, balance_after, held_after, hash)
            select ledger_id, line.account_id, line.version, id, coalesce(effective_at, $1), $1, line.place,
                   line.side::"char", {layer}::"char", false, {hold}::uuid, currency, amount::numeric,
                   line.balance::numeric, line.held::numeric, line.hash
            from pair cross join lateral (values
                (0::smallint, 'd', debit_id, debit_version, debit_balance, debit_held, debit_hash),
                (1::smallint, 'c', credit_id, credit_version, credit_balance, credit_held, credit_hash)
            ) as line(place, side, account_id, version, balance, held, hash)
        )""",  # noqa: S608 - made of constants only
        """new_events as (
            insert into events (ledger_id, id, created_at, type, resource_type, data, traceparent)
            select ledger_id, id, $1, event_type, event_resource, event_data, traceparent from pair
        )""",
        *(_records_clause(RECORD_SETS[kind]) for kind in form.kinds),
    ]


_LAYER = "case when hold_id is null then 'p' else 'h' end"


def _records_clause(records: RecordSet) -> str:
    given = [
        f"{records.in_pair.get(column.name, f'own_{column.name}')}{f'::{column.cast}' if column.cast else ''}"
        for column in records.columns
    ]
    return f"""new_{records.kind} as (
        insert into {records.table} (ledger_id, {", ".join(column.name for column in records.columns)})
        select ledger_id, {", ".join(given)} from pair
    )"""  # noqa: S608 - made of constants only


def pair_arguments(
    rows: Sequence[tuple[Any, ...]], made: Mapping[str, Sequence[Any]]
) -> tuple[PairForm, list[Sequence[Any]]]:
    """The rows column by column, and in which form. `made` are records by kind, of each one a row."""
    columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
    for kind, records in made.items():
        columns += [[column.value(record) for record in records] for column in RECORD_SETS[kind].beside_pair]
    kinds = tuple(made)
    named = dict(zip(_columns_of(kinds), columns, strict=True))
    absent = [name for name, values in named.items() if values[0] is None and values.count(None) == len(values)]
    if named["event_resource"] == named["resource_type"]:
        absent.append("event_resource")
    form = PairForm(frozenset(absent), kinds)
    return form, [values for name, values in named.items() if name not in form.absent]


def straight_entry_row(outcome: PostedPair) -> tuple[Any, ...]:
    command, pair = outcome.command, outcome.pair
    return (
        command.ledger_id,
        command.id,
        pair.effective_at,
        command.idempotency_key,
        command.fingerprint,
        pair.resource_type,
        None,
        pair.reason,
        command.actor,
        None,
        metadata_column(command.metadata),
        outcome.traceparent,
    )


def straight_row(outcome: PostedPair) -> tuple[Any, ...]:
    """Of what was carried out straight: the row of the entry, and what stands beside it."""
    pair = outcome.pair
    return (
        *straight_entry_row(outcome),
        *outcome.debit,
        *outcome.credit,
        pair.money.currency.code,
        outcome.amount,
        pair.hold,
        pair.event_type,
        pair.resource_type,
        None if pair.facts is None else facts_column(pair.facts),
    )


def straight_posting_rows(outcome: PostedPair) -> Iterator[tuple[Any, ...]]:
    """The same in the general form, beside others that are no pairs."""
    command, pair = outcome.command, outcome.pair
    for place, line in enumerate(outcome.lines):
        yield (
            command.ledger_id,
            line.account_id,
            line.account_version,
            command.id,
            pair.effective_at,
            place,
            place == 0,
            pair.hold is not None,
            False,
            pair.hold,
            pair.money.currency.code,
            outcome.amount,
            line.balance,
            line.held,
            line.hash,
        )


def pair_row(outcome: Posted) -> tuple[Any, ...]:
    """What stands beside the row of the entry."""
    debit, credit = outcome.entries[0].postings
    event = outcome.events[0]
    money = debit.posting.money
    return (
        debit.posting.account_id,
        debit.account_version,
        render_amount(debit.balance_after),
        render_amount(debit.held_after),
        debit.hash,
        credit.posting.account_id,
        credit.account_version,
        render_amount(credit.balance_after),
        render_amount(credit.held_after),
        credit.hash,
        money.currency.code,
        render_amount(money.amount),
        None,  # What places a hold is carried out straight, or goes in the general form.
        event.type,
        event.resource_type,
        None,
    )
