"""Plain pairs on the wire: one row an entry, and PostgreSQL makes its postings of it.

Nearly every entry moves one amount from one account to another, or promises it, and is announced by one event of its
own id. A capture sets free before what it pays, and is announced by two. A batch of such entries sends half of what the
general form sends (`wire.py`), and must write the very same rows: tests hold the two together. The statement is in
`pair_statement.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from zerosum.db.batch.record_sets import facts_column, metadata_column
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
    "event_resource_id": "uuid",
    "event_data": "jsonb",
}
"""Beside those of the entry."""
FURTHER_COLUMNS = {
    "freed": "text",
    "debit_freed_balance": "text",
    "debit_freed_hash": "bytea",
    "credit_freed_balance": "text",
    "credit_freed_hash": "bytea",
    "further_id": "uuid",
    "further_type": "text",
    "further_resource": "text",
}
"""Of what its lines before the pair set free, and of what is told besides: of most batches none."""


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


class PairForm(NamedTuple):
    """What travels of a batch: not the columns in which nothing stands, and the records that the pairs have made."""

    absent: frozenset[str]
    made: tuple[str, ...]
    """Kinds of records: each pair has made one of each, by its own id."""
    changed: tuple[str, ...]
    """Each has changed one of each, all of them others: what its event is about."""
    told: tuple[str, ...]
    """Each has made one of each, that tells of what it has changed."""


class InRows(NamedTuple):
    """Records that go in the rows of the pairs, in their order, by kind; and the kinds that follow of these."""

    made: Mapping[str, Sequence[Any]]
    changed: Mapping[str, Sequence[Any]]
    told: tuple[str, ...]


@cache
def columns_of(made: tuple[str, ...], changed: tuple[str, ...]) -> Mapping[str, str]:
    """All that can travel with records of these kinds."""
    own = {f"own_{column.name}": column.type for kind in made for column in RECORD_SETS[kind].beside_pair}
    new = {f"new_{column.name}": column.type for kind in changed for column in RECORD_SETS[kind].sent_by_pair}
    return ENTRY_COLUMNS | PAIR_COLUMNS | FURTHER_COLUMNS | own | new


def pair_arguments(
    rows: Sequence[tuple[Any, ...]], further: Sequence[tuple[Any, ...]], records: InRows
) -> tuple[PairForm, list[Sequence[Any]]]:
    """The rows column by column, and in which form."""
    named: dict[str, Sequence[Any]] = dict(zip(_OF_ALL, zip(*rows, strict=True), strict=True))
    if further:
        named |= zip(FURTHER_COLUMNS, zip(*further, strict=True), strict=True)
    for kind, made in records.made.items():
        named |= {f"own_{one.name}": [*map(one.value, made)] for one in RECORD_SETS[kind].beside_pair}
    for kind, changed in records.changed.items():
        named |= {f"new_{one.name}": [*map(one.value, changed)] for one in RECORD_SETS[kind].sent_by_pair}
    absent = [name for name, values in named.items() if values[0] is None and values.count(None) == len(values)]
    if not further:
        absent += FURTHER_COLUMNS
    if named["event_resource"] == named["resource_type"]:
        absent.append("event_resource")
    form = PairForm(frozenset(absent), tuple(records.made), tuple(records.changed), records.told)
    return form, [values for name, values in named.items() if name not in form.absent]


_OF_ALL = (*ENTRY_COLUMNS, *PAIR_COLUMNS)


def straight_entry_row(outcome: PostedPair) -> tuple[Any, ...]:
    command, pair = outcome.command, outcome.pair
    return (
        command.ledger_id,
        command.id,
        pair.effective_at,
        command.idempotency_key,
        command.fingerprint,
        pair.resource_type,
        pair.resource_id,
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
        *pair.about,
        None if pair.facts is None else facts_column(pair.facts),
    )


def further_row(outcome: Posted) -> tuple[Any, ...]:
    """What only some have."""
    if not isinstance(outcome, PostedPair):
        return _NOTHING_FURTHER
    freed, event = outcome.pair.freed, outcome.pair.further
    freeing = [(line.balance, line.hash) for line in outcome.freeing] or ((None, None), (None, None))
    told = (None, None, None) if event is None else (event.id, event.type, event.resource_type)
    return (None if freed is None else render_amount(freed.amount), *freeing[0], *freeing[1], *told)


_NOTHING_FURTHER = (None,) * len(FURTHER_COLUMNS)


def straight_posting_rows(outcome: PostedPair) -> Iterator[tuple[Any, ...]]:
    """The same in the general form, beside others that are no pairs."""
    command, pair = outcome.command, outcome.pair
    freeing = len(outcome.freeing)
    freed = None if pair.freed is None else render_amount(pair.freed.amount)
    hold = pair.hold if freed is None else None
    for place, line in enumerate(outcome.lines):
        releases = place < freeing
        yield (
            command.ledger_id,
            line.account_id,
            line.account_version,
            command.id,
            pair.effective_at,
            place,
            place % 2 == 0,
            releases or hold is not None,
            releases,
            pair.hold if releases else hold,
            pair.money.currency.code,
            freed if releases else outcome.amount,
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
        None,
    )
