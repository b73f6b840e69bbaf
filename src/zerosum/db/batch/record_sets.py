"""Record sets: how records of one kind lie in a table, and the statements that follow from it.

A noun registers its set in `registered.py`, and what finds, locks, inserts and updates its records is generated here:
neither the lane nor the loader nor the write statement knows which kinds there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Currency, Money, render_amount


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is that of the array it travels in. Amounts travel as text, which beats the Decimal codec."""

    name: str
    type: str
    value: Callable[[Any], Any] = lambda record: record
    cast: str = ""

    @property
    def given(self) -> str:
        return f"{self.name}::{self.cast}" if self.cast else self.name

    @property
    def read(self) -> str:
        return f"found.{self.name}::text" if self.cast else f"found.{self.name}"


class Newest(NamedTuple):
    """How a record of which the newest counts is known to be that still: then others may decide by what one batch read.

    `number` is that of a record, or of None where there is none; `is_newest` speaks of `known(ledger_id, number)`.
    """

    number: Callable[[Any], int]
    is_newest: str


class ByPair(NamedTuple):
    """How a record is changed by a plain pair whose event is about it, in the row of that pair (`pairs.py`).

    The columns that are `sent` travel beside it. Others follow of the record as it is `found`, which is as it was
    decided upon, and of the `pair`.
    """

    sent: tuple[str, ...]
    follow: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class RecordSet:
    """`columns` begin with that by which a record is known in its ledger. `changing` may be updated, nothing else.

    `read` makes the record of a row of the ledger's id and all columns. Each ledger's records are its own: its id is
    part of every condition, since row-level security lets a batch see all the ledgers that are in it.
    """

    kind: str
    table: str
    columns: tuple[Column, ...]
    changing: tuple[str, ...]
    read: Callable[[Sequence[Any]], Any]
    is_stored: bool = True
    """Whether it has rows of its own: the others are written as a part of something else, and only read here."""

    is_looked_at: bool = False
    """Whether a batch may decide by a look at them before it holds anything. What its commands are to have locked is
    compared then, when it is locked; what they only read may be as it was when they came."""

    is_small: Callable[[Any], bool] = lambda _: True
    """Whether one that was looked at and written may be kept in memory, by how much it holds."""

    newest: Newest | None = None
    """Of what is only read, and may be remembered from batch to batch (`looking.py`)."""

    in_pair: Mapping[str, str] = field(default_factory=dict)
    """Which of the columns say what the plain pair says that made the record, and what it is called there.

    Then a batch sends one row a pair for both (`pairs.py`). Empty: it never does. Such a pair has just made it, so what
    is the same of all that begin may stand here, too; `$1` is the moment of posting.
    """

    by_pair: ByPair | None = None
    """Where such a pair does always the same to it: what is not named stays as it is."""

    of_changed: tuple[str, Mapping[str, str]] | None = None
    """Of a record that tells how such a pair has left another one: of which kind that is, and all columns by what they
    are called there. `by_id` is the pair's own."""

    @property
    def beside_pair(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.name not in self.in_pair)

    @property
    def sent_by_pair(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if self.by_pair and column.name in self.by_pair.sent)

    def find_statement(self, *, locked: bool) -> str:
        """In the order of their keys, so that no two batches wait for each other crosswise.

        Each by its key, whatever statistics say: the limit keeps the planner from walking the table in key order.
        """
        if locked and not self.is_stored:
            raise LookupError(f"a {self.kind} has no row of its own to lock: lock what it is a part of, and read it")
        return self._find(lock=" for no key update" if locked else "")

    def look_statement(self) -> str:
        """The same for a transaction of its own, which sees the ledgers of `$3`; with the row version of each."""
        opened = "with opened as materialized (select set_config('zerosum.ledgers', $3, true) as ledgers)"
        version = ("found.row_version", "xmin as row_version" if self.is_stored else "null::xid as row_version")
        return opened + self._find(version, "(select ledgers from opened) is not null")

    def _find(self, further: tuple[str, str] = ("", ""), only_if: str = "", lock: str = "") -> str:
        key = self.columns[0]
        told = ["wanted.place", further[0], "found.ledger_id", *(column.read for column in self.columns)]
        names = ["ledger_id", *(column.name for column in self.columns), further[1]]
        return f"""
            select {_listed(told)}
            from (
                select ledger_id, id{_cast(key)} as id, place
                from unnest($1::uuid[], $2::{key.type}[]) with ordinality as wanted(ledger_id, id, place)
                {where(only_if)} order by 1, 2
            ) as wanted
            cross join lateral (
                select {_listed(names)} from {self.table}
                where ledger_id = wanted.ledger_id and {key.name} = wanted.id limit 1{lock}
            ) as found
        """  # noqa: S608 - made of constants only

    def compare_clause(self, numbers: Iterator[int], only_if: str) -> str:
        """Locks them in the same order, and tells whether each is there and at its row version.

        One that somebody changes while it is waited for is compared as it is then. What is only read is not locked.
        """
        key = self.columns[0]
        version_type = "xid" if self.newest is None else "bigint"
        ledgers, ids, versions = (f"${next(numbers)}::{kind}[]" for kind in ("uuid", key.type, version_type))
        if self.newest is not None:
            return f"""
                select bool_and({self.newest.is_newest}) as is_same
                from unnest({ledgers}, {ids}, {versions}) as known(ledger_id, id, number){where(only_if)}
            """  # noqa: S608 - made of constants only
        return f"""
            select count(*) = cardinality({ids}) as is_same
            from (
                select ledger_id, id{_cast(key)} as id, row_version
                from unnest({ledgers}, {ids}, {versions}) as wanted(ledger_id, id, row_version)
                {where(only_if)} order by 1, 2
            ) as wanted
            cross join lateral (
                select xmin from {self.table}
                where ledger_id = wanted.ledger_id and {key.name} = wanted.id limit 1 for no key update
            ) as found
            where found.xmin = wanted.row_version
        """  # noqa: S608 - made of constants only

    def insert_clause(self, numbers: Iterator[int], only_if: str = "") -> str:
        names = ["ledger_id", *(column.name for column in self.columns)]
        types = ["uuid", *(column.type for column in self.columns)]
        arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in types)
        return f"""
            insert into {self.table} ({", ".join(names)})
            select ledger_id, {", ".join(column.given for column in self.columns)}
            from unnest({arrays}) as made({", ".join(names)}){where(only_if)}
        """  # noqa: S608 - made of constants only

    def update_clause(self, numbers: Iterator[int], only_if: str = "") -> str:
        key = self.columns[0]
        changing = self._changing_columns()
        names = ", ".join(["ledger_id", "id", *(column.name for column in changing)])
        arrays = ", ".join(
            f"${next(numbers)}::{kind}[]" for kind in ["uuid", key.type, *(column.type for column in changing)]
        )
        settings = ", ".join(f"{column.name} = changed.{column.given}" for column in changing)
        return f"""
            update {self.table} found set {settings}
            from unnest({arrays}) as changed({names})
            where found.ledger_id = changed.ledger_id and found.{key.name} = changed.id{_cast(key)}
            {f"and {only_if}" if only_if else ""}
        """  # noqa: S608 - made of constants only

    def inserted(self, keys: Sequence[RecordKey], records: Sequence[Any]) -> list[list[Any]]:
        """The arguments of `insert_clause`, column by column."""
        return [
            [key.ledger_id for key in keys],
            *([column.value(record) for record in records] for column in self.columns),
        ]

    def updated(self, keys: Sequence[RecordKey], records: Sequence[Any]) -> list[list[Any]]:
        """The arguments of `update_clause`."""
        return [
            [key.ledger_id for key in keys],
            [self.columns[0].value(record) for record in records],
            *([column.value(record) for record in records] for column in self._changing_columns()),
        ]

    def _changing_columns(self) -> list[Column]:
        return [column for column in self.columns if column.name in self.changing]


def stored_money(amount: str, currency: str) -> Money:
    """The places are those of the amount as it is stored."""
    value = Decimal(amount)
    return Money(value, _stored_currency(currency, -int(value.as_tuple().exponent)))


@lru_cache(1024)
def _stored_currency(code: str, places: int) -> Currency:
    return Currency(code, places, "")


def optional_text(amount: Decimal | None) -> str | None:
    return None if amount is None else render_amount(amount)


def optional_amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def uuids(text: str) -> tuple[UUID, ...]:
    """What PostgreSQL writes of an array of them."""
    return tuple(pgproto.UUID(one) for one in text.strip("{}").split(",") if one)


def uuids_text(ids: Sequence[UUID]) -> str:
    """An array of arrays would be one flat array: each travels as text."""
    return f"{{{','.join(map(str, ids))}}}"


def metadata_column(metadata: Mapping[str, str]) -> str | None:
    return json.dumps(dict(metadata)) if metadata else None


def facts_column(facts: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(facts)).decode()


def where(condition: str) -> str:
    return f" where {condition}" if condition else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(filter(None, names))


def _cast(column: Column) -> str:
    return f"::{column.cast}" if column.cast else ""
