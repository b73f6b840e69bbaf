"""What PostgreSQL makes of a batch of plain pairs, which come as one row each (`pairs.py`)."""

from __future__ import annotations

from itertools import count

from zerosum.db.batch.pairs import FURTHER_COLUMNS, PairForm, columns_of
from zerosum.db.batch.record_sets import RecordSet, where
from zerosum.db.batch.registered import RECORD_SETS


def pair_clauses(form: PairForm, numbers: count[int], only_if: str = "") -> list[str]:
    """`$1` is the moment of posting."""
    columns = columns_of(form.made, form.changed)
    sent = {name: kind for name, kind in columns.items() if name not in form.absent}
    arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in sent.values())
    absent = [
        f", {'resource_type' if name == 'event_resource' else f'null::{kind}'} as {name}"
        for name, kind in columns.items()
        if name in form.absent and name not in FURTHER_COLUMNS  # Nobody asks for one of these where none is sent.
    ]
    return [
        f"pair as materialized (select pair.*{''.join(absent)} "  # noqa: S608 - made of constants only
        f"from unnest({arrays}) as pair({', '.join(sent)}){where(only_if)})",
        entries_clause("pair"),
        _postings_clause(has_holds="hold_id" in sent, has_freed="freed" in sent),
        f"""new_events as (
            insert into events (ledger_id, id, created_at, type, resource_type, resource_id, data, traceparent)
            select ledger_id, id, $1, event_type, event_resource, event_resource_id, event_data, traceparent from pair
            {_FURTHER_EVENTS if "further_id" in sent else ""}
        )""",  # noqa: S608 - made of constants only
        *(_made_clause(RECORD_SETS[kind]) for kind in form.made),
        *(_changed_clause(RECORD_SETS[kind], is_told=bool(form.told)) for kind in form.changed),
        *(_told_clause(RECORD_SETS[kind]) for kind in form.told),
    ]


_FURTHER_EVENTS = """
            union all
            select ledger_id, further_id, $1, further_type, further_resource, id, null, traceparent from pair
            where further_id is not null"""


def _postings_clause(*, has_holds: bool, has_freed: bool) -> str:
    """What is set free is less held at once, and paid by the next line of its account."""
    if has_freed:
        lines = """
                (0::smallint, 'd', 'h', true, hold_id, debit_id, debit_version - 1, freed, debit_freed_balance,
                 debit_held, debit_freed_hash),
                (1::smallint, 'c', 'h', true, hold_id, credit_id, credit_version - 1, freed, credit_freed_balance,
                 credit_held, credit_freed_hash),"""
        first, second = (f"{place} + case when freed is null then 0 else 2 end" for place in (0, 1))
        hold, layer, there = "case when freed is null then hold_id end", _LAYER_OF_SOME, "where line.amount is not null"
    else:
        lines, first, second, there = "", "0", "1", ""
        hold, layer = ("hold_id", _LAYER) if has_holds else ("null::uuid", "'p'")
    return f"""new_postings as (
            insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place,
                                  side, layer, releases, hold_id, currency, amount, balance_after, held_after, hash)
            select ledger_id, line.account_id, line.version, id, coalesce(effective_at, $1), $1, line.place,
                   line.side::"char", line.layer::"char", line.releases, line.hold, currency, line.amount::numeric,
                   line.balance::numeric, line.held::numeric, line.hash
            from pair cross join lateral (values{lines}
                (({first})::smallint, 'd', {layer}, false, {hold}, debit_id, debit_version, pair.amount, debit_balance,
                 debit_held, debit_hash),
                (({second})::smallint, 'c', {layer}, false, {hold}, credit_id, credit_version, pair.amount,
                 credit_balance, credit_held, credit_hash)
            ) as line(place, side, layer, releases, hold, account_id, version, amount, balance, held, hash) {there}
        )"""  # noqa: S608 - made of constants only


_LAYER = "case when hold_id is null then 'p' else 'h' end"
_LAYER_OF_SOME = "case when hold_id is null or freed is not null then 'p' else 'h' end"


def _made_clause(records: RecordSet) -> str:
    given = [
        f"{records.in_pair.get(column.name, f'own_{column.name}')}{f'::{column.cast}' if column.cast else ''}"
        for column in records.columns
    ]
    return f"""new_{records.kind} as (
        insert into {records.table} (ledger_id, {", ".join(column.name for column in records.columns)})
        select ledger_id, {", ".join(given)} from pair
    )"""  # noqa: S608 - made of constants only


def _changed_clause(records: RecordSet, *, is_told: bool) -> str:
    follow = {} if records.by_pair is None else records.by_pair.follow
    settings = [f"{column.name} = pair.new_{column.given}" for column in records.sent_by_pair]
    settings += [f"{name} = {value}" for name, value in follow.items()]
    return f"""changed_{records.kind} as (
        update {records.table} found set {", ".join(settings)} from pair
        where found.ledger_id = pair.ledger_id and found.{records.columns[0].name} = pair.event_resource_id
        {"returning found.*, pair.id as by_id" if is_told else ""}
    )"""  # noqa: S608 - made of constants only


def _told_clause(records: RecordSet) -> str:
    if records.of_changed is None:
        raise LookupError(f"a {records.kind} tells of no other record")
    kind, columns = records.of_changed
    return f"""new_{records.kind} as (
        insert into {records.table} (ledger_id, {", ".join(columns)})
        select ledger_id, {", ".join(columns.values())} from changed_{kind}
    )"""  # noqa: S608 - made of constants only


def entries_clause(source: str) -> str:
    """`$1` is the moment of posting."""
    return f"""new_entries as (
        insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint,
                                     resource_type, resource_id, reason, actor, reverses, metadata, traceparent)
        select ledger_id, id, coalesce(effective_at, $1), $1, idempotency_key, fingerprint,
               resource_type, resource_id, reason, actor, reverses, metadata, traceparent
        from {source}
    )"""  # noqa: S608 - made of constants only
